//! Holding jobs and the queue, and changing who goes first and what a job is called.

use std::collections::HashMap;

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseActFuture, WrapFuture};
use harmonix_ipc::{Deed, Error, ErrorKind, Job, JobId, JobState, Priority, Result};
use tokio::sync::oneshot;

use super::{JobsActor, messages::wait, not_found};
use crate::{
    caller::Caller,
    job::Record,
    library::{News, check_name},
    store::Write,
};

/// Key of the record that says that the queue is held.
pub(super) const HELD: &str = "queue/held";

/// Jobs that are to be held once their stage has ended, and who waits for it.
pub(super) type Holds = HashMap<JobId, Vec<oneshot::Sender<Result<()>>>>;

/// A change of a job that has to wait: what, what the log says of it, and who waits for it.
type Change = (Box<dyn FnOnce(&mut Record)>, Option<Deed>, oneshot::Sender<Result<()>>);

/// Changes of jobs whose stage has ended and whose new record is being committed.
pub(super) type Changes = HashMap<JobId, Vec<Change>>;

/// Holds a job; answers once it has stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct PauseJob(pub Caller, pub JobId);

/// Lets a held job go on.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct ResumeJob(pub Caller, pub JobId);

/// Changes a job's priority.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct PrioritiseJob(pub Caller, pub JobId, pub Priority);

/// Gives a job another name.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct RenameJob(pub Caller, pub JobId, pub String);

/// Holds the whole queue, or lets it go on.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct HoldQueue(pub bool);

/// Whether the queue is held.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct IsHeld;

type Answer<T> = ResponseActFuture<JobsActor, Result<T>>;

impl JobsActor {
    /// The job as it is, or why it cannot be changed any more.
    fn changeable(&self, caller: Caller, id: &JobId) -> Result<Record> {
        let record = self.seen(caller, id)?;
        match record.job.state {
            state if state.is_final() => {
                Err(Error::new(ErrorKind::Conflict, format!("job {id} is {state} already")))
            }
            _ => Ok(record.clone()),
        }
    }

    /// Changes a job at once, so that nothing that is under way undoes it; resolves when the change is durable, and only
    /// then anybody hears of it. While the end of its stage is being committed the change waits for that: the record that
    /// would be changed is not the job's any more.
    fn change(
        &mut self,
        id: &JobId,
        change: impl FnOnce(&mut Record) + 'static,
        deed: Option<Deed>,
        ctx: &mut Context<Self>,
    ) -> oneshot::Receiver<Result<()>> {
        let (sender, done) = oneshot::channel();
        let change: Change = (Box::new(change), deed, sender);
        if self.steps.contains_key(id) && !self.handles.contains_key(id) {
            self.changes.entry(id.clone()).or_default().push(change);
        } else {
            self.change_now(id, change, ctx);
        }
        done
    }

    /// Does what waited for the end of a job's stage.
    pub(super) fn change_waiting(&mut self, id: &JobId, ctx: &mut Context<Self>) {
        for change in self.changes.remove(id).unwrap_or_default() {
            self.change_now(id, change, ctx);
        }
    }

    fn change_now(&mut self, id: &JobId, (change, deed, sender): Change, ctx: &mut Context<Self>) {
        let Some(record) = self.places.get(id).and_then(|place| self.records.get_mut(place)) else {
            let _ = sender.send(Err(not_found(id)));
            return;
        };
        change(record);
        let write = Write::Put(record.key(), record.to_bytes());
        let news = deed.map(|deed| News::of(deed, record));
        let id = id.clone();
        self.commit(vec![write], news, ctx, move |actor, committed, ctx| {
            if let Some(record) = actor.record(&id).cloned() {
                actor.put(record);
            }
            let _ = sender.send(committed);
            actor.schedule(ctx);
        });
    }

    /// The stage of a job that is to be held has ended, or there is none: holds it.
    pub(super) fn hold(&mut self, id: &JobId, ctx: &mut Context<Self>) {
        let waiting = self.holds.remove(id).unwrap_or_default();
        if self.record(id).is_none_or(|record| record.job.state.is_final()) {
            let ended = Error::new(ErrorKind::Conflict, format!("job {id} has ended meanwhile"));
            waiting.into_iter().for_each(|sender| drop(sender.send(Err(ended.clone()))));
            return;
        }
        tracing::info!(job = %id, "job held");
        let done = self.change(id, |record| record.job.state = JobState::Paused, None, ctx);
        ctx.spawn(wait(done).into_actor(self).map(move |result, _, _| {
            waiting.into_iter().for_each(|sender| drop(sender.send(result.clone())));
        }));
    }

    /// The job, once a change of it is done.
    fn answer_with(&self, done: oneshot::Receiver<Result<()>>, caller: Caller, id: JobId) -> Answer<Job> {
        Box::pin(wait(done).into_actor(self).map(move |result, actor, _| {
            result?;
            Ok(actor.seen(caller, &id)?.job.clone())
        }))
    }
}

impl Handler<PauseJob> for JobsActor {
    type Result = Answer<Job>;

    fn handle(&mut self, PauseJob(caller, id): PauseJob, ctx: &mut Self::Context) -> Self::Result {
        let record = match self.changeable(caller, &id) {
            Ok(record) => record,
            Err(error) => return Box::pin(actix::fut::ready(Err(error))),
        };
        if record.job.state == JobState::Paused {
            return Box::pin(actix::fut::ready(Ok(record.job)));
        }
        let (sender, done) = oneshot::channel();
        self.holds.entry(id.clone()).or_default().push(sender);
        match self.handles.get(&id) {
            Some(running) => running.cancel(),
            // a stage whose end is being committed comes back to us by itself
            None if self.steps.contains_key(&id) => {}
            None => self.hold(&id, ctx),
        }
        self.answer_with(done, caller, id)
    }
}

impl Handler<ResumeJob> for JobsActor {
    type Result = Answer<Job>;

    fn handle(&mut self, ResumeJob(caller, id): ResumeJob, ctx: &mut Self::Context) -> Self::Result {
        let held = self.changeable(caller, &id).and_then(|record| match record.job.state {
            JobState::Paused => Ok(()),
            state => Err(Error::new(ErrorKind::Conflict, format!("job {id} is {state}, not paused"))),
        });
        match held {
            Ok(()) => {
                let done = self.change(&id, |record| record.job.state = JobState::Queued, None, ctx);
                self.answer_with(done, caller, id)
            }
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
        }
    }
}

impl Handler<PrioritiseJob> for JobsActor {
    type Result = Answer<Job>;

    fn handle(&mut self, message: PrioritiseJob, ctx: &mut Self::Context) -> Self::Result {
        let PrioritiseJob(caller, id, priority) = message;
        match self.changeable(caller, &id) {
            Ok(_) => {
                let done = self.change(&id, move |record| record.job.options.priority = priority, None, ctx);
                self.answer_with(done, caller, id)
            }
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
        }
    }
}

impl Handler<RenameJob> for JobsActor {
    type Result = Answer<Job>;

    fn handle(&mut self, RenameJob(caller, id, name): RenameJob, ctx: &mut Self::Context) -> Self::Result {
        match self.seen(caller, &id).map(drop).and_then(|()| check_name(&name)) {
            Ok(()) => {
                let change = move |record: &mut Record| record.job.name = name.trim().to_owned();
                let done = self.change(&id, change, Some(Deed::Renamed), ctx);
                self.answer_with(done, caller, id)
            }
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
        }
    }
}

impl Handler<HoldQueue> for JobsActor {
    type Result = Answer<()>;

    fn handle(&mut self, HoldQueue(held): HoldQueue, _: &mut Self::Context) -> Self::Result {
        let write = if held { Write::Put(HELD.into(), b"true".to_vec()) } else { Write::Delete(HELD.into()) };
        let library = self.parts.library.clone();
        let durable = async move { library.call(crate::actors::library::Commit(vec![write])).await? };
        Box::pin(durable.into_actor(self).map(move |result, actor, ctx| {
            result?;
            tracing::info!(held, "queue");
            actor.held = held;
            actor.schedule(ctx);
            Ok(())
        }))
    }
}

impl Handler<IsHeld> for JobsActor {
    type Result = bool;

    fn handle(&mut self, _: IsHeld, _: &mut Self::Context) -> bool {
        self.held
    }
}
