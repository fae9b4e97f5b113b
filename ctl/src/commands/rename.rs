//! `harmonixctl rename`.

use harmonix_ipc::{JobId, Rename};

use crate::{context::Context, failure::Failure};

/// Give a job another name; what `export` writes from then on is called so
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl rename 1k3v9c0q2x7e 'Beyond the Sea'")]
pub(crate) struct Args {
    /// The job's id
    #[arg(value_name = "JOB")]
    job: String,
    /// What it is to be called
    name: String,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let job = ctx.call(Rename { job: JobId(args.job.clone()), name: args.name.clone() })?;
    ctx.out.json(&job);
    ctx.out.say(format_args!("{}: {}", job.id, job.name));
    Ok(0)
}
