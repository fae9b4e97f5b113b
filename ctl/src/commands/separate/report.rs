//! What `separate` says in the end.

use std::path::Path;

use harmonix_ipc::Job;
use serde_json::{Value, json};

use super::{Args, input::Input, session::Fate};
use crate::{commands::analyze, context::Context, several::Several, text};

/// A song's stems are here: says so to people.
pub(super) fn job(ctx: &Context, args: &Args, input: &Input, job: &Job) {
    let engine = match job.engine.as_deref() {
        Some("spectral") => "spectral, the built-in engine",
        Some(engine) => engine,
        None => "an unknown engine",
    };
    let device = job.device.as_deref().unwrap_or("an unknown device");
    let took = job.started_at.zip(job.finished_at).map(|(begin, end)| text::span(end - begin));
    let took = took.map_or_else(String::new, |took| format!(", {took}"));
    ctx.out.say(format_args!("{}: completed: {engine}, on {device}{took}", input.label));
    if args.verbose
        && let Some(probe) = &job.input
    {
        let format = format!("{}/{}, {} Hz", probe.container, probe.codec, probe.sample_rate);
        ctx.out.say(format_args!("  input: {format}, {} channels, {:.1} s", probe.channels, probe.duration));
    }
    for [label, fact] in analyze::facts(job).into_iter().filter(|[label, _]| label != "sections") {
        ctx.out.say(format_args!("  {label}: {fact}"));
    }
    for event in &job.events {
        ctx.out.say(format_args!("  note: {}", event.message));
    }
    for name in &job.unavailable {
        ctx.out.say(format_args!("  unavailable: {name}: the model does not make it"));
    }
    for line in text::table(&files(args, job)) {
        ctx.out.say(format_args!("  {line}"));
    }
}

fn files(args: &Args, job: &Job) -> Vec<[String; 3]> {
    let shown = |path: &str| {
        let name = Path::new(path).file_name().unwrap_or_default();
        args.output.join(name).display().to_string()
    };
    let stem = |(name, path): (&String, &String)| {
        let file = job.files.iter().find(|file| file.stem == *name);
        let (peak, rms) = file.map_or((None, None), |file| (file.peak_dbfs, file.rms_dbfs));
        [shown(path), format!("peak {}", text::level(peak)), format!("rms {}", text::level(rms))]
    };
    let manifest = job.manifest.iter().map(|path| [shown(path), String::new(), String::new()]);
    job.stems.iter().map(stem).chain(manifest).collect()
}

/// Tells what happened to a job since it was seen last.
pub(super) fn news(ctx: &Context, input: &Input, before: Option<&Job>, now: &Job) {
    let seen = before.map_or(0, |job| job.events.len());
    for event in now.events.iter().skip(seen) {
        ctx.out.note(format_args!("{}: {}: {}", input.label, event.kind, event.message));
    }
}

/// The results for programs, ids for people who do not wait, and a summary. Returns the exit status.
pub(super) fn finish(ctx: &Context, args: &Args, inputs: &[Input], fates: &[Fate]) -> u8 {
    let mut several = Several::new(inputs.len());
    for (input, fate) in inputs.iter().zip(fates) {
        several.push(value(input, fate), fate.failure.as_ref());
        if let (true, Some(job)) = (args.detach, &fate.job) {
            ctx.out.say(&job.id);
        }
    }
    if inputs.len() > 1 && !args.detach {
        let failed = fates.iter().filter(|fate| fate.failure.is_some()).count();
        let completed = fates.len() - failed;
        ctx.out.say(format_args!("{} songs: {completed} completed, {failed} failed", fates.len()));
    }
    several.finish(&ctx.out)
}

/// The job, with the error if its stems are not here; a song that never became a job looks like a failed one.
fn value(input: &Input, fate: &Fate) -> Value {
    let mut value = match &fate.job {
        Some(job) => json!(job),
        None => json!({ "id": null, "state": "failed", "name": input.name(), "stems": {}, "manifest": null }),
    };
    if let Some(failure) = &fate.failure {
        value["error"] = failure.json()["error"].take();
    }
    value
}
