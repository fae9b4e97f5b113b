//! `harmonixctl config`.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use harmonix_ipc::{ConfigCheck, ConfigShow, ErrorKind};
use serde_json::json;

use crate::{context::Context, failure::Failure};

/// Show the configuration that is in force, or check a file
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the configuration that is in force, as TOML
    Show,
    /// Check a configuration file without using it
    #[command(after_help = "Example:\n  harmonixctl config check ~/.config/harmonix/config.toml")]
    Check {
        /// The file, `-` for standard input; else the one that a daemon of yours would read
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    match &args.verb {
        Verb::Show => show(ctx),
        Verb::Check { file } => check(ctx, &file.clone().unwrap_or_else(usual)),
    }
}

fn show(ctx: &Context) -> Result<u8, Failure> {
    let config = ctx.call(ConfigShow {})?;
    if ctx.out.is_json() {
        ctx.out.json(&config);
    } else {
        ctx.out.bytes(config.text.as_bytes());
    }
    Ok(0)
}

fn check(ctx: &Context, file: &Path) -> Result<u8, Failure> {
    let name = if file == Path::new("-") { "standard input".into() } else { file.display().to_string() };
    let text = read(file).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Config,
        };
        Failure::here(kind, format!("cannot read {name}")).cause(error)
    })?;
    ctx.call(ConfigCheck { text }).map_err(|failure| match failure.kind() {
        ErrorKind::Config => failure.reworded(|words| format!("{name}: {words}")),
        _ => failure,
    })?;
    ctx.out.say(format_args!("{name}: ok"));
    ctx.out.json(&json!({ "file": name, "ok": true }));
    Ok(0)
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(file)
}

/// The file that a daemon of this user reads, else the system's.
fn usual() -> PathBuf {
    let folder = |key| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = folder("HARMONIX_CONFIG") {
        return file;
    }
    folder("XDG_CONFIG_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("harmonix/config.toml"))
        .filter(|file| file.exists())
        .unwrap_or_else(|| PathBuf::from("/etc/harmonix/config.toml"))
}
