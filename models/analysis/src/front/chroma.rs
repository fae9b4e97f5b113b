//! Pitch classes of each frame, in the bass and above it, and the frame's timbre.
//!
//! Harmonic pitch class profile (Gómez 2006, "Tonal description of music audio signals"): peaks of a whitened
//! spectrum count for their own pitch class and, less and less, for those they may be a harmonic of. Thirds of a
//! semitone are kept, so that the tuning may be settled at the end.

use super::{
    peaks::{Peak, PeakFinder},
    spectra::Spectra,
};

/// Bins of an octave.
pub(crate) const BINS: usize = 36;
/// Bands of the timbre.
pub(crate) const TIMBRE: usize = 8;
/// Frames per second, about.
const FRAME_RATE: f32 = 7.2;
/// Where the bass ends and where harmony begins to count, in Hz.
const BASS: [f32; 2] = [38.0, 210.0];
const TREBLE: [f32; 2] = [110.0, 4200.0];
/// Harmonics that a peak may be, and the weight of each after the one before.
const HARMONICS: usize = 4;
const HARMONIC_WEIGHT: f32 = 0.65;
/// Frequency above which no peak counts, in Hz, and the octaves below it over which peaks fade: the higher, the more
/// are harmonics, and the third one lies a fifth away from what is played.
const CEILING: f32 = 1400.0;
const FADE: f32 = 1.5;
/// Magnitude below which nothing is heard, −76 dBFS.
const FLOOR: f32 = 1.6e-4;
/// The same relative to the loudest of the frame: what is far below it is a side lobe or noise.
const RELATIVE_FLOOR: f32 = 3e-3;
/// Resolution of the histogram of tunings, in cents.
const TUNING_STEP: usize = 2;
/// Where middle C lies in 12-tone equal temperament, in Hz.
pub(crate) const MIDDLE_C: f32 = 261.625_58;

/// What is kept of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChromaFrame {
    /// Thirds of a semitone from C on, relative to the largest.
    pub(crate) treble: [u8; BINS],
    pub(crate) bass: [u8; BINS],
    /// Level of the bands of the timbre, in half decibels above −110 dBFS.
    pub(crate) timbre: [u8; TIMBRE],
    /// Level of the frame, likewise.
    pub(crate) level: u8,
    /// Mean prominence of the strongest peaks, in eighths of a neper.
    pub(crate) tonal: u8,
}

/// Pitch classes of the frames of a stream.
pub(crate) struct ChromaFrames {
    spectra: Spectra,
    builder: Builder,
    /// Frames per second.
    pub(crate) rate: f64,
    pub(crate) frames: Vec<ChromaFrame>,
}

struct Builder {
    finder: PeakFinder,
    /// First bin of each band of the timbre, and the end of the last.
    edges: [usize; TIMBRE + 1],
    /// Weight of peaks by their distance from the nearest semitone, from −50 cents on.
    tunings: Vec<f64>,
}

impl ChromaFrames {
    /// Frames of a mono stream at `sample_rate`.
    pub(crate) fn new(sample_rate: f32) -> Self {
        // 0.37 s, to the nearest power of two
        let size = 1usize << (sample_rate * 0.3715).log2().round() as usize;
        let hop = (sample_rate / FRAME_RATE).round().max(1.0) as usize;
        let bin = |f: f32| ((f * size as f32 / sample_rate) as usize).clamp(1, size / 2);
        Self {
            spectra: Spectra::new(size, hop),
            builder: Builder {
                finder: PeakFinder::new(size, sample_rate, [BASS[0], TREBLE[1].min(0.47 * sample_rate)]),
                edges: std::array::from_fn(|i| bin(40.0 * (i as f32 * 0.86).exp2())),
                tunings: vec![0.0; 100 / TUNING_STEP],
            },
            rate: f64::from(sample_rate) / hop as f64,
            frames: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, mono: &[f32]) {
        let Self { spectra, builder, frames, .. } = self;
        spectra.push(mono, |magnitudes| frames.push(builder.frame(magnitudes)));
    }

    pub(crate) fn finish(&mut self) {
        let Self { spectra, builder, frames, .. } = self;
        spectra.finish(|magnitudes| frames.push(builder.frame(magnitudes)));
    }

    /// Weights of peaks by their distance in cents from the nearest semitone.
    pub(crate) fn tunings(&self) -> impl Iterator<Item = (f64, f64)> {
        let middle = |i: usize| (i * TUNING_STEP) as f64 + 0.5 * TUNING_STEP as f64 - 50.0;
        self.builder.tunings.iter().enumerate().map(move |(i, w)| (middle(i), *w))
    }
}

impl Builder {
    fn frame(&mut self, magnitudes: &[f32]) -> ChromaFrame {
        let power = |bins: &[f32]| bins.iter().map(|m| m * m).sum::<f32>();
        let all = power(&magnitudes[1..]);
        let loudest = magnitudes.iter().fold(0.0f32, |a, b| a.max(*b));
        self.finder.find(magnitudes, FLOOR.max(loudest * RELATIVE_FLOOR));
        let (mut treble, mut bass) = ([0.0; BINS], [0.0; BINS]);
        let mut strongest = [0.0f32; 6];
        for peak in &self.finder.peaks {
            let weight = strength(*peak);
            if let Some(weakest) = strongest.iter_mut().min_by(|a, b| a.total_cmp(b)) {
                *weakest = weakest.max(peak.prominence.ln());
            }
            let pitch = 12.0 * (peak.frequency / MIDDLE_C).log2();
            if peak.frequency > TREBLE[0] {
                let cents = (pitch - pitch.round()) * 100.0 + 50.0;
                let slot = (cents as usize / TUNING_STEP).min(self.tunings.len() - 1);
                self.tunings[slot] += f64::from(weight * weight);
                let mut share = 1.0;
                for harmonic in 1..=HARMONICS {
                    add(&mut treble, pitch - 12.0 * (harmonic as f32).log2(), weight * share);
                    share *= HARMONIC_WEIGHT;
                }
            }
            // The bass fades out where harmony takes over.
            let low = 1.0 - ((peak.frequency / BASS[1]).log2() + 0.5).clamp(0.0, 1.0);
            if low > 0.0 {
                add(&mut bass, pitch, weight * low);
            }
        }
        let tonal = strongest.iter().sum::<f32>() / strongest.len() as f32;
        ChromaFrame {
            treble: quantised(&treble),
            bass: quantised(&bass),
            timbre: std::array::from_fn(|i| {
                level(power(&magnitudes[self.edges[i]..self.edges[i + 1].max(self.edges[i] + 1)]))
            }),
            level: level(all),
            tonal: (tonal * 8.0).clamp(0.0, 255.0) as u8,
        }
    }
}

/// How much a peak counts: whitened, and compressed since no tone should be all of a frame.
fn strength(peak: Peak) -> f32 {
    let high = ((CEILING / peak.frequency).log2() / FADE).clamp(0.0, 1.0);
    peak.prominence.sqrt() * high
}

/// Shares `weight` between the two bins next to `pitch` (semitones from C).
fn add(bins: &mut [f32; BINS], pitch: f32, weight: f32) {
    let at = (pitch / 12.0).rem_euclid(1.0) * BINS as f32;
    let (low, part) = (at as usize, at.fract());
    bins[low % BINS] += weight * (1.0 - part);
    bins[(low + 1) % BINS] += weight * part;
}

fn quantised(bins: &[f32; BINS]) -> [u8; BINS] {
    let largest = bins.iter().fold(0.0f32, |a, b| a.max(*b));
    let scale = if largest > 0.0 { 255.0 / largest } else { 0.0 };
    bins.map(|b| (b * scale).round() as u8)
}

/// A power as half decibels above −110 dBFS.
fn level(power: f32) -> u8 {
    ((10.0 * power.max(1e-20).log10() + 110.0) * 2.0).clamp(0.0, 255.0) as u8
}
