//! What the small models were given, for training and for looking into a result.

use serde::Serialize;

/// What the models of an analysis were given.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Evidence {
    /// Tempo, beats and bars.
    pub rhythm: RhythmEvidence,
    /// Spans of the chords.
    pub spans: Vec<SpanEvidence>,
    /// Mean prominence of peaks, in nepers.
    pub tonal: f32,
    /// Mean pitch classes of the whole track, not gated: treble and bass.
    pub pitch_classes: [[f32; 12]; 2],
}

/// What tempo, beats and bars were found by.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RhythmEvidence {
    /// Periods that might be the beat.
    pub candidates: Vec<CandidateEvidence>,
    /// Deviation of the onset strength over its mean.
    pub liveliness: f32,
    /// Largest autocorrelation at the period of a candidate.
    pub periodicity: f32,
    /// Beats, in seconds.
    pub beats: Vec<f64>,
    /// Inputs of the downbeat model, one row per beat.
    pub downbeat_inputs: Vec<Vec<f32>>,
    /// Inputs of the metre model.
    pub metre_features: Vec<f32>,
}

/// A tempo and the inputs of the octave model.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateEvidence {
    /// Beats per minute.
    pub bpm: f64,
    /// Its beats, in seconds.
    pub beats: Vec<f64>,
    /// Inputs of the model.
    pub features: Vec<f32>,
}

/// A span between two beats and the inputs of the chord model.
#[derive(Debug, Clone, Serialize)]
pub struct SpanEvidence {
    /// Begin and end, in seconds.
    pub time: [f64; 2],
    /// Treble and bass, from C on.
    pub features: Vec<f32>,
}
