//! Audio in and out: sources become spools, stem spools become files.

pub mod export;
pub mod resample;
