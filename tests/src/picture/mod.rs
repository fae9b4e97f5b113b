//! A mixture and its stems as a picture: waveforms over spectrograms, one row each, on one time axis; and plain curves.

mod canvas;
mod chart;
mod colour;
mod layout;
mod spectrogram;
mod waveform;

pub use canvas::png_bytes;
pub use chart::{Curve, chart};
pub use layout::{Row, draw};
