//! HTDemucs and Hybrid Demucs on libtorch.
//!
//! The networks of Rouard, Massa and Défossez, *Hybrid Transformers for Music Source Separation* (2022), and Défossez,
//! *Hybrid Spectrogram and Waveform Source Separation* (2021), from the reference's own checkpoint files. Nothing of a
//! checkpoint is executed; its arguments decide the network's shape. [`HtDemucs`] is one such network or a bag of them as a
//! [`Separator`].

mod attention;
mod checkpoint;
mod config;
mod convolution;
mod device;
mod error;
mod fallback;
mod layers;
mod network;
mod onednn;
pub mod pickle;
mod recurrent;
mod residual;
mod separator;
mod spectrogram;
mod transformer;
mod weights;

pub use checkpoint::{Array, Checkpoint, Kind};
pub use device::{threads, use_threads};
pub use error::CheckpointError;
pub(crate) use error::{Error, Out};
pub use separator::HtDemucs;
