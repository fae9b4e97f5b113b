//! The command line.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind as Usage};
use harmonix_ipc::ErrorKind;

use crate::{
    commands::{
        activity, again, analyze, cache, cancel, completions, config, delete, doctor, estimate, export, jobs,
        library, listen, man, models, pause, prioritise, queue, rename, report, resume, separate, show,
        stats, status, store, verify, watch, watches,
    },
    failure::Failure,
    out::Out,
};

/// Separate songs into stems.
///
/// harmonixctl is the client of harmonixd: it streams songs to the daemon and brings their stems back.
#[derive(Debug, Parser)]
#[command(name = "harmonixctl", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    /// The daemon's socket; else HARMONIX_SOCKET, else that of your own daemon, else that of the system's
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Print one JSON value instead of words
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER: &str = "\
Example:
  harmonixctl separate song.flac -o stems/

Exit status:
  0 done   1 other failure   2 usage   3 not found   4 unsupported or unreadable input
  5 processing failed, or one of several things failed   6 no daemon   130 interrupted or cancelled";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Separate(separate::Args),
    Analyze(analyze::Args),
    Again(again::Args),
    Verify(verify::Args),
    Listen(listen::Args),
    Watches(watches::Args),
    Jobs(jobs::Args),
    Show(show::Args),
    Status(status::Args),
    Watch(watch::Args),
    Cancel(cancel::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Prioritise(prioritise::Args),
    Queue(queue::Args),
    Cache(cache::Args),
    Delete(delete::Args),
    Export(export::Args),
    Rename(rename::Args),
    Report(report::Args),
    Library(library::Args),
    Activity(activity::Args),
    Stats(stats::Args),
    Estimate(estimate::Args),
    Models(models::Args),
    Store(store::Args),
    Doctor(doctor::Args),
    Config(config::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Parses the words of a command line; the exit status if there is nothing more to do.
    pub(crate) fn parse_words(words: impl Iterator<Item = OsString>) -> Result<Self, ExitCode> {
        let words: Vec<_> = words.collect();
        Self::try_parse_from(&words).map_err(|error| {
            // a reader who left does not need the help any more
            let _ = error.print();
            let is_help = matches!(error.kind(), Usage::DisplayHelp | Usage::DisplayVersion);
            if !is_help && words.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
                let text = error.render().to_string();
                let words = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                Out::new(true).json(&Failure::here(ErrorKind::InvalidRequest, words).json());
            }
            ExitCode::from(if is_help { 0 } else { ErrorKind::InvalidRequest.exit_code() })
        })
    }
}

/// The definition of the command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The verb that sends a command of the protocol; `None` for `hello`, which needs none.
pub fn verb(wire: &str) -> Option<&'static [&'static str]> {
    Some(match wire {
        "submit" => &["separate"],
        "again" => &["again"],
        "listen" => &["listen"],
        "watches" => &["watches"],
        "fetch" => &["export"],
        "status" => &["status"],
        "doctor" => &["doctor"],
        "jobs" => &["jobs"],
        "show" => &["show"],
        "watch" => &["watch"],
        "cancel" => &["cancel"],
        "pause" => &["pause"],
        "resume" => &["resume"],
        "prioritise" => &["prioritise"],
        "queue_pause" => &["queue", "pause"],
        "queue_resume" => &["queue", "resume"],
        "delete" => &["delete"],
        "rename" => &["rename"],
        "report" => &["report"],
        "estimate" => &["estimate"],
        "library" => &["library", "list"],
        "track" => &["library", "show"],
        "track_edit" => &["library", "rename"],
        "track_purge" => &["library", "purge"],
        "activity" => &["activity"],
        "stats" => &["stats"],
        "cache" => &["cache"],
        "cache_clear" => &["cache", "clear"],
        "models" => &["models", "list"],
        "model" => &["models", "show"],
        "model_pull" => &["models", "pull"],
        "model_import" => &["models", "import"],
        "model_verify" => &["models", "verify"],
        "model_remove" => &["models", "remove"],
        "store_export" => &["store", "export"],
        "store_import" => &["store", "import"],
        "store_check" => &["store", "check"],
        "store_backup" => &["store", "backup"],
        "config_show" => &["config", "show"],
        "config_check" => &["config", "check"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use harmonix_ipc::COMMANDS;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_of_the_protocol_has_its_verb() {
        for wire in COMMANDS.iter().filter(|wire| wire.name != "hello") {
            let path = verb(wire.name).unwrap_or_else(|| panic!("{} has no verb", wire.name));
            let mut command = command();
            for word in path {
                command = command.find_subcommand(word).unwrap_or_else(|| panic!("no verb {path:?}")).clone();
            }
        }
    }

    #[test]
    fn every_verb_and_option_says_what_it_does() {
        for verb in command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
            for option in verb.get_arguments() {
                assert!(option.get_help().is_some(), "{} {}", verb.get_name(), option.get_id());
            }
        }
    }
}
