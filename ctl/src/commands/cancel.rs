//! `harmonixctl cancel`.

use harmonix_ipc::{Cancel, JobId};
use serde_json::json;

use crate::{context::Context, failure::Failure, several::Several};

/// Stop jobs and remove their files; their records stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl cancel 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Ids of jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    ctx.connect()?;
    let mut several = Several::new(args.jobs.len());
    for id in &args.jobs {
        match ctx.call(Cancel { job: JobId(id.clone()) }) {
            Ok(job) => {
                ctx.out.say(format_args!("{id}: {}", job.state));
                several.push(json!(job), None);
            }
            Err(failure) => several.fail(ctx, id, failure),
        }
    }
    Ok(several.finish(&ctx.out))
}
