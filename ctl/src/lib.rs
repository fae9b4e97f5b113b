//! `harmonixctl`, the client of `harmonixd`.
//!
//! Imports the protocol ([`harmonix_ipc`]) and nothing of the daemon. The binary calls [`run`]; [`command`] is there for
//! whatever makes documentation from the command line's definition.

mod cli;
mod commands;
mod context;
mod failure;
mod follow;
mod handover;
mod interrupt;
mod ours;
mod out;
mod progress;
mod several;
mod socket;
mod text;
mod values;

use std::{process::ExitCode, sync::Arc};

pub use cli::{command, verb};

use crate::{cli::Cli, context::Context};

/// Does what the command line says and returns the exit status.
pub fn run() -> ExitCode {
    let cli = match Cli::parse_words(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let ctx = Arc::new(Context::new(cli.socket, cli.json));
    let ended = interrupt::guard(&ctx).and_then(|()| commands::run(&ctx, &cli.verb));
    ctx.ours.park_if_stopped();
    let code = ended.unwrap_or_else(|failure| {
        ctx.out.error(&failure);
        ctx.out.json(&failure.json());
        failure.code()
    });
    ctx.out.finish(code).into()
}
