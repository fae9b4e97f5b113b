//! What a campaign comes to.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// Counts by name.
pub(crate) type Counts = BTreeMap<String, usize>;

/// What a campaign comes to.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    /// What was done, e.g. `daemon`.
    pub(crate) blows: Counts,
    /// Stages that jobs were in when their daemon died, as the jobs say themselves.
    pub(crate) interrupted_while: Counts,
    /// Uploads that broke off.
    pub(crate) uploads_broken: usize,
    /// Jobs that a worker's death cost a retry.
    pub(crate) retried: usize,
    /// Jobs whose submission was answered.
    pub(crate) acknowledged: usize,
    /// Jobs that were accepted by a daemon that could not answer any more.
    pub(crate) accepted_unanswered: usize,
    pub(crate) completed: usize,
    pub(crate) cancelled: usize,
    /// For the documented reasons.
    pub(crate) failed: Counts,
    pub(crate) deleted: usize,
    /// Jobs whose files were compared with those of an undisturbed run.
    pub(crate) verified: usize,
    /// Files that clients fetched and compared.
    pub(crate) fetched: usize,
    pub(crate) restarts: usize,
    pub(crate) restart_ms_mean: f64,
    pub(crate) restart_ms_max: f64,
    /// Largest that the store's folder was.
    pub(crate) store_bytes_max: u64,
}

impl Figures {
    /// Counts a restart.
    pub(crate) fn restarted(&mut self, took: Duration) {
        let ms = took.as_secs_f64() * 1e3;
        self.restart_ms_mean =
            (self.restart_ms_mean * self.restarts as f64 + ms) / (self.restarts + 1) as f64;
        self.restart_ms_max = self.restart_ms_max.max(ms);
        self.restarts += 1;
    }
}

/// Counts one under a name.
pub(crate) fn count(counts: &mut Counts, name: impl Into<String>) {
    *counts.entry(name.into()).or_default() += 1;
}
