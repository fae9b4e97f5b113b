//! A client that does everything at random.

use std::{
    sync::{PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use harmonix_ipc::{
    Again, Cancel, Client, Delete, ErrorKind, Fetch, JobId, JobState, Jobs, ListJobs, Show, Submit, Watch,
    client::ClientError,
};
use harmonix_tests::rng::Rng;

use crate::{
    Told,
    cases::comparable,
    ledger::{self, Asked, Entry},
    world::World,
};

/// Active jobs above which nobody submits.
const BACKLOG: usize = 6;

/// Events after which a watcher hangs up.
const EVENTS: usize = 8;

/// Asks one thing after another until the campaign is over.
pub(crate) fn live(world: &World, mut rng: Rng) {
    while !world.is_over() {
        let pass = world.gate.read().unwrap_or_else(PoisonError::into_inner);
        let told = act(world, &mut rng);
        drop(pass);
        if let Err(story) = told {
            world.tell(story);
        }
        thread::sleep(Duration::from_secs_f64(rng.range(0.002, 0.08)));
    }
}

fn act(world: &World, rng: &mut Rng) -> Told {
    let Ok(client) = Client::connect(&world.socket) else { return Ok(()) };
    match rng.below(100) {
        0..46 if world.active() < BACKLOG => submit(world, client, rng),
        46..50 if world.active() < BACKLOG => again(world, client, rng),
        0..55 => list(world, client),
        55..57 => cancel(world, client, rng),
        57..66 => watch(world, client, rng),
        66..75 => show(world, client, rng),
        75..94 => fetch(world, client, rng),
        _ => delete(world, client, rng),
    }
}

fn submit(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    let lots = world.cases.iter().enumerate().flat_map(|(case, at)| std::iter::repeat_n(case, at.weight));
    let lots: Vec<_> = lots.collect();
    let index = lots[rng.below(lots.len())];
    let case = &world.cases[index];
    let entry = Entry {
        case: index,
        daemon_deaths: world.daemon_deaths.load(Relaxed),
        worker_deaths: world.worker_deaths.load(Relaxed),
        ..Entry::default()
    };
    let size = rng.chance(0.5).then_some(case.bytes.len() as u64);
    let submit = Submit { name: case.name.clone(), size, options: case.options.clone() };
    match client.submit(submit, &mut &case.bytes[..]) {
        Ok(job) => {
            world.figures().acknowledged += 1;
            // the observer may have been faster, and so may a cancellation: what is known stays
            world.ledger().entry(job.id).or_insert(entry);
            Ok(())
        }
        Err(ClientError::Refused(error)) if error.kind == ErrorKind::Busy => Ok(()),
        // what a daemon says between the power cut and its own end
        Err(ClientError::Refused(_)) if world.dark.load(Relaxed) => Ok(()),
        Err(ClientError::Refused(error)) => Err(format!("{} is refused: {error:?}", case.name)),
        Err(_) => {
            world.figures().uploads_broken += 1;
            Ok(())
        }
    }
}

fn list(world: &World, mut client: Client) -> Told {
    let before: Vec<JobId> = world
        .ledger()
        .iter()
        .filter(|(_, entry)| entry.delete == Asked::No)
        .map(|(id, _)| id.clone())
        .collect();
    let Ok(list) = client.call(ListJobs { limit: Some(1000), ..ListJobs::default() }) else { return Ok(()) };
    let ledger = world.ledger();
    let missing = before.iter().find(|id| {
        list.total <= 1000
            && ledger.get(id).is_some_and(|entry| entry.delete == Asked::No)
            && list.jobs.iter().all(|job| job.id != **id)
    });
    missing
        .map_or(Ok(()), |id| Err(format!("a list of {} jobs lacks {id}: {:?}", list.total, ledger.get(id))))
}

/// Any job that `wanted` says yes to.
fn pick(world: &World, rng: &mut Rng, wanted: impl Fn(&Entry) -> bool) -> Option<JobId> {
    let ledger = world.ledger();
    let all: Vec<_> = ledger.iter().filter(|(_, entry)| wanted(entry)).map(|(id, _)| id).collect();
    if all.is_empty() { None } else { Some(all[rng.below(all.len())].clone()) }
}

fn note(world: &World, id: &JobId, change: impl FnOnce(&mut Entry)) {
    if let Some(entry) = world.ledger().get_mut(id) {
        change(entry);
    }
}

/// A job once more, from the input that was kept.
fn again(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    let Some(id) = pick(world, rng, |entry| entry.delete == Asked::No) else { return Ok(()) };
    let Some(case) = world.ledger().get(&id).map(|entry| entry.case) else { return Ok(()) };
    let entry = Entry {
        case,
        daemon_deaths: world.daemon_deaths.load(Relaxed),
        worker_deaths: world.worker_deaths.load(Relaxed),
        ..Entry::default()
    };
    match client.call(Again { job: id.clone(), options: None }) {
        Ok(job) => {
            world.figures().acknowledged += 1;
            world.ledger().entry(job.id).or_insert(entry);
            Ok(())
        }
        // it was cancelled, or deleted by somebody else
        Err(ClientError::Refused(error))
            if matches!(error.kind, ErrorKind::Busy | ErrorKind::Conflict | ErrorKind::NotFound) =>
        {
            Ok(())
        }
        Err(ClientError::Refused(_)) if world.dark.load(Relaxed) => Ok(()),
        Err(ClientError::Refused(error)) => Err(format!("job {id} once more is refused: {error:?}")),
        Err(_) => Ok(()),
    }
}

fn cancel(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    let Some(id) = pick(world, rng, |entry| entry.ended.is_none() && entry.delete == Asked::No) else {
        return Ok(());
    };
    note(world, &id, |entry| entry.cancel = entry.cancel.max(Asked::Sent));
    let Ok(job) = client.call(Cancel { job: id.clone() }) else { return Ok(()) };
    note(world, &id, |entry| entry.cancel = Asked::Done);
    if job.state == JobState::Cancelled {
        return Ok(());
    }
    Err(format!("job {id} is {} after its cancellation", job.state))
}

fn delete(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    // mostly what has ended and was seen to be right
    let any = rng.chance(0.2);
    let wanted = |entry: &Entry| entry.delete == Asked::No && (any || entry.counted);
    let Some(id) = pick(world, rng, wanted) else { return Ok(()) };
    note(world, &id, |entry| entry.delete = Asked::Sent);
    if client.call(Delete { job: id.clone() }).is_ok() {
        note(world, &id, |entry| entry.delete = Asked::Done);
        world.figures().deleted += 1;
    }
    Ok(())
}

fn show(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    let Some(id) = pick(world, rng, |entry| entry.delete == Asked::No) else { return Ok(()) };
    match client.call(Show { job: id.clone() }) {
        Ok(job) if matches!(job.state, JobState::Completed | JobState::Cancelled) => {
            let mut ledger = world.ledger();
            let Some(entry) = ledger.get_mut(&id) else { return Ok(()) };
            if ledger::contradicts(entry, job.state) {
                return Err(format!("job {id} is {} after another end: {entry:?}", job.state));
            }
            Ok(())
        }
        Err(ClientError::Refused(error))
            if world.ledger().get(&id).is_some_and(|entry| entry.delete == Asked::No) =>
        {
            Err(format!("job {id} cannot be shown: {error:?}"))
        }
        _ => Ok(()),
    }
}

fn watch(world: &World, client: Client, rng: &mut Rng) -> Told {
    let Some(id) = pick(world, rng, |entry| entry.ended.is_none() && entry.delete == Asked::No) else {
        return Ok(());
    };
    let Ok(events) = client.watch(Watch { job: Some(id.clone()) }) else { return Ok(()) };
    let mut jobs = Jobs::default();
    let mut progress = 0.0;
    for event in events.take(EVENTS).map_while(Result::ok) {
        jobs.apply(event);
        let Some(job) = jobs.get(&id) else { break };
        if job.progress < progress {
            return Err(format!("the progress of job {id} fell from {progress} to {}", job.progress));
        }
        progress = job.progress;
        if job.state.is_final() {
            break;
        }
    }
    Ok(())
}

fn fetch(world: &World, mut client: Client, rng: &mut Rng) -> Told {
    let wanted = |entry: &Entry| entry.ended == Some(JobState::Completed) && entry.delete == Asked::No;
    let Some(id) = pick(world, rng, wanted) else { return Ok(()) };
    let Some(case) = world.ledger().get(&id).map(|entry| entry.case) else { return Ok(()) };
    let Ok(job) = client.call(Show { job: id.clone() }) else { return Ok(()) };
    for (output, file) in job
        .stems
        .iter()
        .map(|(stem, file)| (stem.as_str(), file))
        .chain(job.manifest.iter().map(|file| ("manifest", file)))
    {
        let mut bytes = Vec::new();
        match client.fetch(Fetch { job: id.clone(), output: output.into() }, &mut bytes) {
            Ok(_) => {}
            Err(ClientError::Refused(error))
                if world.ledger().get(&id).is_some_and(|entry| entry.delete == Asked::No)
                    && !world.dark.load(Relaxed) =>
            {
                return Err(format!("{output} of completed job {id} is refused: {error:?}"));
            }
            Err(_) => return Ok(()),
        }
        let bytes = if output == "manifest" { comparable(&bytes)? } else { bytes };
        if world.expected[case].get(file) != Some(&bytes) {
            return Err(format!("{output} of job {id} ({}), as fetched, differs", world.cases[case].name));
        }
        world.figures().fetched += 1;
    }
    Ok(())
}
