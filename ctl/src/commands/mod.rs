//! One module for each verb.

pub(crate) mod activity;
pub(crate) mod again;
pub(crate) mod analyze;
pub(crate) mod cache;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod delete;
pub(crate) mod doctor;
mod each;
pub(crate) mod estimate;
pub(crate) mod export;
pub(crate) mod jobs;
pub(crate) mod library;
pub(crate) mod listen;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod pause;
pub(crate) mod prioritise;
pub(crate) mod queue;
pub(crate) mod rename;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod separate;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod watches;

use std::sync::Arc;

use crate::{cli::Verb, context::Context, failure::Failure};

/// Runs the verb and returns the exit status.
pub(crate) fn run(ctx: &Arc<Context>, verb: &Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Separate(args) => separate::run(ctx, args),
        Verb::Analyze(args) => analyze::run(ctx, args),
        Verb::Again(args) => again::run(ctx, args),
        Verb::Verify(args) => verify::run(ctx, args),
        Verb::Listen(args) => listen::run(ctx, args),
        Verb::Watches(args) => watches::run(ctx, args),
        Verb::Jobs(args) => jobs::run(ctx, args),
        Verb::Show(args) => show::run(ctx, args),
        Verb::Status(args) => status::run(ctx, args),
        Verb::Watch(args) => watch::run(ctx, args),
        Verb::Cancel(args) => cancel::run(ctx, args),
        Verb::Pause(args) => pause::run(ctx, args),
        Verb::Resume(args) => resume::run(ctx, args),
        Verb::Prioritise(args) => prioritise::run(ctx, args),
        Verb::Queue(args) => queue::run(ctx, args),
        Verb::Cache(args) => cache::run(ctx, args),
        Verb::Delete(args) => delete::run(ctx, args),
        Verb::Export(args) => export::run(ctx, args),
        Verb::Rename(args) => rename::run(ctx, args),
        Verb::Report(args) => report::run(ctx, args),
        Verb::Library(args) => library::run(ctx, args),
        Verb::Activity(args) => activity::run(ctx, args),
        Verb::Stats(args) => stats::run(ctx, args),
        Verb::Estimate(args) => estimate::run(ctx, args),
        Verb::Models(args) => models::run(ctx, args),
        Verb::Store(args) => store::run(ctx, args),
        Verb::Doctor(args) => doctor::run(ctx, args),
        Verb::Config(args) => config::run(ctx, args),
        Verb::Completions(args) => completions::run(ctx, args),
        Verb::Man(args) => man::run(ctx, args),
    }
}
