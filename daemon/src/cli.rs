//! Flags of `harmonixd`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use harmonix_ipc::{Error, ErrorKind, Result};

use crate::{
    config::{self, Config, Layers, Live},
    models::Catalogue,
    serve::serve,
    systemd, telemetry,
    upkeep::{Offline, offline},
    watch,
};

/// Separates songs into stems, as a service. Runs in the foreground; `harmonixctl` talks to it.
#[derive(Debug, Clone, Parser)]
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
    /// Write every record of the store that can be read into this file, and leave; `-` is standard output
    #[arg(long, value_name = "FILE", group = "store", help_heading = "The store, while no daemon runs")]
    store_export: Option<PathBuf>,
    /// Make a store of an export or a backup, and leave
    #[arg(long, value_name = "FILE", group = "store", help_heading = "The store, while no daemon runs")]
    store_import: Option<PathBuf>,
    /// Put a store that is there aside, whatever it holds
    #[arg(long, requires = "store_import", help_heading = "The store, while no daemon runs")]
    replace: bool,
    /// Look whether every record and every file is there, and leave
    #[arg(long, group = "store", help_heading = "The store, while no daemon runs")]
    store_check: bool,
    /// Hash the outputs instead of looking at their sizes
    #[arg(long, requires = "store_check", help_heading = "The store, while no daemon runs")]
    deep: bool,
    /// Write the man page into this folder and leave
    #[arg(long, value_name = "DIR", hide = true)]
    man: Option<PathBuf>,
}

const AFTER: &str = "Settings come from defaults, the configuration file, HARMONIX_* variables and flags, the later the stronger.\n\
SIGTERM and SIGINT stop the daemon; jobs that run then go on after the next start.\n\
SIGHUP reads the configuration again: log, access and limits count from then on, quotas too, the rest after a restart.\n\
Exit status: 0 done, 2 wrong configuration, 3 records were lost or the store has problems, 1 other failure.";

/// The program.
pub fn run() -> ExitCode {
    let flags = Flags::parse();
    match act(&flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
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

/// False when it was done and not all is well.
fn act(flags: &Flags) -> Result<bool> {
    let print = |text: &str| {
        io::stdout()
            .write_all(text.as_bytes())
            .map(|()| true)
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot print", &error))
    };
    if flags.example_config {
        return print(&config::example());
    }
    if let Some(dir) = &flags.man {
        return clap_mangen::generate_to(command(), dir)
            .map(|()| true)
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot write the man page", &error));
    }
    let config = load(flags)?;
    if flags.check_config {
        Catalogue::load(config.catalogue())?;
        watch::Folder::all(&config)?;
        return print("the configuration is valid\n");
    }
    telemetry::start(&config)?;
    if let Some(what) = offline_task(flags) {
        let (text, all_is_well) = offline(&config.state_dir, &what)?;
        // standard output may be the export
        io::stderr()
            .write_all(text.as_bytes())
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot print", &error))?;
        return Ok(all_is_well);
    }
    actix::System::new().block_on(async {
        let stop = signal()?;
        let live = Live::from(config);
        actix::spawn(reloads(live.clone(), flags.clone())?);
        serve(live, stop).await.map(|()| true)
    })
}

/// What is to be done with the store instead of serving.
fn offline_task(flags: &Flags) -> Option<Offline> {
    let export = flags.store_export.clone().map(Offline::Export);
    let import = flags.store_import.clone().map(|file| Offline::Import { file, replace: flags.replace });
    export.or(import).or(flags.store_check.then_some(Offline::Check { deep: flags.deep }))
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

/// Reads the configuration again at each SIGHUP. A wrong one changes nothing.
fn reloads(live: Live, flags: Flags) -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())
        .map_err(|error| Error::io(ErrorKind::Internal, "cannot listen to signals", &error))?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            systemd::notify("RELOADING=1");
            let reload = || {
                let config = load(&flags)?;
                telemetry::reload(&config)?;
                live.reload(&config)
            };
            match reload() {
                Ok(reloaded) => {
                    let (changed, restart) = (reloaded.changed.join(" "), reloaded.restart.join(" "));
                    tracing::info!(changed, "configuration reloaded");
                    if !restart.is_empty() {
                        tracing::warn!(keys = restart, "these keys count after a restart");
                    }
                }
                Err(error) => {
                    tracing::error!(error.kind = %error.kind, %error, "the configuration is wrong: the old one stays");
                }
            }
            systemd::notify("READY=1");
        }
    })
}
