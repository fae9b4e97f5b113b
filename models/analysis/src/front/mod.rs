//! From samples to compact features, one pass, whatever the blocks.

mod chroma;
mod decimate;
mod onsets;
mod peaks;
mod spectra;
mod stream;

pub(crate) use chroma::{BINS as CHROMA_BINS, ChromaFrame, ChromaFrames, TIMBRE};
pub(crate) use onsets::{BANDS, OnsetFrames};
pub(crate) use stream::{Stream, Wanted};
