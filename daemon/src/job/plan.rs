//! What a job does next, and which jobs may do it now.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use harmonix_ipc::{Analyze, JobId, JobState, Priority};

use super::Record;

/// A stage that a job can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Decode and measure the input.
    Ingest,
    /// Estimate tempo, key and the rest.
    Analyze,
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
            Self::Analyze => JobState::Analyzing,
            Self::Separate => JobState::Separating,
            Self::Export => JobState::Exporting,
        }
    }

    /// The part of a job's progress that this stage is.
    pub fn span(self) -> (f64, f64) {
        match self {
            Self::Ingest => (0.0, 0.1),
            Self::Analyze => (0.1, 0.15),
            Self::Separate => (0.15, 0.9),
            Self::Export => (0.9, 1.0),
        }
    }
}

/// The next stage of a job; none once it is in a final state or held.
pub fn next_step(record: &Record) -> Option<Step> {
    match (record.job.state, &record.ingested, &record.separated) {
        (JobState::Completed | JobState::Failed | JobState::Cancelled | JobState::Paused, _, _) => None,
        (_, None, _) => Some(Step::Ingest),
        (_, Some(_), None) if record.wants_analysis() => Some(Step::Analyze),
        (_, Some(_), None) => Some(Step::Separate),
        (_, Some(_), Some(_)) => Some(Step::Export),
    }
}

/// How many jobs may be in a stage at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Inputs decoded at once, and as many analysed.
    pub ingest: usize,
    /// Jobs that may be decoded without being separated yet: their spools lie on disk.
    pub ahead: usize,
    /// Jobs on the device.
    pub device: usize,
    /// Jobs exported at once.
    pub export: usize,
}

/// Who had the device last, so that users take turns. It is not stored: after a start everybody is equal.
#[derive(Debug, Default)]
pub struct Turns {
    /// When each user's job last entered the device, counted in such entries.
    served: HashMap<u32, u64>,
}

impl Turns {
    /// A job of this user enters the device.
    pub fn served(&mut self, owner: u32) {
        let now = self.served.values().max().map_or(1, |last| last + 1);
        self.served.insert(owner, now);
    }

    /// Jobs that still have a stage before them, first come first: by priority; then each user's first, second, … job;
    /// among those the user who waits for longest, then the order of submission.
    fn order<'a>(&self, records: impl Iterator<Item = &'a Record>) -> Vec<(&'a Record, Step)> {
        let mut turns: BTreeMap<(u32, Priority), usize> = BTreeMap::new();
        let mut waiting: Vec<_> = records
            .filter_map(|record| {
                let step = next_step(record)?;
                let (owner, priority) = (record.job.owner, record.job.options.priority);
                let turn = turns.entry((owner, priority)).or_default();
                *turn += 1;
                let served = self.served.get(&owner).copied().unwrap_or_default();
                Some(((Reverse(priority), *turn, served, record.seq), record, step))
            })
            .collect();
        waiting.sort_by_key(|(place, ..)| *place);
        waiting.into_iter().map(|(_, record, step)| (record, step)).collect()
    }
}

/// Which jobs enter which stage now.
///
/// `records` are all jobs in order of submission, `running` the stages that run now.
pub fn schedule<'a>(
    records: impl Iterator<Item = &'a Record>,
    running: &BTreeMap<JobId, Step>,
    turns: &Turns,
    capacity: Capacity,
) -> Vec<(JobId, Step)> {
    let room = |step: Step, capacity: usize| {
        (step, capacity.saturating_sub(running.values().filter(|running| **running == step).count()))
    };
    let mut free = BTreeMap::from([
        room(Step::Ingest, capacity.ingest),
        room(Step::Analyze, capacity.ingest),
        room(Step::Separate, capacity.device),
        room(Step::Export, capacity.export),
    ]);
    let mut starts = Vec::new();
    // jobs before this one that are decoded and wait for the device
    let mut ahead = 0;
    // the device keeps the order: a job that is decoded sooner does not overtake
    let mut decoding = false;
    for (record, step) in turns.order(records) {
        let runs = running.contains_key(&record.job.id);
        let only = record.job.options.analysis == Analyze::Only;
        decoding |= !only && matches!(step, Step::Ingest | Step::Analyze);
        ahead += usize::from(step == Step::Separate && !runs);
        let held = (step == Step::Separate && decoding) || (step == Step::Ingest && ahead >= capacity.ahead);
        if runs || held {
            continue;
        }
        if let Some(free) = free.get_mut(&step).filter(|free| **free > 0) {
            *free -= 1;
            starts.push((record.job.id.clone(), step));
        }
    }
    starts
}

/// The job that has to leave the device to one of higher priority that is decoded.
pub fn preempted<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
    running: &BTreeMap<JobId, Step>,
    turns: &Turns,
) -> Option<JobId> {
    let on_device = |record: &&Record| running.get(&record.job.id) == Some(&Step::Separate);
    let holder = records.clone().find(on_device)?;
    let (first, _) = turns
        .order(records)
        .into_iter()
        .find(|(record, step)| *step == Step::Separate && !running.contains_key(&record.job.id))?;
    (first.job.options.priority > holder.job.options.priority).then(|| holder.job.id.clone())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
