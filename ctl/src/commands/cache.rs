//! `harmonixctl cache`.

use clap::Subcommand;
use harmonix_ipc::{ClearCache, ShowCache};

use crate::{context::Context, failure::Failure, text};

/// Show what the daemon keeps so that nothing is computed twice, or let it go
///
/// Stems are kept until cache.max_bytes is reached; then those go first that were not used for longest, and last the five
/// that were used most. Finished jobs
/// are not part of it: `harmonixctl delete` removes them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl cache clear")]
pub(crate) struct Args {
    /// What to do; shows what is kept when absent.
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let all of it go; no job loses anything
    Clear,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let usage = match args.action {
        Some(Action::Clear) => ctx.call(ClearCache {})?,
        None => ctx.call(ShowCache {})?,
    };
    ctx.out.json(&usage);
    let (bytes, limit) = (text::bytes(usage.bytes), text::bytes(usage.limit));
    ctx.out.say(format_args!("{} separations kept, {bytes} of at most {limit}", usage.entries));
    if usage.popular > 0 {
        ctx.out.say(format_args!("{} of them were used often and go last", usage.popular));
    }
    Ok(0)
}
