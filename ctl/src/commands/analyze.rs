//! `harmonixctl analyze`.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use clap::builder::NonEmptyStringValueParser;
use harmonix_ipc::{Analyze, Delete, ErrorKind, Event, Job, JobId, JobOptions, JobState, Show, Watch};
use serde_json::{Value, json};

use super::separate::{input::Input, submit};
use crate::{context::Context, failure::Failure, follow::follow, several::Several, text};

/// Songs that are under way at once.
const AT_ONCE: usize = 4;

/// Tell tempo, key, chords, sections, instruments and loudness of songs
///
/// Streams each song to the daemon, which analyses it and makes no stems. With --json all of it: beats, downbeats,
/// chords and sections with their times in seconds. What cannot be told, such as the tempo of silence, is null.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harmonixctl analyze *.flac\n  harmonixctl analyze song.mp3 --beats song.tsv"
)]
pub(crate) struct Args {
    /// Songs; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the beats of the song to a file: time in seconds, tab, number in its bar
    #[arg(long, value_name = "FILE")]
    beats: Option<PathBuf>,
    /// Name of the song on standard input
    #[arg(long, value_name = "NAME", default_value = "stdin", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Leave the jobs in the daemon; else they are deleted once their results are here
    #[arg(long)]
    keep: bool,
    /// Analyse anew, even what was analysed before
    #[arg(long)]
    fresh: bool,
}

pub(crate) fn run(ctx: &Arc<Context>, args: &Args) -> Result<u8, Failure> {
    if args.beats.is_some() && args.files.len() > 1 {
        let what = "--beats is for one song: its file would be written over";
        return Err(Failure::here(ErrorKind::InvalidRequest, what));
    }
    ctx.connect()?;
    let inputs = Input::all(&args.files, &args.name);
    let mut several = Several::new(inputs.len());
    let (tell, told) = mpsc::channel();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(inputs.len()) {
            let (tell, next, inputs) = (tell.clone(), &next, &inputs);
            scope.spawn(move || {
                while let Some((at, input)) =
                    Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, inputs.get(at)?)))
                {
                    if tell.send((at, one(ctx, args, input))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        // in the order in which they were given
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, analysed) in told {
            early.insert(at, analysed);
            while let Some(analysed) = early.remove(&due) {
                ctx.ours.park_if_stopped();
                say(ctx, args, &inputs[due], analysed, &mut several);
                due += 1;
            }
        }
    });
    Ok(several.finish(&ctx.out))
}

fn say(ctx: &Context, args: &Args, input: &Input, analysed: Result<Job, Failure>, several: &mut Several) {
    let written = analysed.and_then(|job| {
        if let (Some(path), Some(analysis)) = (&args.beats, &job.analysis) {
            fs::write(path, beats(analysis))
                .map_err(|error| Failure::file(format!("cannot write {}", path.display()), &error))?;
        }
        Ok(job)
    });
    match written {
        Ok(job) => {
            ctx.out.say(format_args!("{}", input.label));
            for line in text::table(&facts(&job)) {
                ctx.out.say(format_args!("  {line}"));
            }
            several.push(json!(job), None);
        }
        Err(failure) => {
            let failure = failure.about(&input.label);
            ctx.out.error(&failure);
            let mut value = failure.json();
            value["name"] = json!(input.name());
            several.push(value, Some(&failure));
        }
    }
}

/// Submits a song, waits for its job's end and fetches the result.
fn one(ctx: &Context, args: &Args, input: &Input) -> Result<Job, Failure> {
    let options = JobOptions { analysis: Analyze::Only, fresh: args.fresh, ..JobOptions::default() };
    let job = submit::one(ctx, input, &options)?;
    let ended = wait(ctx, &job.id);
    ctx.ours.park_if_stopped();
    ctx.ours.ended(&job.id);
    ended?;
    let job = ctx.call(Show { job: job.id })?;
    if !args.keep {
        ctx.call(Delete { job: job.id.clone() })?;
    }
    if job.state == JobState::Completed { Ok(job) } else { Err(Failure::of(&job)) }
}

/// Waits for a job's end, whatever it is.
pub(crate) fn wait(ctx: &Context, id: &JobId) -> Result<(), Failure> {
    follow(ctx, &Watch { job: Some(id.clone()) }, ctx.connect()?, |event| match event {
        Event::Snapshot { jobs } => !jobs.iter().any(|job| job.state.is_final()),
        Event::Job { job } => !job.state.is_final(),
        Event::Removed { .. } => false,
        Event::Progress { .. } | Event::Lagged {} => true,
    })
}

/// Lines of time and number in the bar, counted from the first beat where the metre is not known.
fn beats(analysis: &Value) -> String {
    let times = |name: &str| -> Vec<f64> {
        let times = analysis["tempo"][name].as_array().map(Vec::as_slice).unwrap_or_default();
        times.iter().filter_map(Value::as_f64).collect()
    };
    let downbeats = times("downbeats");
    let mut number = 0;
    let mut lines = String::new();
    for beat in times("beats") {
        let is_first = downbeats.iter().any(|downbeat| (downbeat - beat).abs() < 1e-3);
        number = if is_first { 1 } else { number + 1 };
        lines += &format!("{beat:.3}\t{number}\n");
    }
    lines
}

/// What people want to know of a song.
pub(crate) fn facts(job: &Job) -> Vec<[String; 2]> {
    let Some(analysis) = &job.analysis else { return Vec::new() };
    let mut facts = Vec::new();
    let mut add = |label: &str, fact: String| facts.push([label.to_owned(), fact]);
    if let Some(message) = analysis["error"]["message"].as_str() {
        add("analysis", format!("failed: {message}"));
        return facts;
    }
    let percent =
        |value: &Value| value.as_f64().map_or_else(String::new, |value| format!("{:.0} %", value * 100.0));
    let tempo = &analysis["tempo"];
    match tempo["bpm"].as_f64() {
        None => add("tempo", "none: no steady pulse".into()),
        Some(bpm) => {
            let metre =
                tempo["time_signature"].as_str().map_or_else(String::new, |metre| format!(", {metre}"));
            let steady = if tempo["stable"].as_bool() == Some(true) { "" } else { ", not steady" };
            let others = tempo["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
            let others: Vec<_> = others
                .iter()
                .skip(1)
                .take(2)
                .filter_map(|other| Some(format!("{:.2}", other["bpm"].as_f64()?)))
                .collect();
            let others =
                if others.is_empty() { String::new() } else { format!("; or {}", others.join(", ")) };
            let sure = percent(&tempo["confidence"]);
            add("tempo", format!("{bpm:.2} bpm{metre}{steady}, {sure} sure{others}"));
        }
    }
    let key = &analysis["key"];
    match (key["tonic"].as_str(), key["scale"].as_str()) {
        (Some(tonic), Some(scale)) => {
            let wheel = [&key["camelot"], &key["open_key"]].map(|name| name.as_str().unwrap_or_default());
            let cents = key["tuning_cents"].as_f64().unwrap_or_default();
            let sure = percent(&key["confidence"]);
            add(
                "key",
                format!("{tonic} {scale}, {} / {}, {sure} sure, tuned {cents:+.0} cents", wheel[0], wheel[1]),
            );
        }
        _ => add("key", "none: nothing tonal".into()),
    }
    let loudness = &analysis["loudness"];
    if let Some(lufs) = loudness["integrated_lufs"].as_f64() {
        let number = |name: &str| loudness[name].as_f64().map_or_else(|| "-".into(), |x| format!("{x:.1}"));
        add(
            "loudness",
            format!(
                "{lufs:.1} LUFS, range {} LU, true peak {} dBTP",
                number("range_lu"),
                number("true_peak_dbtp")
            ),
        );
    }
    let instruments = analysis["instruments"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !instruments.is_empty() {
        let one = |instrument: &Value| {
            let label = instrument["label"].as_str().unwrap_or_default().replace('_', " ");
            format!("{label} {}", percent(&instrument["confidence"]))
        };
        add("instruments", instruments.iter().map(one).collect::<Vec<_>>().join(", "));
    }
    let sections = analysis["sections"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sections.len() > 1 {
        let part = |section: &Value| {
            let start = section["start"].as_f64().unwrap_or_default();
            let (minutes, seconds) = ((start / 60.0) as u64, start % 60.0);
            format!("{} {minutes}:{seconds:02.0}", section["label"].as_str().unwrap_or_default())
        };
        add("sections", sections.iter().map(part).collect::<Vec<_>>().join(", "));
    }
    facts
}
