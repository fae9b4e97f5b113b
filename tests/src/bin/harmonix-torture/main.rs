//! `harmonix-torture`: real daemons under clients that do everything at random, while they are killed, lose their power
//! or their disk; and one that works through thousands of jobs. Ends with figures as JSON, and with status 1 and the story
//! when a promise was broken.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod audit;
mod blow;
mod campaign;
mod cases;
mod client;
mod disk;
mod figures;
mod full;
mod ledger;
mod namespace;
mod observer;
mod processes;
mod soak;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What has gone wrong, for people.
type Story = String;

/// `Result` with a [`Story`].
type Told<T = ()> = Result<T, Story>;

/// Status of a run that this machine does not allow.
const NOT_HERE: u8 = 77;

/// Destroy what can be destroyed, and see whether the promises hold.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// What is destroyed
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `kill -9` of the daemon and of the worker
    Kill(campaign::Flags),
    /// Power cuts under a file system of its own; needs root and loop devices, else ends with status 77
    Power(campaign::Flags),
    /// A full disk in every stage; needs root, else ends with status 77
    Full(full::Flags),
    /// Thousands of small jobs through one daemon
    Soak(soak::Flags),
}

fn main() -> ExitCode {
    let what = Flags::parse().what;
    if matches!(what, What::Power(_) | What::Full(_))
        && let Some(status) = namespace::enter()
    {
        return status;
    }
    let told = match what {
        What::Kill(flags) => campaign::kills(&flags),
        What::Power(flags) => campaign::power(&flags),
        What::Full(flags) => full::run(&flags),
        What::Soak(flags) => soak::run(&flags),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(story) => {
            eprintln!("BROKEN: {story}");
            ExitCode::FAILURE
        }
    }
}
