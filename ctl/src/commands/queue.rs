//! `harmonixctl queue`.

use clap::Subcommand;
use harmonix_ipc::{QueuePause, QueueResume};
use serde_json::json;

use crate::{context::Context, failure::Failure};

/// Hold the whole queue, or let it go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl queue pause")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Let nothing begin; what runs goes on to the end of its stage. Holds over a restart
    Pause,
    /// Let the queue go on
    Resume,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    ctx.connect()?;
    let paused = matches!(args.action, Action::Pause);
    if paused {
        ctx.call(QueuePause {})?;
    } else {
        ctx.call(QueueResume {})?;
    }
    ctx.out.say(format_args!("queue: {}", if paused { "paused" } else { "running" }));
    ctx.out.json(&json!({ "paused": paused }));
    Ok(0)
}
