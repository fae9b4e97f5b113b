//! What an engine is to the rest of Harmonix.
//!
//! A [`Separator`] turns one segment of a mixture into stems and knows nothing of files, jobs or processes.
//! Progress and cancellation travel into it as one small trait, [`Monitor`]. Audio lies in [spools](spool):
//! headerless interleaved little-endian `f32` files.

mod error;
mod monitor;
mod separator;
pub mod spool;

pub use error::EngineError;
pub use monitor::{Monitor, Span, Unwatched};
pub use separator::{ModelInfo, Separator, TrackStats};
