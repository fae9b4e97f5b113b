//! `harmonixctl watch`.

use harmonix_ipc::{ErrorKind, Event, Job, JobId, JobState, Jobs, Watch};

use crate::{
    context::Context,
    failure::Failure,
    follow::follow,
    progress::{Lines, Progress},
};

/// Follow jobs as they go on
///
/// With JOB it ends when the job does: with status 0 when it completed, else with that of its error. Without, it goes on
/// until Ctrl-C. With --json it prints one event a line: the whole state first, then what changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl watch 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Only this job
    #[arg(value_name = "JOB")]
    job: Option<String>,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let only = args.job.clone().map(JobId);
    let mut jobs = Jobs::default();
    let mut progress = Progress::new(&ctx.out, Lines::Stdout);
    let mut ended = Ok(0);
    follow(ctx, &Watch { job: only.clone() }, ctx.connect()?, |event| {
        ctx.out.json(&event);
        let changed = changed(&event);
        let is_snapshot = matches!(event, Event::Snapshot { .. });
        jobs.apply(event);
        for job in jobs.all().iter().filter(|job| is_snapshot || Some(&job.id) == changed.as_ref()) {
            if !is_snapshot || only.is_some() || !job.state.is_final() {
                progress.show(&job.name, job);
            }
        }
        if let Some(id) = changed.filter(|id| jobs.get(id).is_none()) {
            progress.end(&id);
        }
        if let Some(end) = only.as_ref().and_then(|id| end(id, jobs.get(id))) {
            ended = end;
            return false;
        }
        !ctx.out.is_closed()
    })?;
    Ok(ended.unwrap_or_else(|failure| {
        ctx.out.error(&failure);
        failure.code()
    }))
}

fn changed(event: &Event) -> Option<JobId> {
    match event {
        Event::Job { job } => Some(job.id.clone()),
        Event::Progress { id, .. } | Event::Removed { id } => Some(id.clone()),
        Event::Snapshot { .. } | Event::Lagged {} => None,
    }
}

/// How the watched job ended, if it did.
fn end(id: &JobId, job: Option<&Job>) -> Option<Result<u8, Failure>> {
    match job {
        None => Some(Err(Failure::here(ErrorKind::NotFound, format!("job {id} was deleted")))),
        Some(job) if !job.state.is_final() => None,
        Some(job) if job.state == JobState::Completed => Some(Ok(0)),
        Some(job) => Some(Err(Failure::of(job).about(&job.name))),
    }
}
