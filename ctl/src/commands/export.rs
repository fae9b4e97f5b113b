//! `harmonixctl export`.

use std::{ffi::OsStr, path::PathBuf};

use clap::builder::NonEmptyStringValueParser;
use harmonix_ipc::{JobId, Show, names::Bases};
use serde_json::json;

use crate::{
    context::Context,
    failure::Failure,
    handover::{self, Target},
    several::Several,
};

/// Write the stems of completed jobs to a folder, again or for the first time
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl export 1k3v9c0q2x7e -o stems/ --stems vocals,drums")]
pub(crate) struct Args {
    /// Ids of completed jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Folder for the files; made if it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Only these stems
    #[arg(short = 'i', long, value_name = "STEM", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    stems: Vec<String>,
    /// Overwrite files of the same names instead of choosing other names
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    ctx.connect()?;
    let folder = handover::folder(&args.output)?;
    let mut bases = Bases::default();
    let mut several = Several::new(args.jobs.len());
    for id in &args.jobs {
        let delivered = ctx.call(Show { job: JobId(id.clone()) }).and_then(|job| {
            let base = bases.claim(OsStr::new(&job.name));
            let stems = Some(args.stems.as_slice()).filter(|stems| !stems.is_empty());
            handover::deliver(ctx, &job, stems, &Target { folder: &folder, base, force: args.force })
        });
        match delivered {
            Ok(job) => {
                for path in job.stems.values().chain(&job.manifest) {
                    ctx.out.say(path);
                }
                several.push(json!(job), None);
            }
            Err(failure) => several.fail(ctx, id, failure),
        }
    }
    Ok(several.finish(&ctx.out))
}
