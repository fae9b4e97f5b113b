//! From samples to compact features, one pass, whatever the blocks.

mod attacks;
mod chroma;
mod decimate;
mod onsets;
mod peaks;
mod spectra;
mod stream;

pub(crate) use attacks::Attacks;
pub(crate) use chroma::{BINS as CHROMA_BINS, ChromaFrame, ChromaFrames, TIMBRE};
pub(crate) use onsets::BANDS;
pub(crate) use stream::{Rhythm, Stream, Wanted};
