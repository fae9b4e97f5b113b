//! `harmonixctl prioritise`.

use harmonix_ipc::{Prioritise, Priority};
use serde_json::json;

use crate::{commands::each::each, context::Context, failure::Failure, values};

/// Change which of the waiting jobs go first; a high one takes the device over at the next segment
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl prioritise high 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// What they are to be
    #[arg(value_parser = values::priority())]
    priority: Priority,
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let priority = args.priority;
    let tell = |_: &str, job: harmonix_ipc::Job| (format!("priority {priority}"), json!(job));
    each(ctx, &args.jobs, |job| Prioritise { job, priority }, tell)
}
