//! Audio in and out: a file of any format becomes spools, and spools of stems become files.
//!
//! [`ingest`] is the way in: `decode` reads what Symphonia reads, `ffmpeg` converts the rest with an external
//! program, `downmix` makes stereo of surround, `resample` changes the sample rate, `limits` bounds what is
//! accepted. Input is untrusted: headers lie, streams break, and neither may cost more than a typed error.
//! [`export()`] is the way out.

pub mod decode;
pub mod downmix;
pub mod export;
pub mod ffmpeg;
pub mod ingest;
pub mod limits;
pub mod refusal;
pub mod resample;

mod gapless;
mod mp4;
mod ogg;
mod sniff;
mod stats;
mod trim;

pub(crate) use export::float_head;
pub use export::{ExportRequest, Musical, Output, export};
pub use ingest::{IngestRequest, Ingested, MIX, SOURCE, ingest};
pub use limits::Limits;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod ingest_tests;
