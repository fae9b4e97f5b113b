//! What an engine is to the rest of Harmonix.
//!
//! A [`Separator`] turns one segment of a mixture into stems and knows nothing of files, jobs or processes.
//! [`separate_track`] drives it over a whole track. Progress and cancellation travel into both as one small
//! trait, [`Monitor`]. Audio lies in [spools](spool): headerless interleaved little-endian `f32` files.
//! [`protocol`] is how the daemon asks a worker process to do all this.

mod driver;
pub mod durable;
mod error;
mod grid;
mod monitor;
pub mod protocol;
mod separator;
pub mod spool;

pub use driver::{Checkpoint, Layout, Summary, Task, separate_track};
pub use error::EngineError;
pub use grid::{Grid, Segment};
pub use monitor::{Monitor, Span, Unwatched};
pub use separator::{Conditions, ModelInfo, Segments, Separator, TrackStats};
