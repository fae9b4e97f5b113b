//! `harmonixctl models`.

mod consent;
mod import;
mod list;
mod pull;
mod remove;
mod show;
mod verify;

use crate::{context::Context, failure::Failure};

/// See, install, check and remove the models that separate better than the built-in engine
#[derive(Debug, clap::Args)]
#[command(visible_alias = "model")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the models of the catalogue, and which of them are installed
    List,
    Show(show::Args),
    Pull(pull::Args),
    Import(import::Args),
    Verify(verify::Args),
    Remove(remove::Args),
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    match &args.verb {
        Verb::List => list::run(ctx),
        Verb::Show(args) => show::run(ctx, args),
        Verb::Pull(args) => pull::run(ctx, args),
        Verb::Import(args) => import::run(ctx, args),
        Verb::Verify(args) => verify::run(ctx, args),
        Verb::Remove(args) => remove::run(ctx, args),
    }
}
