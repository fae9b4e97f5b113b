//! `JobsActor`: every job's state. It plans, starts stages, commits what they did, and tells the watchers.
//!
//! What a client is told is durable: a change is committed first, then taken over and sent out. On start it reads
//! all jobs from the store, so starting and being rebuilt after a panic are the same thing.

mod ends;
mod holds;
mod messages;
mod stages;
mod watchers;

use std::collections::{BTreeMap, HashMap};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use harmonix_ipc::{Error, ErrorKind, Event, JobId, JobState, Result};
use tokio::sync::broadcast;

pub use holds::{HoldQueue, IsHeld, PauseJob, PrioritiseJob, ResumeJob};
pub use messages::*;

use self::{ends::Ends, holds::Holds, watchers::Watchers};
use super::{
    Running, Slot, Stages,
    analyzer::AnalyzerActor,
    export::ExportActor,
    ingest::IngestActor,
    library::{Commit, LibraryActor, Scan},
    separator::GpuSeparatorActor,
};
use crate::{
    cache::Cache,
    folders::{Folders, Kept},
    job::{Capacity, Record, Step, Turns, preempted, resume, schedule},
    models::ModelStore,
    store::Write,
};

/// What the queue works with. It outlives the actor.
#[derive(Clone)]
pub struct Parts {
    /// The store.
    pub library: Slot<LibraryActor>,
    /// Decodes.
    pub ingest: Slot<IngestActor>,
    /// Analyses.
    pub analyzer: Slot<AnalyzerActor>,
    /// Separates.
    pub separator: Slot<GpuSeparatorActor>,
    /// Encodes.
    pub export: Slot<ExportActor>,
    /// What can be loaded.
    pub models: ModelStore,
    /// Stems that are kept.
    pub cache: Cache,
    /// Where jobs lie.
    pub folders: Folders,
    /// Stages that run.
    pub stages: Stages,
    /// How many jobs may be in a stage.
    pub capacity: Capacity,
    /// Most jobs that are not in a final state.
    pub active: usize,
    /// Inputs stay until their jobs are deleted.
    pub keep_sources: bool,
    /// Hears the id of each job that comes to its end.
    pub ended: broadcast::Sender<JobId>,
}

impl Parts {
    /// What stays of a job that ended so.
    fn kept(&self, state: JobState) -> Kept {
        Kept {
            outputs: state == JobState::Completed,
            source: self.keep_sources && state != JobState::Cancelled,
        }
    }
}

/// The actor.
pub struct JobsActor {
    parts: Parts,
    /// By place in the order of submission.
    records: BTreeMap<u64, Record>,
    places: HashMap<JobId, u64>,
    /// The next place.
    next: u64,
    /// Uploads that have a place in the queue already.
    reserved: usize,
    /// The stage of each job that is in one, until its end is committed.
    steps: BTreeMap<JobId, Step>,
    turns: Turns,
    handles: HashMap<JobId, Running>,
    ends: Ends,
    holds: Holds,
    /// Nothing begins.
    held: bool,
    watchers: Watchers,
    stopping: bool,
}

impl JobsActor {
    /// A queue over these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            records: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
            reserved: 0,
            steps: BTreeMap::new(),
            turns: Turns::default(),
            handles: HashMap::new(),
            ends: Ends::default(),
            holds: Holds::default(),
            held: false,
            watchers: Watchers::default(),
            stopping: false,
        }
    }

    fn record(&self, id: &JobId) -> Option<&Record> {
        self.records.get(self.places.get(id)?)
    }

    fn active(&self) -> usize {
        self.reserved + self.records.values().filter(|record| !record.job.state.is_final()).count()
    }

    /// Takes a committed record over and tells the watchers.
    fn put(&mut self, record: Record) {
        self.watchers.send(record.job.owner, &Event::Job { job: Box::new(record.job.clone()) });
        if record.job.state.is_final() {
            // nobody need listen
            let _ = self.parts.ended.send(record.job.id.clone());
        }
        self.places.insert(record.job.id.clone(), record.seq);
        self.next = self.next.max(record.seq + 1);
        self.records.insert(record.seq, record);
    }

    /// Commits writes, then goes on with `then`.
    fn commit(
        &self,
        writes: Vec<Write>,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Result<()>, &mut Context<Self>) + 'static,
    ) {
        let library = self.parts.library.clone();
        let done = async move { library.call(Commit(writes)).await? };
        ctx.spawn(done.into_actor(self).map(|result, actor, ctx| then(actor, result, ctx)));
    }

    /// Starts every stage that has room.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if self.stopping || self.held {
            return;
        }
        for (id, step) in schedule(self.records.values(), &self.steps, &self.turns, self.parts.capacity) {
            self.begin(&id, step, ctx);
        }
        // its stage ends at the last checkpoint, and the next call of this finds the device free
        let preempted = preempted(self.records.values(), &self.steps, &self.turns);
        if let Some(running) = preempted.and_then(|id| self.handles.get(&id)) {
            running.cancel();
        }
    }

    /// Takes over what the store holds and what lies on disk.
    fn load(&mut self, stored: Vec<(String, Vec<u8>)>, ctx: &mut Context<Self>) {
        let mut writes = Vec::new();
        for (key, bytes) in stored {
            let mut record = match Record::from_bytes(&bytes) {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!(key, error = %error, causes = ?error.causes, "stored job skipped");
                    continue;
                }
            };
            let before = record.clone();
            resume(&mut record);
            if record != before {
                tracing::info!(job = %record.job.id, state = %record.job.state, "job taken up again");
                writes.push(Write::Put(record.key(), record.to_bytes()));
            }
            self.put(record);
        }
        self.sweep();
        self.commit(writes, ctx, |actor, result, ctx| {
            if let Err(error) = result {
                tracing::error!(error = %error, "jobs that were taken up again are not noted");
            }
            actor.schedule(ctx);
        });
    }

    /// Removes what a crash left: uploads that were never accepted, work of jobs that have ended.
    fn sweep(&self) {
        let Ok(ids) = self.parts.folders.ids() else { return };
        for id in ids {
            let folder = self.parts.folders.job(&id);
            let removed = match self.record(&id).map(|record| record.job.state) {
                None => folder.remove(),
                Some(state) if state.is_final() => folder.reduce(self.parts.kept(state)),
                Some(_) => Ok(()),
            };
            if let Err(error) = removed {
                tracing::warn!(job = %id, %error, "leftovers cannot be removed");
            }
        }
    }
}

impl Actor for JobsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        let (library, stages) = (self.parts.library.clone(), self.parts.stages.clone());
        let loading = async move {
            stages.end_all().await;
            let held = !library.call(Scan(holds::HELD)).await??.is_empty();
            library.call(Scan(Record::PREFIX)).await?.map(|jobs| (jobs, held))
        };
        // messages wait until the jobs are there
        ctx.wait(loading.into_actor(self).map(|stored, actor, ctx| match stored {
            Ok((stored, held)) => {
                actor.held = held;
                actor.load(stored, ctx);
            }
            Err(error) => {
                tracing::error!(error = %error, "jobs cannot be read");
                ctx.stop();
            }
        }));
    }
}

fn ended_already(id: &JobId, state: JobState) -> Error {
    Error::new(ErrorKind::Conflict, format!("job {id} is {state} already")).hint("`delete` removes it")
}

fn not_found(id: &JobId) -> Error {
    let shown: String = id.0.chars().filter(char::is_ascii_graphic).take(40).collect();
    Error::new(ErrorKind::NotFound, format!("no job {shown}")).hint("`harmonixctl jobs` lists them")
}
