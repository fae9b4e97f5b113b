//! `harmonixctl watches`.

use harmonix_ipc::{WatchedFolder, Watches};

use crate::{context::Context, failure::Failure, text};

/// Show the folders that the daemon watches for songs
///
/// The configuration has them: `[[watch]]`. Songs of other users' folders are seen by administrators only.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl watches --json")]
pub(crate) struct Args {}

pub(crate) fn run(ctx: &Context, _: &Args) -> Result<u8, Failure> {
    let watches = ctx.call(Watches {})?;
    ctx.out.json(&watches);
    if watches.folders.is_empty() {
        ctx.out.say("no folder is watched: [[watch]] in the configuration names them");
    }
    for watched in &watches.folders {
        ctx.out.say(format_args!("{} -> {}", watched.folder, watched.output));
        for line in text::table(&facts(watched)) {
            ctx.out.say(format_args!("  {line}"));
        }
    }
    Ok(0)
}

fn facts(watched: &WatchedFolder) -> Vec<[String; 2]> {
    let WatchedFolder { quality, mode, format, recursive, owner, .. } = watched;
    let WatchedFolder { waiting, active, delivered, failed, .. } = watched;
    let below = if *recursive { ", with folders in it" } else { "" };
    let mut facts = vec![
        ["makes".to_owned(), format!("{quality}, {mode}, {format}{below}, for user {owner}")],
        [
            "songs".into(),
            format!("{waiting} waiting, {active} under way, {delivered} delivered, {failed} failed"),
        ],
    ];
    if !watched.present {
        facts.push(["folder".into(), "not there".into()]);
    }
    if let Some(error) = &watched.error {
        facts.push(["error".into(), error.message.clone()]);
        error.causes.iter().for_each(|cause| facts.push(["caused by".into(), cause.clone()]));
        error.hint.iter().for_each(|hint| facts.push(["hint".into(), hint.clone()]));
    }
    facts
}
