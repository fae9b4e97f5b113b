//! `harmonixctl library`.

mod list;

use clap::{Subcommand, builder::NonEmptyStringValueParser};
use harmonix_ipc::{EditTrack, PurgeTrack, ShowTrack, Track, TrackId};
use serde_json::json;

use crate::{context::Context, failure::Failure, text};

/// The songs you have, whatever became of their jobs: search them, tag them, put them away
///
/// The same audio is the same song, whatever its file is called or encoded as. A song whose last job is gone is archived;
/// its name, tags, tempo and key stay until it is purged.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harmonixctl library list sea --tag jazz\n  harmonixctl library tag 9f8e7d6c5b4a jazz live"
)]
pub(crate) struct Args {
    /// What to do; lists the songs when absent.
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List songs, newest first
    List(list::Args),
    /// Show one song and its jobs
    Show(One),
    /// Give a song another name; no file moves
    Rename {
        /// The song's id
        song: String,
        /// What it is to be called
        name: String,
    },
    /// Add tags
    Tag(Tags),
    /// Remove tags
    Untag(Tags),
    /// Mark as a favourite: retention leaves its jobs alone
    Favourite(One),
    /// Take the mark away
    Unfavourite(One),
    /// Put away: not in lists any more, its files stay
    Archive(One),
    /// Take back
    Restore(One),
    /// Remove a song and all its jobs for good
    Purge {
        /// The song's id
        song: String,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct One {
    /// The song's id, as `harmonixctl library` lists it
    song: String,
}

#[derive(Debug, clap::Args)]
struct Tags {
    /// The song's id
    song: String,
    /// The tags
    #[arg(required = true, value_name = "TAG", value_parser = NonEmptyStringValueParser::new())]
    tags: Vec<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let Some(action) = &args.action else { return list::run(ctx, &list::Args::default()) };
    let edit = |song: &str| EditTrack { track: id(song), ..EditTrack::default() };
    let edit = match action {
        Action::List(args) => return list::run(ctx, args),
        Action::Show(One { song }) => return tell(ctx, &ctx.call(ShowTrack { track: id(song) })?),
        Action::Purge { song, yes } => return purge(ctx, song, *yes),
        Action::Rename { song, name } => EditTrack { name: Some(name.clone()), ..edit(song) },
        Action::Tag(Tags { song, tags }) => EditTrack { add_tags: tags.clone(), ..edit(song) },
        Action::Untag(Tags { song, tags }) => EditTrack { remove_tags: tags.clone(), ..edit(song) },
        Action::Favourite(One { song }) => EditTrack { favourite: Some(true), ..edit(song) },
        Action::Unfavourite(One { song }) => EditTrack { favourite: Some(false), ..edit(song) },
        Action::Archive(One { song }) => EditTrack { archived: Some(true), ..edit(song) },
        Action::Restore(One { song }) => EditTrack { archived: Some(false), ..edit(song) },
    };
    tell(ctx, &ctx.call(edit)?)
}

fn id(song: &str) -> TrackId {
    TrackId(song.to_owned())
}

fn purge(ctx: &Context, song: &str, confirm: bool) -> Result<u8, Failure> {
    ctx.call(PurgeTrack { track: id(song), confirm })?;
    ctx.out.say(format_args!("{song}: purged"));
    ctx.out.json(&json!({ "id": song, "purged": true }));
    Ok(0)
}

fn tell(ctx: &Context, track: &Track) -> Result<u8, Failure> {
    ctx.out.json(track);
    for line in text::table(&facts(track)) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn facts(track: &Track) -> Vec<[String; 2]> {
    let mut facts = vec![["song".into(), track.id.to_string()], ["name".into(), track.name.clone()]];
    let mut add = |label: &str, fact: String| facts.push([label.to_owned(), fact]);
    if track.file != track.name {
        add("file", track.file.clone());
    }
    let input = &track.input;
    add(
        "input",
        format!(
            "{}/{}, {} Hz, {}",
            input.container,
            input.codec,
            input.sample_rate,
            text::span(input.duration)
        ),
    );
    track.bpm.iter().for_each(|bpm| add("tempo", format!("{bpm:.2} BPM")));
    if let Some(key) = &track.key {
        add("key", format!("{key} ({})", track.camelot.as_deref().unwrap_or("?")));
    }
    if !track.tags.is_empty() {
        add("tags", track.tags.join(", "));
    }
    let marks = [(track.favourite, "favourite"), (track.archived, "archived")];
    marks.iter().filter(|(set, _)| *set).for_each(|(_, mark)| add("mark", (*mark).to_owned()));
    add("used", format!("{} times, last {}", track.uses, text::ago(track.used_at)));
    for job in &track.jobs {
        let what = if job.stems.is_empty() { "analysis".into() } else { job.stems.join(", ") };
        let engine = job.engine.as_deref().unwrap_or("no engine");
        add(
            "job",
            format!(
                "{}: {what}; {engine}, {}, {}, {}",
                job.id,
                job.quality,
                job.format,
                text::bytes(job.bytes)
            ),
        );
    }
    facts
}
