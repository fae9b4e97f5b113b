//! `harmonixctl show`.

use harmonix_ipc::{Job, JobId, Show};

use super::analyze;
use crate::{context::Context, failure::Failure, text};

/// Show one job
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl show 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// The job's id, as `harmonixctl jobs` lists it
    #[arg(value_name = "JOB")]
    job: String,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let job = ctx.call(Show { job: JobId(args.job.clone()) })?;
    ctx.out.json(&job);
    for line in text::table(&facts(&job)) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn facts(job: &Job) -> Vec<[String; 2]> {
    let mut facts = vec![
        ["job".into(), job.id.to_string()],
        ["name".into(), job.name.clone()],
        ["state".into(), format!("{}, {:.0} %", job.state, job.progress * 100.0)],
        ["asked".into(), format!("{}, {}, {}", job.quality, job.mode, job.options.format)],
        ["submitted".into(), text::ago(job.created_at)],
    ];
    let mut add = |label: &str, fact: String| facts.push([label.to_owned(), fact]);
    if let Some(input) = &job.input {
        let format = format!("{}/{}, {} Hz", input.container, input.codec, input.sample_rate);
        add("input", format!("{format}, {} channels, {:.1} s", input.channels, input.duration));
    }
    if let Some(engine) = &job.engine {
        add("engine", format!("{engine} on {}", job.device.as_deref().unwrap_or("an unknown device")));
    }
    if let Some(seconds) = job.remaining {
        add("left", text::span(seconds));
    }
    if let (Some(begin), Some(end)) = (job.started_at, job.finished_at) {
        add("took", text::span(end - begin));
    }
    analyze::facts(job).into_iter().for_each(|[label, fact]| add(&label, fact));
    for stem in &job.files {
        let levels = format!("peak {}, rms {}", text::level(stem.peak_dbfs), text::level(stem.rms_dbfs));
        add("stem", format!("{}: {}, {levels}", stem.stem, text::bytes(stem.bytes)));
    }
    for name in &job.unavailable {
        add("unavailable", name.clone());
    }
    for event in &job.events {
        add("event", format!("{}: {}", event.kind, event.message));
    }
    if let Some(error) = &job.error {
        add("error", error.message.clone());
        error.causes.iter().for_each(|cause| add("caused by", cause.clone()));
        error.hint.iter().for_each(|hint| add("hint", hint.clone()));
    }
    facts
}
