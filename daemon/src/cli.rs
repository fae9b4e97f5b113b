//! Flags of `harmonixd`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use harmonix_ipc::{Error, ErrorKind, Result};

use crate::{
    config::{self, Config, Layers},
    models::Catalogue,
    serve::serve,
    telemetry, watch,
};

/// Separates songs into stems, as a service. Runs in the foreground; `harmonixctl` talks to it.
#[derive(Debug, Parser)]
#[command(name = "harmonixd", version, after_help = AFTER)]
struct Flags {
    /// Configuration file; else HARMONIX_CONFIG, else ~/.config/harmonix/config.toml or /etc/harmonix/config.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and leave
    #[arg(long)]
    check_config: bool,
    /// Print a configuration file with every key, its text and its default, and leave
    #[arg(long)]
    example_config: bool,
    /// Where jobs, results and the store live
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Where the control socket lives
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<String>,
    /// Where models compute: auto, cpu or cuda
    #[arg(long)]
    device: Option<String>,
    /// What is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Write the man page into this folder and leave
    #[arg(long, value_name = "DIR", hide = true)]
    man: Option<PathBuf>,
}

const AFTER: &str = "Settings come from defaults, the configuration file, HARMONIX_* variables and flags, the later the stronger.\n\
SIGTERM and SIGINT stop the daemon; jobs that run then go on after the next start.";

/// The program.
pub fn run() -> ExitCode {
    let flags = Flags::parse();
    match act(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("harmonixd: {error}\n");
            error.causes.iter().for_each(|cause| text += &format!("  because: {cause}\n"));
            error.hint.iter().for_each(|hint| text += &format!("  hint: {hint}\n"));
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::from(if error.kind == ErrorKind::Config { 2 } else { 1 })
        }
    }
}

/// The command line, for man pages.
pub fn command() -> clap::Command {
    Flags::command()
}

fn act(flags: &Flags) -> Result<()> {
    let print = |text: &str| {
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot print", &error))
    };
    if flags.example_config {
        return print(&config::example());
    }
    if let Some(dir) = &flags.man {
        return clap_mangen::generate_to(command(), dir)
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot write the man page", &error));
    }
    let config = load(flags)?;
    if flags.check_config {
        Catalogue::load(config.catalogue())?;
        watch::Folder::all(&config)?;
        return print("the configuration is valid\n");
    }
    telemetry::start(&config)?;
    actix::System::new().block_on(async {
        let stop = signal()?;
        serve(config, stop).await
    })
}

fn load(flags: &Flags) -> Result<Config> {
    let given = [
        ("state_dir", &flags.state_dir),
        ("runtime_dir", &flags.runtime_dir),
        ("device", &flags.device),
        ("log", &flags.log),
    ];
    let flags = Layers {
        file: flags.config.clone(),
        flags: given.into_iter().filter_map(|(path, value)| Some((path, value.clone()?))).collect(),
    };
    flags.load()
}

/// Resolves on the first SIGTERM or SIGINT.
fn signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: io::Error| Error::io(ErrorKind::Internal, "cannot listen to signals", &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
