//! Audio into and out of the daemon.

pub mod resample;
