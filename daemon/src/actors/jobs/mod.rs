//! `JobsActor`: every job's state. It plans, starts stages, commits what they did, and tells the watchers.
//!
//! What a client is told is durable: a change is committed first, then taken over and sent out. On start it reads
//! all jobs from the store, so starting and being rebuilt after a panic are the same thing.

mod ends;
mod figures;
mod holds;
mod messages;
mod retention;
mod stages;
mod watchers;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use harmonix_ipc::{Error, ErrorKind, Event, JobId, JobState, Result};
use tokio::sync::broadcast;

pub use figures::{Figures, Foresee, Report};
pub use holds::{HoldQueue, IsHeld, PauseJob, PrioritiseJob, RenameJob, ResumeJob};
pub use messages::*;

use self::{
    ends::Ends,
    holds::{Changes, Holds},
    watchers::Watchers,
};
use super::{
    Running, Slot, Stages,
    analyzer::AnalyzerActor,
    export::ExportActor,
    ingest::IngestActor,
    library::{Commit, LibraryActor, Reconcile, Reread, Scan, Tell},
    separator::GpuSeparatorActor,
};
use crate::{
    cache::Cache,
    config::Live,
    folders::{Folders, Kept},
    job::{Capacity, Record, Step, TIMINGS, Timings, Turns, preempted, resume, schedule},
    library::{Completed, News},
    models::ModelStore,
    store::Write,
    upkeep::{Backups, Incoming},
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
    /// The configuration in force.
    pub live: Live,
    /// Backups of the store.
    pub backups: Backups,
    /// What the next queue is to begin with.
    pub(crate) incoming: Incoming,
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
    /// Places of all jobs that have not ended, and of some that just have: what has ended costs no decision any time.
    open: BTreeSet<u64>,
    /// Places of the jobs that have completed, by their request.
    answers: BTreeSet<(u64, u64)>,
    /// The next place.
    next: u64,
    /// Uploads that have a place in the queue already, and whose they are.
    reserved: HashMap<JobId, u32>,
    /// The stage of each job that is in one, until its end is committed.
    steps: BTreeMap<JobId, Step>,
    /// When each of them began, and what was learned from those that have ended.
    began: HashMap<JobId, Instant>,
    timings: Timings,
    turns: Turns,
    handles: HashMap<JobId, Running>,
    ends: Ends,
    holds: Holds,
    /// Changes that came while the end of a stage was being committed.
    changes: Changes,
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
            open: BTreeSet::new(),
            answers: BTreeSet::new(),
            next: 0,
            reserved: HashMap::new(),
            steps: BTreeMap::new(),
            began: HashMap::new(),
            timings: Timings::default(),
            turns: Turns::default(),
            handles: HashMap::new(),
            ends: Ends::default(),
            holds: Holds::default(),
            changes: Changes::default(),
            held: false,
            watchers: Watchers::default(),
            stopping: false,
        }
    }

    fn record(&self, id: &JobId) -> Option<&Record> {
        self.records.get(self.places.get(id)?)
    }

    fn active(&self) -> usize {
        self.reserved.len() + self.unfinished().filter(|record| !record.job.state.is_final()).count()
    }

    /// Jobs that have not ended, and some that just have, in order of submission.
    fn unfinished(&self) -> impl Iterator<Item = &Record> + Clone {
        self.open.iter().filter_map(|place| self.records.get(place))
    }

    /// Takes a committed record over and tells the watchers.
    fn put(&mut self, record: Record) {
        self.watchers.send(record.job.owner, &Event::Job { job: Box::new(self.view(&record)) });
        if record.job.state.is_final() {
            // nobody need listen
            let _ = self.parts.ended.send(record.job.id.clone());
        }
        self.places.insert(record.job.id.clone(), record.seq);
        self.next = self.next.max(record.seq + 1);
        if record.job.state.is_final() {
            self.open.remove(&record.seq);
        } else {
            self.open.insert(record.seq);
        }
        if record.job.state == JobState::Completed {
            self.answers.extend(answer(&record));
        }
        self.records.insert(record.seq, record);
    }

    /// Forgets a job.
    fn take(&mut self, record: &Record) {
        self.records.remove(&record.seq);
        self.places.remove(&record.job.id);
        self.open.remove(&record.seq);
        if let Some(answer) = answer(record) {
            self.answers.remove(&answer);
        }
    }

    /// Commits writes and what the library makes of the news, then goes on with `then`.
    fn commit(
        &self,
        writes: Vec<Write>,
        news: Option<News>,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Result<()>, &mut Context<Self>) + 'static,
    ) {
        let library = self.parts.library.clone();
        let done = async move {
            match news {
                Some(news) => library.call(Tell(writes, news)).await?,
                None => library.call(Commit(writes)).await?,
            }
        };
        ctx.spawn(done.into_actor(self).map(|result, actor, ctx| then(actor, result, ctx)));
    }

    /// Starts every stage that has room.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if self.stopping || self.held {
            return;
        }
        for (id, step) in schedule(self.unfinished(), &self.steps, &self.turns, self.parts.capacity) {
            self.begin(&id, step, ctx);
        }
        // its stage ends at the last checkpoint, and the next call of this finds the device free
        let preempted = preempted(self.unfinished(), &self.steps, &self.turns);
        if let Some(running) = preempted.and_then(|id| self.handles.get(&id)) {
            running.cancel();
        }
    }

    /// Takes over what the store holds and what lies on disk.
    fn load(&mut self, stored: Vec<(String, Vec<u8>)>, ctx: &mut Context<Self>) {
        let (mut writes, mut unread) = (Vec::new(), 0);
        for (key, bytes) in stored {
            let mut record = match Record::from_bytes(&bytes) {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!(key, error = %error, causes = ?error.causes, "stored job skipped");
                    unread += 1;
                    // its place stays its own
                    let place = key.strip_prefix(Record::PREFIX).and_then(|place| place.parse::<u64>().ok());
                    self.next = self.next.max(place.map_or(0, |place| place + 1));
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
        self.sweep(unread == 0);
        self.reconcile(ctx);
        self.retain(ctx);
        self.commit(writes, None, ctx, |actor, result, ctx| {
            if let Err(error) = result {
                tracing::error!(error = %error, "jobs that were taken up again are not noted");
            }
            actor.schedule(ctx);
        });
    }

    /// Lets the library know which jobs there are.
    fn reconcile(&self, ctx: &mut Context<Self>) {
        let completed = self.records.values().filter_map(Completed::of).collect();
        let library = self.parts.library.clone();
        let done = async move { library.call(Reconcile(completed)).await? };
        ctx.spawn(done.into_actor(self).map(|done: Result<()>, _, _| {
            if let Err(error) = done {
                tracing::error!(error = %error, "the library does not know all jobs");
            }
        }));
    }

    /// Removes what a crash left: uploads that were never accepted, work of jobs that have ended. Folders of jobs that
    /// nobody knows may belong to those that could not be read, unless `all` were.
    fn sweep(&self, all: bool) {
        let Ok(ids) = self.parts.folders.ids() else { return };
        for id in ids {
            let folder = self.parts.folders.job(&id);
            let removed = match self.record(&id).map(|record| record.job.state) {
                None if !all => Ok(()),
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
        ctx.run_interval(retention::PERIOD, Self::retain);
        let Parts { library, stages, incoming, folders, .. } = self.parts.clone();
        let loading = async move {
            stages.end_all().await;
            incoming.settle(&library, &folders).await;
            library.call(Reread).await?;
            let held = !library.call(Scan(holds::HELD)).await??.is_empty();
            let timings = library.call(Scan(TIMINGS)).await??;
            library.call(Scan(Record::PREFIX)).await?.map(|jobs| (jobs, held, timings))
        };
        // messages wait until the jobs are there
        ctx.wait(loading.into_actor(self).map(|stored, actor, ctx| match stored {
            Ok((stored, held, timings)) => {
                actor.held = held;
                actor.timings = Timings::load(timings);
                actor.load(stored, ctx);
            }
            Err(error) => {
                tracing::error!(error = %error, "jobs cannot be read");
                ctx.stop();
            }
        }));
    }
}

/// The place of a job under a short form of its request; those of other requests may share it.
fn answer(record: &Record) -> Option<(u64, u64)> {
    let request = u64::from_str_radix(record.request.as_ref()?.get(..16)?, 16).ok()?;
    Some((request, record.seq))
}

fn ended_already(id: &JobId, state: JobState) -> Error {
    Error::new(ErrorKind::Conflict, format!("job {id} is {state} already")).hint("`delete` removes it")
}

fn not_found(id: &JobId) -> Error {
    let shown: String = id.0.chars().filter(char::is_ascii_graphic).take(40).collect();
    Error::new(ErrorKind::NotFound, format!("no job {shown}")).hint("`harmonixctl jobs` lists them")
}
