//! The Harmonix daemon.

pub mod audio;
