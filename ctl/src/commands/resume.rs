//! `harmonixctl resume`.

use harmonix_ipc::Resume;
use serde_json::json;

use crate::{commands::each::each, context::Context, failure::Failure};

/// Let held jobs go on where they were
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl resume 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    each(ctx, &args.jobs, |job| Resume { job }, |_, job| (job.state.to_string(), json!(job)))
}
