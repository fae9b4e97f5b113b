//! What the clients were told, and what therefore has to be so.

use std::collections::BTreeMap;

use harmonix_ipc::{JobId, JobState};

/// How far a request has got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    /// Not made.
    #[default]
    No,
    /// Made; the answer never came, or said no.
    Sent,
    /// Answered: done.
    Done,
}

/// What is known of a job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// Which song and settings.
    pub(crate) case: usize,
    /// It was asked to be cancelled.
    pub(crate) cancel: Asked,
    /// It was asked to be deleted.
    pub(crate) delete: Asked,
    /// The final state that somebody was told.
    pub(crate) ended: Option<JobState>,
    /// Its outputs were compared with those of an undisturbed run.
    pub(crate) verified: bool,
    /// It is in the figures as ended.
    pub(crate) counted: bool,
    /// Daemons that had been killed when it was submitted.
    pub(crate) daemon_deaths: usize,
    /// Workers that had been killed when it was submitted.
    pub(crate) worker_deaths: usize,
    /// Times that it was seen to be taken up again.
    pub(crate) resumed: usize,
    /// Times that it was seen to be tried again.
    pub(crate) retried: usize,
}

/// Every job that has to be known to the daemon, or gone.
pub(crate) type Ledger = BTreeMap<JobId, Entry>;

/// Notes a final state. True if another one was told before.
pub(crate) fn contradicts(entry: &mut Entry, state: JobState) -> bool {
    state.is_final() && entry.ended.replace(state).is_some_and(|before| before != state)
}
