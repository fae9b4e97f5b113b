//! `harmonixctl pause`.

use harmonix_ipc::Pause;
use serde_json::json;

use crate::{commands::each::each, context::Context, failure::Failure};

/// Hold jobs where they are; a running one stops at its last checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl pause 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    each(ctx, &args.jobs, |job| Pause { job }, |_, job| (job.state.to_string(), json!(job)))
}
