//! What the analysis says of signals that are known exactly.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod cuts;
mod harmony;
mod instruments;
mod loudness;
mod peaks;
mod rhythm;
mod sections;
mod signals;
