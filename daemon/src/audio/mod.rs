//! Audio into the daemon: a file of any format becomes spools at its own rate and at the model's.
//!
//! [`ingest::ingest`] is the way in. Beneath it: [`decode`] reads what Symphonia reads, [`ffmpeg`] converts the
//! rest with an external program, [`downmix`] makes stereo of surround, [`resample`] changes the sample rate,
//! [`limits`] bounds what is accepted. Input is untrusted: headers lie, streams break, and neither may cost more
//! than a typed error.

pub mod decode;
pub mod downmix;
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

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod ingest_tests;
