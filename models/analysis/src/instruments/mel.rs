//! Windows of bands on the mel scale, as the classifier takes them.

/// Bands and frames of a window.
pub(super) const BANDS: usize = 64;
pub(super) const FRAMES: usize = 128;
/// What is known of each band: mean, deviation, the range of four fifths of the frames, and the mean rise.
pub(super) const STATISTICS: usize = 4;
/// A window.
pub(super) type Window = [f32; STATISTICS * BANDS];

/// Lowest and highest edge of a band, in Hz.
const RANGE: [f32; 2] = [40.0, 10_000.0];
/// Power that counts as nothing.
const FLOOR: f32 = 1e-9;
/// Decibels below the loudest that are told apart.
const DEPTH: f32 = 60.0;
/// Power of the loudest band below which a window is silent, −76 dB.
const SILENT: f32 = 2.5e-8;
/// Mean of a band, as the classifier has it, from which on the band sounds; and the fewest bands that do: a pure tone with
/// its side lobes has fewer, and so has one knock. That is no instrument.
const FAINT: f32 = -0.95;
const FEWEST: usize = 16;

/// Gathers frames into windows.
pub(super) struct Windows {
    /// First bin and weights of each band.
    bands: Vec<(usize, Vec<f32>)>,
    /// Powers of the bands, frame by frame.
    held: Vec<[f32; BANDS]>,
}

impl Windows {
    /// For spectra of `size` samples at `sample_rate`.
    pub(super) fn new(size: usize, sample_rate: f32) -> Self {
        let mel = |f: f32| 1127.0 * (f / 700.0).ln_1p();
        let hz = |m: f32| 700.0 * (m / 1127.0).exp_m1();
        let (low, high) = (mel(RANGE[0]), mel(RANGE[1]));
        let edge = |i: usize| hz(low + (high - low) * i as f32 / (BANDS + 1) as f32);
        let per_bin = sample_rate / size as f32;
        let band = |i: usize| {
            let [left, centre, right] = [edge(i), edge(i + 1), edge(i + 2)];
            let first = (left / per_bin).ceil() as usize;
            let last = ((right / per_bin) as usize).min(size / 2);
            let weight = |bin: usize| {
                let f = bin as f32 * per_bin;
                ((f - left) / (centre - left)).min((right - f) / (right - centre)).max(0.0)
            };
            let weights: Vec<f32> = (first..=last).map(weight).collect();
            let sum: f32 = weights.iter().sum();
            if sum > 0.0 {
                return (first, weights.iter().map(|w| w / sum).collect());
            }
            // narrower than a bin, or above what there is
            let nearest = (centre / per_bin).round() as usize;
            if nearest <= size / 2 { (nearest, vec![1.0]) } else { (0, Vec::new()) }
        };
        Self { bands: (0..BANDS).map(band).collect(), held: Vec::with_capacity(FRAMES) }
    }

    /// Takes the magnitudes of a frame; gives the window that it completes, or `None` of
    /// silence and of pure tones.
    pub(super) fn push(&mut self, magnitudes: &[f32]) -> Option<Option<Window>> {
        let power = |(first, weights): &(usize, Vec<f32>)| {
            magnitudes[*first..].iter().zip(weights).map(|(m, w)| m * m * w).sum::<f32>()
        };
        self.held.push(std::array::from_fn(|i| power(&self.bands[i])));
        (self.held.len() == FRAMES).then(|| self.window())
    }

    /// The window that was begun, with silence after it, where at least `least` frames of it are there.
    pub(super) fn finish(&mut self, least: usize) -> Option<Option<Window>> {
        (self.held.len() >= least.max(1)).then(|| {
            self.held.resize(FRAMES, [0.0; BANDS]);
            self.window()
        })
    }

    fn window(&mut self) -> Option<Window> {
        let loudest = self.held.iter().flatten().fold(0.0f32, |a, b| a.max(*b));
        let level = |power: f32| 10.0 * (power + FLOOR).log10();
        let top = level(loudest);
        let input = |power: f32| ((level(power) - top + DEPTH) / (0.5 * DEPTH)).clamp(0.0, 2.0) - 1.0;
        let mut window = [0.0; STATISTICS * BANDS];
        for band in 0..BANDS {
            let levels: Vec<f32> = self.held.iter().map(|frame| input(frame[band])).collect();
            for (i, value) in statistics(levels).into_iter().enumerate() {
                window[i * BANDS + band] = value;
            }
        }
        self.held.clear();
        let sounding = window[..BANDS].iter().filter(|mean| **mean > FAINT).count();
        (loudest > SILENT && sounding >= FEWEST).then_some(window)
    }
}

fn statistics(mut levels: Vec<f32>) -> [f32; STATISTICS] {
    let n = levels.len() as f32;
    let mean = levels.iter().sum::<f32>() / n;
    let variance = levels.iter().map(|l| (l - mean).powi(2)).sum::<f32>() / n;
    let rise = levels.windows(2).map(|l| (l[1] - l[0]).max(0.0)).sum::<f32>() / (n - 1.0);
    levels.sort_by(f32::total_cmp);
    let outer = levels.len() / 10;
    [mean, 2.0 * variance.sqrt(), levels[levels.len() - 1 - outer] - levels[outer], 10.0 * rise]
}
