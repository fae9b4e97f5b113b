//! `harmonixctl cancel`.

use harmonix_ipc::Cancel;
use serde_json::json;

use crate::{commands::each::each, context::Context, failure::Failure};

/// Stop jobs and remove their files; their records stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl cancel 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    each(ctx, &args.jobs, |job| Cancel { job }, |_, job| (job.state.to_string(), json!(job)))
}
