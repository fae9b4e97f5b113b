//! `harmonixctl stats`.

use harmonix_ipc::{ShowStats, Stats};

use crate::{context::Context, failure::Failure, text};

/// Show how many jobs and songs there are, their bytes, and how fast stages run here
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(ctx: &Context, _: &Args) -> Result<u8, Failure> {
    let stats = ctx.call(ShowStats {})?;
    ctx.out.json(&stats);
    for line in text::table(&facts(&stats)) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn facts(stats: &Stats) -> Vec<[String; 2]> {
    let jobs: Vec<_> = stats.jobs.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
    let mut facts = vec![
        ["jobs".into(), if jobs.is_empty() { "none".into() } else { jobs.join(", ") }],
        [
            "songs".into(),
            format!("{}, {} archived, {} favourites", stats.tracks, stats.archived, stats.favourites),
        ],
        ["audio".into(), text::span(stats.audio_seconds)],
        ["outputs".into(), text::bytes(stats.output_bytes)],
    ];
    if let Some(left) = stats.quota_left {
        facts.push(["quota".into(), format!("room for {left} more jobs")]);
    }
    for speed in &stats.speeds {
        let words = format!("{:.1} × real time, {} runs", speed.realtime, speed.runs);
        facts.push(["speed".into(), format!("{}: {words}", speed.stage)]);
    }
    facts
}
