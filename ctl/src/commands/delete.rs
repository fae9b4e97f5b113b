//! `harmonixctl delete`.

use harmonix_ipc::{Delete, JobId};
use serde_json::json;

use crate::{context::Context, failure::Failure, several::Several};

/// Remove jobs and everything the daemon keeps of them; a running one is cancelled first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl delete 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    ctx.connect()?;
    let mut several = Several::new(args.jobs.len());
    for id in &args.jobs {
        match ctx.call(Delete { job: JobId(id.clone()) }) {
            Ok(_) => {
                ctx.out.say(format_args!("{id}: deleted"));
                several.push(json!({ "id": id, "deleted": true }), None);
            }
            Err(failure) => several.fail(ctx, id, failure),
        }
    }
    Ok(several.finish(&ctx.out))
}
