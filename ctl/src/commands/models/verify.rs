//! `harmonixctl models verify`.

use harmonix_ipc::{FileState, ModelVerify, VerifiedFile};

use crate::{context::Context, failure::Failure, text};

/// Hash the files of models again
///
/// What is damaged is set aside, so that the next pull brings it anew. Exits with 5 when something is damaged or
/// missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl models verify")]
pub(crate) struct Args {
    /// Only this model; else all that are installed
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let report = ctx.call(ModelVerify { model: args.model.clone() })?;
    ctx.out.json(&report);
    let rows: Vec<_> = report.files.iter().map(row).collect();
    for line in text::table(&rows) {
        ctx.out.say(line);
    }
    if report.files.is_empty() {
        ctx.out.say("no files are installed");
    }
    let sound = report.files.iter().all(|file| file.state == FileState::Present);
    Ok(if sound { 0 } else { harmonix_ipc::ErrorKind::ModelCorrupt.exit_code() })
}

fn row(file: &VerifiedFile) -> [String; 3] {
    let state = match file.state {
        FileState::Present => "ok".to_owned(),
        FileState::Damaged => format!("damaged; `harmonixctl models pull {}` brings it anew", file.model),
        FileState::Missing => format!("missing; `harmonixctl models pull {}` brings it anew", file.model),
    };
    [file.model.clone(), file.name.clone(), state]
}
