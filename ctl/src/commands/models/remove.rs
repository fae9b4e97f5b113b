//! `harmonixctl models remove`.

use harmonix_ipc::ModelRemove;
use serde_json::json;

use crate::{context::Context, failure::Failure};

/// Remove the files of a model
///
/// Jobs of its presets then run on the built-in engine. That its licence was accepted stays known.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl models remove htdemucs_ft")]
pub(crate) struct Args {
    /// Its id
    #[arg(value_name = "MODEL")]
    model: String,
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    ctx.call(ModelRemove { model: args.model.clone() })?;
    ctx.out.say(format_args!("{}: removed", args.model));
    ctx.out.json(&json!({ "model": args.model, "removed": true }));
    Ok(0)
}
