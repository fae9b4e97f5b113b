//! A mixture and its stems as a picture: waveforms over spectrograms, one row each, on one time axis.

mod canvas;
mod colour;
mod layout;
mod spectrogram;
mod waveform;

pub use canvas::png_bytes;
pub use layout::{Row, draw};
