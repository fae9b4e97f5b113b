//! What an analysis says. Times are seconds from the first sample. What could not be told is `None`, never a guess.

use serde::{Deserialize, Serialize};

/// All that was found out about a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Length of the track.
    pub duration: f64,
    /// `None` where there is no pulse: silence, noise, held tones.
    pub tempo: Option<Tempo>,
    /// `None` where there is no key: silence, noise, drums.
    pub key: Option<Key>,
    /// Loudness and peaks.
    pub loudness: Loudness,
    /// Level over time.
    pub energy: Energy,
    /// The parts of the track, one after the other without gaps; empty for silence.
    pub sections: Vec<Section>,
    /// One after the other without gaps; `N` where there is no chord.
    pub chords: Vec<Chord>,
    /// What plays, the surest first; empty for silence. An analysis written before there were any has none.
    #[serde(default)]
    pub instruments: Vec<Instrument>,
}

/// The pulse of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tempo {
    /// Beats per minute, to the hundredth; the median where the tempo changes.
    pub bpm: f64,
    /// Probability that `bpm` is right, 0 to 1.
    pub confidence: f64,
    /// The tempi that may be meant, the likeliest first; the first one is `bpm`.
    pub candidates: Vec<TempoCandidate>,
    /// Each beat.
    pub beats: Vec<f64>,
    /// The first beats of the bars; empty where the metre is not known.
    pub downbeats: Vec<f64>,
    /// `None` where it cannot be told.
    pub time_signature: Option<TimeSignature>,
    /// Probability that the time signature and the downbeats are right, 0 to 1.
    pub metre_confidence: f64,
    /// Whether one tempo fits the whole track: the beats then lie on a grid.
    pub stable: bool,
    /// The tempo over time where it is not stable; empty where it is.
    pub curve: Vec<TempoPoint>,
}

/// A tempo that may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TempoCandidate {
    /// Beats per minute.
    pub bpm: f64,
    /// Its share of all candidates, 0 to 1.
    pub confidence: f64,
}

/// The tempo around a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TempoPoint {
    /// Middle of the beats that were looked at.
    pub time: f64,
    /// Beats per minute.
    pub bpm: f64,
}

/// Beats of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeSignature {
    /// Three beats.
    #[serde(rename = "3/4")]
    ThreeFour,
    /// Four beats.
    #[serde(rename = "4/4")]
    FourFour,
    /// Two beats of three eighths each; the beat is the dotted quarter.
    #[serde(rename = "6/8")]
    SixEight,
}

/// The key of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// `C`, `C#`, `D`, …, `B`.
    pub tonic: String,
    /// Major or minor.
    pub scale: Scale,
    /// Camelot wheel: `8B` is C major, `8A` is A minor.
    pub camelot: String,
    /// Open Key: `1d` is C major, `1m` is A minor.
    pub open_key: String,
    /// Probability that the key is right, 0 to 1.
    pub confidence: f64,
    /// The three next likely keys.
    pub alternatives: Vec<KeyCandidate>,
    /// How far the track is tuned from A = 440 Hz, −50 to 50.
    pub tuning_cents: f64,
    /// Weight of the twelve pitch classes from C on; the largest is 1.
    pub profile: [f32; 12],
    /// The keys over time where the track changes its key; one entry where it does not.
    pub modulations: Vec<KeySpan>,
}

/// A key that may be meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyCandidate {
    /// `C`, `C#`, …
    pub tonic: String,
    /// Major or minor.
    pub scale: Scale,
    /// Camelot wheel.
    pub camelot: String,
    /// Open Key.
    pub open_key: String,
    /// Its probability, 0 to 1.
    pub confidence: f64,
}

/// A stretch in one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeySpan {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// `C`, `C#`, …
    pub tonic: String,
    /// Major or minor.
    pub scale: Scale,
}

/// Major or minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Ionian.
    Major,
    /// Aeolian, with or without its leading note.
    Minor,
}

/// Loudness after EBU R 128. What silence does not have is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    /// Integrated loudness, gated.
    pub integrated_lufs: Option<f64>,
    /// Loudness range.
    pub range_lu: Option<f64>,
    /// Largest loudness of 400 ms.
    pub momentary_max_lufs: Option<f64>,
    /// Largest loudness of 3 s.
    pub short_term_max_lufs: Option<f64>,
    /// Peak between the samples.
    pub true_peak_dbtp: Option<f64>,
    /// Peak of the samples.
    pub sample_peak_dbfs: Option<f64>,
    /// ReplayGain 2 track gain: what brings the track to −18 LUFS.
    pub replay_gain_db: Option<f64>,
    /// ReplayGain 2 track peak, linear, from the true peak.
    pub replay_gain_peak: f64,
}

/// Level over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Length of a window.
    pub window: f64,
    /// Root mean square of each window over all channels.
    pub rms: Vec<f32>,
}

/// A part of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// `A`, `B`, …; parts that sound alike share a letter.
    pub label: String,
}

/// A chord.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chord {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// `C` (major), `Cm` (minor), `C7` (dominant seventh), `N` (none).
    pub label: String,
}

/// An instrument, or a family of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instrument {
    /// `drums`, `bass`, `piano`, `organ`, `acoustic_guitar`, `electric_guitar`, `strings`, `brass`, `woodwind`, `synth`
    /// or `voice`.
    pub label: String,
    /// Probability that it plays anywhere in the track, 0 to 1.
    pub confidence: f64,
    /// What it was told by.
    pub method: Method,
    /// When it plays, to the 2.6 s of a window.
    pub segments: Vec<Segment>,
}

/// What an instrument was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The level of its stem.
    Stems,
    /// The classifier.
    Classifier,
    /// The shape of the spectrum.
    Heuristic,
}

/// A stretch of a track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
}
