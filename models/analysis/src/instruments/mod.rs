//! Which instruments play, and when.

mod heuristics;
mod mel;
mod network;

use mel::Windows;
use network::OUTPUTS;

use crate::analysis::{Instrument, Method, Segment};

/// What the classifier tells apart, in the order of its outputs.
pub(crate) const LABELS: [&str; OUTPUTS] = [
    "drums",
    "bass",
    "piano",
    "organ",
    "acoustic_guitar",
    "electric_guitar",
    "strings",
    "brass",
    "woodwind",
    "synth",
    "voice",
];
/// Frames of the onsets between two of the classifier.
const EVERY: usize = 2;
/// Least frames of the last window, half a second, if it is not the only one; and if it is.
const LEAST: usize = 64;
const LEAST_OF_ONE: usize = 25;
/// Probability from which on a window counts as one in which an instrument plays.
const PLAYS: f32 = 0.5;
/// Share of the windows, the surest, that speak for an instrument: most play for a part of a track only.
const SUREST: usize = 4;

/// Probabilities of a window, or `None` of silence and of pure tones.
type Heard = Option<[f32; OUTPUTS]>;

/// Listens to the frames of a track.
pub(crate) struct Listener {
    windows: Windows,
    frames: usize,
    /// Seconds of a window.
    length: f64,
    heard: Vec<Heard>,
    rough: heuristics::Rough,
    classify: bool,
}

impl Listener {
    /// For spectra of `size` samples at `sample_rate`, `frame_rate` of them a second. Without `classify` the
    /// heuristics are all there is.
    pub(crate) fn new(size: usize, sample_rate: f32, frame_rate: f64, classify: bool) -> Self {
        Self {
            windows: Windows::new(size, sample_rate),
            frames: 0,
            length: (mel::FRAMES * EVERY) as f64 / frame_rate,
            heard: Vec::new(),
            rough: heuristics::Rough::new(size, sample_rate),
            classify,
        }
    }

    /// Takes the magnitudes of a frame.
    pub(crate) fn push(&mut self, magnitudes: &[f32]) {
        self.frames += 1;
        if self.frames % EVERY != 1 {
            return;
        }
        if !self.classify {
            self.rough.push(magnitudes);
        } else if let Some(window) = self.windows.push(magnitudes) {
            self.heard.push(window.map(|w| network::run(&w)));
        }
    }

    /// The instruments whose confidence is at least `threshold`, the surest first.
    pub(crate) fn finish(mut self, duration: f64, threshold: f32) -> Vec<Instrument> {
        let mut found = if self.classify {
            let least = if self.heard.is_empty() { LEAST_OF_ONE } else { LEAST };
            if let Some(window) = self.windows.finish(least) {
                self.heard.push(window.map(|w| network::run(&w)));
            }
            self.named(duration)
        } else {
            self.rough.finish(duration)
        };
        found.retain(|i| i.confidence >= f64::from(threshold));
        found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        found
    }

    fn named(&self, duration: f64) -> Vec<Instrument> {
        let sounding = self.heard.iter().flatten().count();
        let name = |(i, label): (usize, &&str)| {
            let mut surest: Vec<f32> = self.heard.iter().flatten().map(|p| p[i]).collect();
            surest.sort_by(|a, b| b.total_cmp(a));
            surest.truncate(sounding.div_ceil(SUREST));
            let confidence = surest.iter().sum::<f32>() / surest.len().max(1) as f32;
            let plays: Vec<bool> = self.heard.iter().map(|h| h.is_some_and(|p| p[i] >= PLAYS)).collect();
            Instrument {
                label: (*label).into(),
                confidence: (f64::from(confidence) * 1000.0).round() / 1000.0,
                method: Method::Classifier,
                segments: segments(&plays, self.length, duration),
            }
        };
        if sounding == 0 { Vec::new() } else { LABELS.iter().enumerate().map(name).collect() }
    }
}

/// Runs of windows `length` seconds long, up to `duration`.
fn segments(plays: &[bool], length: f64, duration: f64) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (i, _) in plays.iter().enumerate().filter(|(_, p)| **p) {
        let thousandths = |t: f64| (t.min(duration) * 1000.0).round() / 1000.0;
        let (start, end) = (thousandths(i as f64 * length), thousandths((i + 1) as f64 * length));
        match segments.last_mut() {
            Some(last) if (last.end - start).abs() < 0.01 => last.end = end,
            _ => segments.push(Segment { start, end }),
        }
    }
    segments
}
