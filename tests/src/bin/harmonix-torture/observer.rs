//! Watches all jobs, over every restart: knows which stages there are to strike in.

use std::{sync::PoisonError, thread, time::Duration};

use harmonix_ipc::{Client, Event, JobState, Jobs, Watch};

use crate::{ledger, world::World};

/// Follows the jobs until the campaign is over.
pub(crate) fn observe(world: &World) {
    while !world.is_over() {
        if let Ok(client) = Client::connect(&world.socket)
            && let Ok(events) = client.watch(Watch { job: None })
        {
            let mut jobs = Jobs::default();
            for event in events.map_while(Result::ok) {
                take(world, &mut jobs, event);
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn take(world: &World, jobs: &mut Jobs, event: Event) {
    let told = match &event {
        Event::Job { job } => Some((job.id.clone(), job.state)),
        _ => None,
    };
    let moved = !matches!(event, Event::Progress { .. });
    jobs.apply(event);
    // a failure is not always durable when it is told: a disk may be gone. The other ends are.
    if let Some((id, state @ (JobState::Completed | JobState::Cancelled))) = told
        && let Some(entry) = world.ledger().get_mut(&id)
        && ledger::contradicts(entry, state)
    {
        world.tell(format!("job {id} is {state} after it was told to be in another final state: {entry:?}"));
    }
    if moved {
        *world.states() = jobs.all().iter().map(|job| (job.id.clone(), job.state)).collect();
        world.changed().notify_all();
    }
}

/// Waits until a job is in `state`, or `patience` is over. Says whether one was.
pub(crate) fn wait_for(world: &World, state: JobState, patience: Duration) -> bool {
    let none = |states: &mut std::collections::BTreeMap<_, JobState>| !states.values().any(|s| *s == state);
    let (_states, timeout) = world
        .changed()
        .wait_timeout_while(world.states(), patience, none)
        .unwrap_or_else(PoisonError::into_inner);
    !timeout.timed_out()
}
