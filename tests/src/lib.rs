//! What the tests, benchmarks and demonstrations of Harmonix stand on.
//!
//! - [`synth`] makes music with known stems, the same bytes for the same seed;
//! - [`fixtures`] writes a signal in every format that the daemon has to read, sound or damaged;
//! - [`decode`] reads any file back, independently of the daemon's own decoder;
//! - [`metrics`] compares signals: SDR, levels, lag, null;
//! - [`picture`] draws a mixture and its stems;
//! - [`harness`] runs real daemons;
//! - [`eval`] measures a separation program against true stems.
//!
//! All audio is a [`Signal`]: interleaved `f32`, full scale ±1.

pub mod decode;
mod error;
pub mod eval;
pub mod fixtures;
pub mod harness;
pub mod metrics;
pub mod oracle;
pub mod picture;
pub mod rng;
mod signal;
pub mod stft;
pub mod synth;

pub use error::{Error, Result};
pub use signal::Signal;
