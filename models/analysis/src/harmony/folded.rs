//! Pitch classes after the tuning is known.

use std::f64::consts::TAU;

use crate::front::{CHROMA_BINS, ChromaFrame, ChromaFrames};

/// Pitch classes of a time span, from C on.
pub(crate) type Pcs = [f32; 12];

/// Bins of a semitone.
const PER_SEMITONE: usize = CHROMA_BINS / 12;
/// Level below the loudest frames at which a frame counts for nothing, in decibels.
const RANGE: f32 = 40.0;

/// The harmony of a track, frame by frame.
pub(crate) struct Harmony {
    /// Frames per second.
    pub(crate) rate: f64,
    pub(crate) duration: f64,
    /// How far the track is tuned from A = 440 Hz, −50 to 50.
    pub(crate) tuning: f64,
    pub(crate) frames: Vec<ChromaFrame>,
    /// Weight of each frame by its level, 0 to 1.
    pub(crate) weights: Vec<f32>,
    pub(crate) treble: Vec<Pcs>,
    pub(crate) bass: Vec<Pcs>,
}

impl Harmony {
    /// Settles the tuning and folds all frames to semitones.
    pub(crate) fn new(chroma: Option<ChromaFrames>, duration: f64) -> Self {
        let Some(chroma) = chroma else {
            return Self {
                rate: 1.0,
                duration,
                tuning: 0.0,
                frames: Vec::new(),
                weights: Vec::new(),
                treble: Vec::new(),
                bass: Vec::new(),
            };
        };
        let tuning = tuning(&chroma);
        let shift = tuning as f32 / 100.0 * PER_SEMITONE as f32;
        let levels: Vec<f32> = chroma.frames.iter().map(|f| f32::from(f.level) / 2.0).collect();
        let loud = loud(&levels);
        Self {
            rate: chroma.rate,
            duration,
            tuning,
            weights: levels.iter().map(|l| ((l - loud + RANGE) / RANGE).clamp(0.0, 1.0)).collect(),
            treble: chroma.frames.iter().map(|f| fold(&f.treble, shift)).collect(),
            bass: chroma.frames.iter().map(|f| fold(&f.bass, shift)).collect(),
            frames: chroma.frames,
        }
    }

    /// Index of the frame whose centre is nearest to `time`.
    pub(crate) fn at(&self, time: f64) -> usize {
        ((time * self.rate).round().max(0.0) as usize).min(self.frames.len())
    }

    /// Mean treble and bass between two times, weighted by level, at least of the one nearest frame.
    pub(crate) fn mean(&self, start: f64, end: f64) -> [Pcs; 2] {
        let from = self.at(start).min(self.frames.len().saturating_sub(1));
        let to = self.at(end).clamp(from, self.frames.len()).max((from + 1).min(self.frames.len()));
        let mut sums = [[0.0; 12]; 2];
        let mut weight = 1e-6;
        for t in from..to {
            weight += self.weights[t];
            for (sum, pcs) in sums.iter_mut().zip([&self.treble[t], &self.bass[t]]) {
                for (s, p) in sum.iter_mut().zip(pcs) {
                    *s += p * self.weights[t];
                }
            }
        }
        sums.map(|sum| sum.map(|s| s / weight))
    }
}

/// Circular mean of the distances of all peaks from their nearest semitones, in cents.
fn tuning(chroma: &ChromaFrames) -> f64 {
    let (mut x, mut y) = (0.0, 0.0);
    for (cents, weight) in chroma.tunings() {
        let angle = cents / 100.0 * TAU;
        x += weight * angle.cos();
        y += weight * angle.sin();
    }
    y.atan2(x) / TAU * 100.0
}

/// The level that one frame in twenty exceeds.
fn loud(levels: &[f32]) -> f32 {
    let mut sorted = levels.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() * 19 / 20).copied().unwrap_or_default()
}

/// Thirds of a semitone to semitones that are `shift` thirds higher than in standard tuning.
fn fold(bins: &[u8; CHROMA_BINS], shift: f32) -> Pcs {
    let reach = PER_SEMITONE as f32;
    std::array::from_fn(|pc| {
        let centre = (pc * PER_SEMITONE) as f32 + shift;
        let first = (centre - reach).ceil() as isize;
        (first..=(centre + reach).floor() as isize)
            .map(|i| {
                let window = ((i as f32 - centre) / reach * std::f32::consts::FRAC_PI_2).cos().powi(2);
                f32::from(bins[i.rem_euclid(CHROMA_BINS as isize) as usize]) / 255.0 * window
            })
            .sum()
    })
}
