//! `harmonixctl completions`.

use clap_complete::Shell;
use serde_json::json;

use crate::{cli, context::Context, failure::Failure};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harmonixctl completions bash > ~/.local/share/bash-completion/completions/harmonixctl"
)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "harmonixctl", &mut script);
    if ctx.out.is_json() {
        let script = String::from_utf8_lossy(&script);
        ctx.out.json(&json!({ "shell": args.shell.to_string(), "script": script }));
    } else {
        ctx.out.bytes(&script);
    }
    Ok(0)
}
