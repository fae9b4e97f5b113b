//! What a job does next, and which jobs may do it now.

use std::collections::BTreeMap;

use harmonix_ipc::{JobId, JobState};

use super::Record;

/// A stage that a job can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Decode and measure the input.
    Ingest,
    /// Compute the stems; holds the device.
    Separate,
    /// Encode and verify the outputs.
    Export,
}

impl Step {
    /// The state of a job in this stage.
    pub fn state(self) -> JobState {
        match self {
            Self::Ingest => JobState::Ingesting,
            Self::Separate => JobState::Separating,
            Self::Export => JobState::Exporting,
        }
    }

    /// The part of a job's progress that this stage is.
    pub fn span(self) -> (f64, f64) {
        match self {
            Self::Ingest => (0.0, 0.1),
            Self::Separate => (0.1, 0.9),
            Self::Export => (0.9, 1.0),
        }
    }
}

/// The next stage of a job; none once it is in a final state or held.
pub fn next_step(record: &Record) -> Option<Step> {
    match (record.job.state, &record.ingested, &record.separated) {
        (JobState::Completed | JobState::Failed | JobState::Cancelled | JobState::Paused, _, _) => None,
        (_, None, _) => Some(Step::Ingest),
        (_, Some(_), None) => Some(Step::Separate),
        (_, Some(_), Some(_)) => Some(Step::Export),
    }
}

/// How many jobs may be in a stage at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Inputs decoded at once.
    pub ingest: usize,
    /// Jobs that may be decoded without being separated yet: their spools lie on disk.
    pub ahead: usize,
    /// Jobs on the device.
    pub device: usize,
    /// Jobs exported at once.
    pub export: usize,
}

/// Which jobs enter which stage now, in order of submission.
///
/// `records` are all jobs in order of submission, `running` the stages that run now.
pub fn schedule<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
    running: &BTreeMap<JobId, Step>,
    capacity: Capacity,
) -> Vec<(JobId, Step)> {
    let busy = |step: Step| running.values().filter(|running| **running == step).count();
    let waiting = records
        .clone()
        .filter(|record| next_step(record) == Some(Step::Separate) && !running.contains_key(&record.job.id))
        .count();
    let mut free = BTreeMap::from([
        (
            Step::Ingest,
            capacity.ingest.min(capacity.ahead.saturating_sub(waiting)).saturating_sub(busy(Step::Ingest)),
        ),
        (Step::Separate, capacity.device.saturating_sub(busy(Step::Separate))),
        (Step::Export, capacity.export.saturating_sub(busy(Step::Export))),
    ]);
    let mut starts = Vec::new();
    // the device keeps the order of submission: a job that is decoded sooner does not overtake
    let mut decoding = false;
    for record in records {
        let Some(step) = next_step(record) else { continue };
        decoding |= step == Step::Ingest;
        if running.contains_key(&record.job.id) || (step == Step::Separate && decoding) {
            continue;
        }
        if let Some(free) = free.get_mut(&step).filter(|free| **free > 0) {
            *free -= 1;
            starts.push((record.job.id.clone(), step));
        }
    }
    starts
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
