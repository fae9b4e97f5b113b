//! Onset strength in four bands (Böck & Widmer 2013, "Maximum filter vibrato suppression for onset detection").
//!
//! Magnitudes are gathered by a filterbank of 24 triangles per octave and taken to a logarithm. What a band of the
//! filterbank has more than the loudest of itself and its two neighbours had 20 ms ago is its rise; a glide, which
//! only moves to a neighbour, has none.

use super::spectra::Spectra;
use crate::instruments::Listener;

/// Bands of onset strength: kick and bass, body of snare and chords, voices and snare, cymbals.
pub(crate) const BANDS: usize = 4;
/// Upper edges of all bands but the last, in Hz.
const EDGES: [f32; BANDS - 1] = [150.0, 800.0, 4000.0];
/// Frames per second, about.
const FRAME_RATE: f32 = 100.0;
/// Triangles per octave.
const PER_OCTAVE: f32 = 24.0;
/// Lowest and highest centre of a triangle, in Hz.
const RANGE: [f32; 2] = [30.0, 10_500.0];
/// Frames that a rise is measured over.
const LAG: usize = 2;
/// Gain before the logarithm: −60 dBFS lies at its bend.
const GAIN: f32 = 1000.0;
/// The largest rise that is told apart, in decades.
const LARGEST: f32 = 4.0;

/// One triangle: the first bin and the weights from there on.
struct Filter {
    first: usize,
    weights: Vec<f32>,
    band: usize,
}

/// Onset strength of each frame, in four bands.
pub(crate) struct OnsetFrames {
    spectra: Spectra,
    detector: Detector,
    /// Frames per second.
    pub(crate) rate: f64,
    /// One value per frame and band, companded.
    pub(crate) frames: Vec<[u8; BANDS]>,
    /// Who else listens to the spectra.
    pub(crate) listener: Option<Listener>,
}

/// The last levels of all filters and the rises from them.
struct Detector {
    filters: Vec<Filter>,
    per_band: [f32; BANDS],
    /// The last `LAG + 1` frames of levels, the oldest at `next`.
    past: Vec<Vec<f32>>,
    next: usize,
}

impl OnsetFrames {
    /// Frames of a mono stream at `sample_rate`.
    pub(crate) fn new(sample_rate: f32) -> Self {
        // 46 ms at every rate, or the delay of the onsets would differ; sizes that transform fast
        let size = ((sample_rate * 0.0464 / 64.0).round() as usize).max(1) * 64;
        let hop = (sample_rate / FRAME_RATE).round().max(1.0) as usize;
        Self {
            spectra: Spectra::new(size, hop),
            detector: Detector::new(size, sample_rate),
            rate: f64::from(sample_rate) / hop as f64,
            frames: Vec::new(),
            listener: None,
        }
    }

    /// Lets instruments be told from the same spectra.
    pub(crate) fn listen(&mut self, sample_rate: f32, classify: bool) {
        let size = self.spectra.size();
        self.listener = Some(Listener::new(size, sample_rate, self.rate, classify));
    }

    pub(crate) fn push(&mut self, mono: &[f32]) {
        let Self { spectra, detector, frames, listener, .. } = self;
        spectra.push(mono, |magnitudes| {
            frames.push(detector.rise(magnitudes).map(compand));
            if let Some(listener) = listener {
                listener.push(magnitudes);
            }
        });
    }

    pub(crate) fn finish(&mut self) {
        let Self { spectra, detector, frames, listener, .. } = self;
        spectra.finish(|magnitudes| {
            frames.push(detector.rise(magnitudes).map(compand));
            if let Some(listener) = listener {
                listener.push(magnitudes);
            }
        });
    }

    /// Rise in decades of each frame in one band.
    pub(crate) fn band(&self, band: usize) -> Vec<f32> {
        self.frames.iter().map(|f| expand(f[band])).collect()
    }
}

impl Detector {
    fn new(size: usize, sample_rate: f32) -> Self {
        let filters = filterbank(size, sample_rate);
        let mut per_band = [0.0; BANDS];
        for f in &filters {
            per_band[f.band] += 1.0;
        }
        Self { past: vec![vec![0.0; filters.len()]; LAG + 1], filters, per_band, next: 0 }
    }

    /// Mean rise in decades over the filters of each band.
    fn rise(&mut self, magnitudes: &[f32]) -> [f32; BANDS] {
        let mut now = std::mem::take(&mut self.past[self.next]);
        for (level, f) in now.iter_mut().zip(&self.filters) {
            let sum: f32 = magnitudes[f.first..].iter().zip(&f.weights).map(|(m, w)| m * w).sum();
            *level = (1.0 + GAIN * sum).log10();
        }
        self.past[self.next] = now;
        let now = self.next;
        self.next = (self.next + 1) % self.past.len();
        let (now, before) = (&self.past[now], &self.past[self.next]);
        let mut rise = [0.0; BANDS];
        for (i, f) in self.filters.iter().enumerate() {
            let near = &before[i.saturating_sub(1)..(i + 2).min(before.len())];
            let loudest = near.iter().fold(0.0f32, |a, b| a.max(*b));
            rise[f.band] += (now[i] - loudest).max(0.0);
        }
        for (r, n) in rise.iter_mut().zip(self.per_band) {
            *r /= n.max(1.0);
        }
        rise
    }
}

/// Triangles on a logarithmic scale, of unit area each; those that would share their centre's bin are one.
fn filterbank(size: usize, sample_rate: f32) -> Vec<Filter> {
    let per_bin = sample_rate / size as f32;
    let top = RANGE[1].min(0.47 * sample_rate);
    let count = ((top / RANGE[0]).log2() * PER_OCTAVE) as usize;
    let mut centres: Vec<usize> = (0..=count)
        .map(|i| (RANGE[0] * (i as f32 / PER_OCTAVE).exp2() / per_bin).round() as usize)
        .filter(|bin| *bin > 0)
        .collect();
    centres.dedup();
    let triangle = |w: &[usize]| {
        let (left, centre, right) = (w[0], w[1], w[2]);
        let weight = |bin: usize| {
            if bin <= centre {
                (bin - left) as f32 / (centre - left) as f32
            } else {
                (right - bin) as f32 / (right - centre) as f32
            }
        };
        let mut weights: Vec<f32> = (left + 1..right).map(weight).collect();
        let area: f32 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= area);
        let frequency = centre as f32 * per_bin;
        Filter { first: left + 1, weights, band: EDGES.iter().filter(|e| **e <= frequency).count() }
    };
    centres.windows(3).map(triangle).collect()
}

/// A rise as one byte; small ones keep more of their digits.
fn compand(rise: f32) -> u8 {
    ((rise / LARGEST).clamp(0.0, 1.0).sqrt() * 255.0).round() as u8
}

fn expand(code: u8) -> f32 {
    (f32::from(code) / 255.0).powi(2) * LARGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companding_keeps_two_digits() {
        for rise in [0.01f32, 0.1, 0.5, 2.0] {
            assert!((expand(compand(rise)) / rise - 1.0).abs() < 0.08, "{rise}");
        }
    }
}
