//! Chords, beat by beat.

use super::{
    folded::{Harmony, Pcs},
    key::viterbi,
    models::{CHORD_BIAS, CHORD_WEIGHTS, NONE_BIAS, QUALITIES},
    wheel::tonic_name,
};
use crate::{
    analysis::Chord,
    evidence::{Evidence, RhythmEvidence, SpanEvidence},
};

/// What a change of chord costs, as a logarithm of the odds.
const CHANGE: f32 = 2.0;
/// Length of a span where there are no beats, in seconds.
const SPAN: f64 = 0.5;
/// Chords that are told apart, and none.
const STATES: usize = 12 * QUALITIES + 1;

/// What is known of a span: its treble and its bass, each as shares of its largest pitch class.
fn chord_features(harmony: &Harmony, start: f64, end: f64) -> [f32; 24] {
    let [treble, bass] = harmony.mean(start, end).map(shares);
    std::array::from_fn(|i| if i < 12 { treble[i] } else { bass[i - 12] })
}

fn shares(pcs: Pcs) -> Pcs {
    let largest = pcs.iter().fold(1e-3f32, |a, b| a.max(*b));
    pcs.map(|p| p / largest)
}

impl Harmony {
    /// The chords of the track, `N` before the first and after the last tone. Empty for an empty track.
    pub(crate) fn chords(&self, beats: &[f64]) -> Vec<Chord> {
        if self.frames.is_empty() || self.duration <= 0.0 {
            return Vec::new();
        }
        let edges = self.edges(beats);
        let scores: Vec<[f32; STATES]> = edges.windows(2).map(|e| self.scores(e[0], e[1])).collect();
        let mut chords: Vec<Chord> = Vec::new();
        for (state, edge) in viterbi(&scores, CHANGE).into_iter().zip(edges.windows(2)) {
            let label = label(state);
            match chords.last_mut() {
                Some(last) if last.label == label => last.end = edge[1],
                _ => chords.push(Chord { start: edge[0], end: edge[1], label }),
            }
        }
        chords
    }

    /// What the models are given.
    pub(crate) fn evidence(&self, beats: &[f64], rhythm: RhythmEvidence) -> Evidence {
        if self.frames.is_empty() {
            return Evidence { rhythm, ..Evidence::default() };
        }
        let edges = self.edges(beats);
        let span = |e: &[f64]| SpanEvidence {
            time: [e[0], e[1]],
            features: chord_features(self, e[0], e[1]).to_vec(),
        };
        Evidence {
            rhythm,
            spans: edges.windows(2).map(span).collect(),
            tonal: self.tonal(0, self.frames.len()),
            pitch_classes: self.mean(0.0, self.duration),
        }
    }

    /// Borders of the spans: the beats, or a fixed step where there are none.
    fn edges(&self, beats: &[f64]) -> Vec<f64> {
        let mut edges = vec![0.0];
        let mut to = |time: f64| {
            let last = *edges.last().unwrap_or(&0.0);
            let gap = time - last;
            if gap > 2.5 * SPAN {
                let parts = (gap / SPAN).round().max(1.0);
                edges.extend((1..parts as usize).map(|i| last + gap * i as f64 / parts));
            }
            if gap > 0.05 {
                edges.push(time);
            }
        };
        beats.iter().for_each(|b| to(*b));
        to(self.duration);
        if edges.len() == 1 {
            edges.push(self.duration);
        }
        if let Some(last) = edges.last_mut() {
            *last = self.duration;
        }
        edges
    }

    /// Log-probability of each chord in a span.
    fn scores(&self, start: f64, end: f64) -> [f32; STATES] {
        let features = chord_features(self, start, end);
        let mut scores: [f32; STATES] = std::array::from_fn(|state| {
            if state + 1 == STATES {
                return NONE_BIAS;
            }
            let (quality, root) = (state / 12, state % 12);
            let weights = &CHORD_WEIGHTS[quality];
            let sum: f32 = (0..24).map(|i| weights[i] * features[i / 12 * 12 + (i + root) % 12]).sum();
            sum + CHORD_BIAS[quality]
        });
        let from = self.at(start).min(self.frames.len() - 1);
        let to = self.at(end).clamp(from + 1, self.frames.len().max(from + 1));
        let heard = self.weights[from..to].iter().fold(0.0f32, |a, b| a.max(*b));
        if heard < 0.05 {
            scores[STATES - 1] = scores.iter().fold(0.0f32, |a, b| a.max(*b)) + 4.0;
        }
        let largest = scores.iter().fold(f32::MIN, |a, b| a.max(*b));
        let total = largest + scores.iter().map(|s| (s - largest).exp()).sum::<f32>().ln();
        scores.map(|s| (s - total).max(-8.0))
    }
}

/// Name of a state.
fn label(state: usize) -> String {
    let suffix = ["", "m", "7"];
    match suffix.get(state / 12) {
        Some(suffix) => format!("{}{suffix}", tonic_name(state % 12)),
        None => "N".into(),
    }
}
