//! Who watches the jobs.

use harmonix_ipc::{Event, JobId};
use tokio::sync::mpsc;

use crate::caller::Caller;

/// Deltas that a watcher may be behind before it is dropped.
const BEHIND: usize = 1024;

struct Watcher {
    caller: Caller,
    job: Option<JobId>,
    events: mpsc::Sender<Event>,
}

/// All watchers.
#[derive(Default)]
pub(super) struct Watchers(Vec<Watcher>);

impl Watchers {
    /// Adds one, who hears `snapshot` first. The channel closes when it reads too slowly.
    pub(super) fn add(
        &mut self,
        caller: Caller,
        job: Option<JobId>,
        snapshot: Event,
    ) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(BEHIND);
        let _ = events.try_send(snapshot);
        self.0.push(Watcher { caller, job, events });
        receiver
    }

    /// Tells everybody who may see jobs of `owner`.
    pub(super) fn send(&mut self, owner: u32, event: &Event) {
        let id = match event {
            Event::Job { job } => Some(&job.id),
            Event::Progress { id, .. } | Event::Removed { id } => Some(id),
            Event::Snapshot { .. } | Event::Lagged {} => None,
        };
        let wants = |watcher: &Watcher| {
            watcher.caller.sees(owner) && watcher.job.as_ref().is_none_or(|job| id.is_none_or(|id| id == job))
        };
        self.0.retain(|watcher| {
            !wants(watcher) && !watcher.events.is_closed() || watcher.events.try_send(event.clone()).is_ok()
        });
    }
}
