//! Music analysis in one pass over the audio: tempo and beats, key, chords, sections, loudness, waveform peaks.
//!
//! ```
//! use harmonix_analysis::{Analyzer, Options};
//!
//! let mut analyzer = Analyzer::new(44_100, 2, Options::default())?;
//! analyzer.push(&[0.0; 8820]);
//! let analysis = analyzer.finish();
//! assert_eq!(analysis.tempo, None); // silence has no tempo
//! # Ok::<(), harmonix_analysis::Unsupported>(())
//! ```

mod analysis;
mod analyzer;
mod evidence;
mod front;
mod harmony;
mod instruments;
mod loudness;
mod network;
mod options;
pub mod peaks;
mod rhythm;
mod sections;

pub use crate::{
    analysis::{
        Analysis, Chord, Energy, Instrument, Key, KeyCandidate, KeySpan, Loudness, Method, Scale, Section,
        Segment, Tempo, TempoCandidate, TempoPoint, TimeSignature,
    },
    analyzer::{Analyzer, Stem, Unsupported},
    evidence::{CandidateEvidence, Evidence, RhythmEvidence, SpanEvidence},
    harmony::{camelot, open_key, tonic_name},
    options::{Instruments, KeyProfile, Options},
};
