//! What the shape of the spectra says of drums and bass where no classifier is wanted: little, and with little
//! confidence.

use super::segments;
use crate::analysis::{Instrument, Method};

/// Edges of the bands that are looked at, in Hz: bass, middle, and the heights of cymbals.
const EDGES: [f32; 4] = [40.0, 200.0, 4000.0, 10_000.0];
/// Frames of a window, about 2.5 s.
const FRAMES: usize = 128;
/// Power of a frame below which it is silent.
const SILENT: f32 = 1e-8;
/// Share of the bass in the power of a frame with a bass, and of its middle at least: a bass has harmonics.
const BASS: f32 = 0.2;
const HARMONICS: f32 = 0.01;
/// Rise of the heights from one frame to the next that is a stroke, and strokes of a window with drums.
const STROKE: f32 = 8.0;
const STROKES: usize = 4;
/// Frames with a bass of a window with one: a knock has fewer.
const HELD: usize = 16;
/// The most that any of it is believed.
const BELIEVED: f64 = 0.6;

/// Gathers windows.
pub(super) struct Rough {
    bins: [usize; 4],
    frames: usize,
    held: usize,
    heights: f32,
    strokes: usize,
    seconds: f64,
    drums: Vec<bool>,
    bass: Vec<bool>,
}

impl Rough {
    /// For spectra of `size` samples at `sample_rate`.
    pub(super) fn new(size: usize, sample_rate: f32) -> Self {
        Self {
            bins: EDGES.map(|f| ((f * size as f32 / sample_rate).round() as usize).clamp(1, size / 2)),
            frames: 0,
            held: 0,
            heights: 0.0,
            strokes: 0,
            seconds: 0.02 * FRAMES as f64,
            drums: Vec::new(),
            bass: Vec::new(),
        }
    }

    /// Takes the magnitudes of a frame.
    pub(super) fn push(&mut self, magnitudes: &[f32]) {
        let power: [f32; 3] =
            std::array::from_fn(|i| magnitudes[self.bins[i]..self.bins[i + 1]].iter().map(|m| m * m).sum());
        if power[2] > SILENT && power[2] > STROKE * self.heights {
            self.strokes += 1;
        }
        self.heights = power[2].max(SILENT);
        let all: f32 = power.iter().sum();
        if all > SILENT && power[0] > BASS * all && power[1] > HARMONICS * all {
            self.held += 1;
        }
        self.frames += 1;
        if self.frames == FRAMES {
            self.window();
        }
    }

    fn window(&mut self) {
        self.drums.push(self.strokes >= STROKES);
        self.bass.push(self.held >= HELD);
        (self.frames, self.held, self.strokes) = (0, 0, 0);
    }

    /// Drums and bass, where there is anything of them.
    pub(super) fn finish(mut self, duration: f64) -> Vec<Instrument> {
        if self.frames > FRAMES / 4 {
            self.window();
        }
        let named = |(label, plays): (&str, &Vec<bool>)| {
            let share = plays.iter().filter(|p| **p).count() as f64 / plays.len().max(1) as f64;
            Instrument {
                label: label.into(),
                confidence: (BELIEVED * share.sqrt() * 1000.0).round() / 1000.0,
                method: Method::Heuristic,
                segments: segments(plays, self.seconds, duration),
            }
        };
        let both = [("drums", &self.drums), ("bass", &self.bass)];
        both.into_iter().map(named).filter(|i| !i.segments.is_empty()).collect()
    }
}
