//! The real `harmonixctl` against a scripted daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod ctl;
mod fake;
mod files;
mod jobs;
mod refusals;
mod separate;
mod signals;
