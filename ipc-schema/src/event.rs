//! What `watch` streams: the whole state first, then deltas.

use serde::{Deserialize, Serialize};

use crate::{Job, JobId};

/// One line of a `watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Always first: every job that the watcher may see.
    Snapshot {
        /// In order of submission.
        jobs: Vec<Job>,
    },
    /// A job is new, or something about it other than its progress changed.
    Job {
        /// As it is now.
        job: Box<Job>,
    },
    /// A job went on; at most ten a second for each job.
    Progress {
        /// Which.
        id: JobId,
        /// Work done, `0.0..=1.0`.
        progress: f64,
        /// See [`Job::remaining`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remaining: Option<f64>,
    },
    /// A job was deleted.
    Removed {
        /// Which.
        id: JobId,
    },
    /// The watcher read too slowly and missed deltas; the stream ends here. Watch again.
    Lagged {},
}

/// The jobs as a watcher knows them: the fold of [`Event`]s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jobs {
    jobs: Vec<Job>,
}

impl Jobs {
    /// The jobs in order of submission.
    pub fn all(&self) -> &[Job] {
        &self.jobs
    }

    /// The job of that id.
    pub fn get(&self, id: &JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == *id)
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Snapshot { jobs } => self.jobs = jobs,
            Event::Job { job } => match self.jobs.iter_mut().find(|known| known.id == job.id) {
                Some(known) => *known = *job,
                None => self.jobs.push(*job),
            },
            Event::Progress { id, progress, remaining } => {
                if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
                    job.progress = progress;
                    job.remaining = remaining;
                }
            }
            Event::Removed { id } => self.jobs.retain(|job| job.id != id),
            Event::Lagged {} => {}
        }
    }
}
