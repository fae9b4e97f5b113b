//! `harmonixctl status`.

use harmonix_ipc::{DaemonStatus, Status};

use crate::{context::Context, failure::Failure, text};

/// Show what the daemon is and how it is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(ctx: &Context, _: &Args) -> Result<u8, Failure> {
    let status = ctx.call(Status {})?;
    ctx.out.json(&status);
    for line in text::table(&facts(&status)) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn facts(status: &DaemonStatus) -> Vec<[String; 2]> {
    let mut facts = vec![
        ["daemon".into(), format!("harmonixd {}, process {}", status.version, status.pid)],
        ["up".into(), text::span(status.uptime)],
        ["memory".into(), text::bytes(status.rss)],
        ["jobs".into(), format!("{} active, room for {}", status.active, status.capacity)],
        ["engine".into(), status.engine.clone()],
    ];
    facts.push([
        "worker".into(),
        status.worker.as_ref().map_or_else(
            || "none running".into(),
            |worker| {
                let doing = if worker.busy { "busy" } else { "idle" };
                format!("process {}, {doing}, {} jobs, {} loads", worker.pid, worker.jobs, worker.loads)
            },
        ),
    ]);
    for actor in &status.actors {
        let how = if actor.alive { "alive" } else { "silent" };
        let words = format!("{} {how}, seen {} ago", actor.name, text::span(actor.last_seen));
        facts.push(["actor".into(), format!("{words}, {} restarts", actor.restarts)]);
    }
    facts
}
