//! `harmonixctl activity`.

use harmonix_ipc::ListActivity;

use crate::{context::Context, failure::Failure, text};

/// Show what was done lately, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl activity --limit 20")]
pub(crate) struct Args {
    /// At most so many entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let log = ctx.call(ListActivity { limit: args.limit.map(usize::from) })?;
    ctx.out.json(&log);
    let row = |entry: &harmonix_ipc::Activity| {
        let job = entry.job.as_ref().map(ToString::to_string);
        let id = job.or_else(|| entry.track.as_ref().map(ToString::to_string)).unwrap_or_default();
        [text::ago(entry.at), entry.deed.to_string(), id, entry.name.clone()]
    };
    let rows: Vec<_> = log.entries.iter().map(row).collect();
    for line in text::table(&rows) {
        ctx.out.say(line);
    }
    Ok(0)
}
