//! Looks at everything while no client asks for anything, and compares it with what clients were told.

use std::{
    fs,
    path::Path,
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{Client, ErrorKind, Event, Job, JobState, Watch};
use harmonix_tests::harness::Daemon;

use crate::{
    Told, cases,
    figures::count,
    ledger::{self, Asked, Entry},
    world::World,
};

/// Longest that all jobs may take to end once nobody disturbs them.
const PATIENCE: Duration = Duration::from_secs(180);

/// Every job that the daemon knows.
pub(crate) fn snapshot(world: &World) -> Told<Vec<Job>> {
    let client = Client::connect(&world.socket).map_err(|error| format!("cannot connect: {error}"))?;
    let events = client.watch(Watch { job: None }).map_err(|error| format!("cannot watch: {error}"))?;
    match { events }.next() {
        Some(Ok(Event::Snapshot { jobs })) => Ok(jobs),
        other => Err(format!("a watch begins with {other:?}")),
    }
}

/// Waits until every job has ended.
pub(crate) fn settled(world: &World) -> Told<Vec<Job>> {
    let began = Instant::now();
    loop {
        let jobs = snapshot(world)?;
        let Some(waiting) = jobs.iter().find(|job| !job.state.is_final()) else { return Ok(jobs) };
        if began.elapsed() > PATIENCE {
            return Err(format!("job {} does not end: {waiting:?}", waiting.id));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Compares the jobs with what clients were told, and the files with the jobs.
pub(crate) fn jobs(world: &World, daemon: &Daemon, jobs: &[Job]) -> Told {
    let mut entries = world.ledger();
    let gone = |id: &_| !jobs.iter().any(|job| job.id == *id);
    if let Some((id, entry)) = entries.iter().find(|(id, entry)| gone(id) && entry.delete == Asked::No) {
        return Err(format!("job {id} is lost: {entry:?}"));
    }
    entries.retain(|id, entry| !gone(id) || entry.delete == Asked::Done);
    for job in jobs {
        let adopted = || adopt(world, job);
        let entry = match entries.get_mut(&job.id) {
            Some(entry) => entry,
            None => entries.entry(job.id.clone()).or_insert(adopted()?),
        };
        let (resumed, retried) = (happened(job, "resumed"), happened(job, "retried"));
        for while_ in resumed.iter().skip(entry.resumed) {
            count(&mut world.figures().interrupted_while, while_.rsplit(' ').next().unwrap_or_default());
        }
        world.figures().retried += retried.len().saturating_sub(entry.retried);
        (entry.resumed, entry.retried) = (resumed.len(), retried.len());
        one(world, daemon, job, entry).map_err(|story| format!("job {} ({}): {story}", job.id, job.name))?;
    }
    drop(entries);
    files(daemon, jobs)
}

fn happened<'a>(job: &'a Job, kind: &str) -> Vec<&'a str> {
    job.events.iter().filter(|event| event.kind == kind).map(|event| event.message.as_str()).collect()
}

/// A job that was accepted by a daemon that died before it could say so.
fn adopt(world: &World, job: &Job) -> Told<Entry> {
    let case = world.cases.iter().position(|case| case.name == job.name && case.options == job.options);
    let case = case.ok_or_else(|| format!("job {} is nobody's: {job:?}", job.id))?;
    world.figures().accepted_unanswered += 1;
    Ok(Entry { case, ..Entry::default() })
}

fn one(world: &World, daemon: &Daemon, job: &Job, entry: &mut Entry) -> Told {
    if entry.delete == Asked::Done {
        return Err(format!("it was deleted, and is {} again", job.state));
    }
    if entry.cancel == Asked::Done && job.state != JobState::Cancelled {
        return Err(format!("it was cancelled, and is {} ({:?})", job.state, job.error));
    }
    if entry.ended.is_some() && !job.state.is_final() {
        return Err(format!("it was {:?}, and is {} again", entry.ended, job.state));
    }
    let before = entry.ended;
    if ledger::contradicts(entry, job.state) {
        return Err(format!("it was {before:?}, and is {} now", job.state));
    }
    if job.state == JobState::Completed && !entry.verified {
        let found = cases::outputs(daemon, job)?;
        if let Some(difference) = cases::difference(&found, &world.expected[entry.case]) {
            return Err(difference);
        }
        entry.verified = true;
        world.figures().verified += 1;
    }
    let mut figures = world.figures();
    let reason = match job.state {
        JobState::Failed => Some(documented(world, job, entry)?),
        _ => None,
    };
    if job.state.is_final() && !entry.counted {
        entry.counted = true;
        match (job.state, reason) {
            (_, Some(reason)) => count(&mut figures.failed, reason),
            (JobState::Completed, None) => figures.completed += 1,
            _ => figures.cancelled += 1,
        }
    }
    Ok(())
}

/// Why a job failed, if it may: what it depends on was killed again and again.
fn documented(world: &World, job: &Job, entry: &Entry) -> Told<&'static str> {
    let error = job.error.as_ref().ok_or("it failed without an error")?;
    let workers = world.worker_deaths.load(Relaxed) - entry.worker_deaths;
    let daemons = world.daemon_deaths.load(Relaxed) - entry.daemon_deaths;
    let twice = error.causes.iter().any(|cause| cause.contains("died twice at the same place"));
    let thrice = error.message.starts_with("the daemon went down 3 times");
    match error.kind {
        ErrorKind::Separation if twice && workers >= 2 => Ok("worker_died_twice"),
        ErrorKind::Internal if thrice && daemons >= 3 => Ok("daemon_died_three_times"),
        _ => Err(format!(
            "it failed for no documented reason, with {workers} workers and {daemons} daemons killed since it was \
             submitted: {error:?}; {entry:?}"
        )),
    }
}

/// Every folder has its job; those of jobs that have ended hold the input, the outputs and nothing else.
fn files(daemon: &Daemon, jobs: &[Job]) -> Told {
    let all = daemon.files();
    for path in &all {
        let (id, rest) = path.split_once('/').unwrap_or((path, ""));
        let Some(job) = jobs.iter().find(|job| job.id.0 == id) else {
            return Err(format!("{path} belongs to no job"));
        };
        let output = |name: &str| {
            job.stems.values().chain(&job.manifest).any(|file| file == name)
                || (name == "analysis.json" && job.analysis.is_some())
        };
        let right = match (job.state, rest.split_once('/')) {
            (JobState::Completed, None) => matches!(rest, "" | "out" | "source"),
            (JobState::Failed, None) => matches!(rest, "" | "source"),
            (JobState::Completed, Some((folder, name))) => folder == "out" && output(name),
            (state, _) => !state.is_final(),
        };
        if !right {
            return Err(format!("{path} is left of job {id}, which is {}", job.state));
        }
    }
    let lacks_source = |job: &&Job| {
        job.state == JobState::Completed && !all.iter().any(|path| *path == format!("{}/source", job.id))
    };
    match jobs.iter().find(lacks_source) {
        Some(job) => Err(format!("the input of completed job {} was not kept", job.id)),
        None => Ok(()),
    }
}

/// Bytes of all files in a folder and below.
pub(crate) fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().map_while(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}
