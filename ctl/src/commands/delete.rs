//! `harmonixctl delete`.

use harmonix_ipc::Delete;
use serde_json::json;

use crate::{commands::each::each, context::Context, failure::Failure};

/// Remove jobs and everything the daemon keeps of them; a running one is cancelled first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl delete 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    each(
        ctx,
        &args.jobs,
        |job| Delete { job },
        |id, _| ("deleted".into(), json!({ "id": id, "deleted": true })),
    )
}
