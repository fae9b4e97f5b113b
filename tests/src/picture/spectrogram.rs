use std::f64::consts::TAU;

use realfft::RealFftPlanner;

use crate::Signal;

/// Lowest and highest frequency shown, in Hz.
pub(super) const RANGE: (f64, f64) = (40.0, 18_000.0);

/// Levels in dB on a logarithmic frequency axis: shape `[width, height]`, from the lowest frequency up.
pub(super) struct Spectrogram {
    pub(super) height: usize,
    pub(super) levels: Vec<f32>,
}

/// Where a frequency lies on the axis, 0 at the lowest and 1 at the highest.
pub(super) fn position(frequency: f64) -> f64 {
    (frequency / RANGE.0).ln() / (RANGE.1 / RANGE.0).ln()
}

fn frequency(position: f64) -> f64 {
    RANGE.0 * (RANGE.1 / RANGE.0).powf(position)
}

impl Spectrogram {
    /// Of all channels together. Long frames resolve the pitches of low notes and short ones the onsets above, so two
    /// spectrograms are cross-faded over frequency. 3 dB per octave are added (pink noise is even).
    pub(super) fn new(signal: &Signal, width: usize, height: usize) -> Self {
        let long = powers(signal, width, height, 8192);
        let short = powers(signal, width, height, 2048);
        let levels = long
            .iter()
            .zip(&short)
            .enumerate()
            .map(|(i, (long, short))| {
                let f = frequency((i % height) as f64 / height as f64);
                let fade = ((f / 400.0).log2() / 2.0).clamp(0.0, 1.0) as f32;
                let tilt = 3.0 * (f / 1000.0).log2();
                (1.0 - fade) * long + fade * short + tilt as f32
            })
            .collect();
        Self { height, levels }
    }

    pub(super) fn column(&self, x: usize) -> &[f32] {
        &self.levels[x * self.height..(x + 1) * self.height]
    }

    pub(super) fn max(&self) -> f32 {
        self.levels.iter().copied().fold(f32::MIN, f32::max)
    }
}

/// Levels in dB (a full-scale sine is 0) from Hann frames of `size` samples, shape `[width, height]`.
fn powers(signal: &Signal, width: usize, height: usize, size: usize) -> Vec<f32> {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(size);
    let window: Vec<f32> =
        (0..size).map(|n| (0.5 - 0.5 * (TAU * n as f64 / size as f64).cos()) as f32).collect();
    let scale = 16.0 / (size * size * signal.channels) as f32; // (2 / Σ window)², mean over channels
    let channels: Vec<Vec<f32>> = (0..signal.channels).map(|c| signal.channel(c)).collect();
    let (mut frame, mut bins) = (fft.make_input_vec(), fft.make_output_vec());
    let span = signal.frames() as f64 / width as f64;
    let frames_per_column = (2.0 * span / size as f64).ceil().clamp(1.0, 6.0) as usize;
    let mut levels = Vec::with_capacity(width * height);
    for column in 0..width {
        let mut loudest = vec![0f32; bins.len()];
        for part in 0..frames_per_column {
            let centre = (column as f64 + (part as f64 + 0.5) / frames_per_column as f64) * span;
            let start = centre as i64 - size as i64 / 2;
            let mut power = vec![0f32; bins.len()];
            for channel in &channels {
                for (n, (value, window)) in frame.iter_mut().zip(&window).enumerate() {
                    let at = usize::try_from(start + n as i64).ok();
                    *value = at.and_then(|at| channel.get(at)).unwrap_or(&0.0) * window;
                }
                if fft.process(&mut frame, &mut bins).is_ok() {
                    power.iter_mut().zip(&bins).for_each(|(p, bin)| *p += bin.norm_sqr() * scale);
                }
            }
            loudest.iter_mut().zip(&power).for_each(|(most, p)| *most = most.max(*p));
        }
        let bin =
            |y: usize| frequency(y as f64 / height as f64) * size as f64 / f64::from(signal.sample_rate);
        levels.extend((0..height).map(|y| 10.0 * between(&loudest, bin(y), bin(y + 1)).max(1e-12).log10()));
    }
    levels
}

/// The largest power between two fractional bins, interpolated where they are less than a bin apart.
fn between(power: &[f32], from: f64, to: f64) -> f32 {
    let at = |bin: usize| power.get(bin).copied().unwrap_or(0.0);
    if to - from > 1.0 {
        return (from.round() as usize..=to.round() as usize).map(at).fold(0.0, f32::max);
    }
    let middle = (from + to) / 2.0;
    let fraction = middle.fract() as f32;
    at(middle as usize) * (1.0 - fraction) + at(middle as usize + 1) * fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::generators::sine;

    #[test]
    fn a_sine_is_a_line_at_its_frequency_and_level() {
        let shown = Spectrogram::new(&sine(44_100, 2, 1.0, 1000.0, 0.5), 10, 200);
        let column = shown.column(5);
        let (at, level) = column.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert!((at as f64 / 200.0 - position(1000.0)).abs() < 0.02, "{at}");
        assert!((level + 6.0).abs() < 1.5, "{level}");
    }
}
