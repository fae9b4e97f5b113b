//! Periods of the onset strength: autocorrelation and Fourier transform of long windows, both averaged over the track.
//!
//! Autocorrelation answers to a period and its multiples, the Fourier transform to a rate and its multiples (Peeters
//! 2006, Grosche & Müller 2011); what both know is neither. The spectrum is compressed before it is turned into an
//! autocorrelation (Percival & Tzanetakis 2014), which keeps the loudest strokes from being all.

use realfft::RealFftPlanner;

use super::odf::Odf;

/// Length of a window and the distance between two, in seconds.
const WINDOW: f64 = 12.0;
const STEP: f64 = 3.0;
/// Longest lag that is kept, in seconds.
const LONGEST: f64 = 8.5;
/// Exponent of the power spectrum.
const COMPRESSION: f32 = 0.6;

/// Strength of each period.
pub(crate) struct Tempogram {
    /// Frames per second.
    pub(crate) rate: f64,
    /// Autocorrelation by lag in frames; 1 at lag 0.
    pub(crate) lags: Vec<f32>,
    /// Magnitudes of the Fourier transform; the largest is 1.
    fourier: Vec<f32>,
    /// Bins of the transform per Hz.
    per_hz: f64,
}

impl Tempogram {
    pub(crate) fn new(odf: &Odf) -> Self {
        let window = ((WINDOW * odf.rate) as usize).min(odf.all.len()).max(1);
        let step = (STEP * odf.rate) as usize;
        let size = (2 * (WINDOW * odf.rate) as usize).next_power_of_two();
        let longest = ((LONGEST * odf.rate) as usize).min(window.saturating_sub(1));
        let mut planner = RealFftPlanner::<f32>::new();
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let (mut buffer, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
        let mut lags = vec![0.0; longest + 1];
        let mut fourier = vec![0.0; spectrum.len()];
        let starts = (0..).map(|i| i * step).take_while(|s| *s == 0 || s + window <= odf.all.len());
        for start in starts {
            let part = &odf.all[start..start + window];
            let mean = part.iter().sum::<f32>() / window as f32;
            buffer.fill(0.0);
            buffer.iter_mut().zip(part).for_each(|(b, v)| *b = v - mean);
            // The lengths come from the plans, which is all that can fail here.
            let _ = forward.process(&mut buffer, &mut spectrum);
            for (f, c) in fourier.iter_mut().zip(&mut spectrum) {
                let power = c.norm_sqr();
                *f += power.sqrt();
                *c = power.powf(COMPRESSION).into();
            }
            let _ = inverse.process(&mut spectrum, &mut buffer);
            for (lag, (sum, v)) in lags.iter_mut().zip(&buffer).enumerate() {
                // fewer products remain the longer the lag
                *sum += v * window as f32 / (window - lag) as f32;
            }
        }
        normalise(&mut lags, |v| v.first().copied().unwrap_or_default());
        normalise(&mut fourier, |v| v.iter().fold(0.0, |a: f32, b| a.max(*b)));
        Self { rate: odf.rate, lags, fourier, per_hz: size as f64 / odf.rate }
    }

    /// Autocorrelation at a period in frames: the largest within 2 %. 0 beyond what was measured.
    pub(crate) fn lag(&self, period: f64) -> f32 {
        let reach = (0.02 * period).max(1.0);
        let from = (period - reach).round().max(1.0) as usize;
        let to = (period + reach).round() as usize;
        self.lags.get(from..=to).map_or(0.0, |l| l.iter().fold(0.0f32, |a, b| a.max(*b)))
    }

    /// Magnitude of the Fourier transform at the rate of a period in frames: the largest within 2 %.
    pub(crate) fn fourier(&self, period: f64) -> f32 {
        let at = self.rate / period * self.per_hz;
        let reach = (0.02 * at).max(1.0);
        let range = (at - reach).round().max(0.0) as usize..=(at + reach).round() as usize;
        self.fourier.get(range).map_or(0.0, |f| f.iter().fold(0.0f32, |a, b| a.max(*b)))
    }
}

fn normalise(values: &mut [f32], unit: impl Fn(&[f32]) -> f32) {
    let unit = unit(values);
    if unit > 0.0 {
        values.iter_mut().for_each(|v| *v /= unit);
    }
}
