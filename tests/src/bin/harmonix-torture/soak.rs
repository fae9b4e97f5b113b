//! Thousands of small jobs through one daemon: memory and store stay as they are.

use std::path::PathBuf;

use crate::Told;

/// How many, and where the picture goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Jobs
    #[arg(long, default_value_t = 2000)]
    jobs: usize,
    /// Picture of memory, store and speed over the jobs
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// Runs them.
pub(crate) fn run(flags: &Flags) -> Told {
    Err(format!("{flags:?}"))
}
