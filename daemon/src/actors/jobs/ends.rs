//! Ending jobs on request: first the stage, then the files, then the record.

use std::collections::HashMap;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use harmonix_ipc::{Error, ErrorKind, Event, JobId, JobState, Result};
use tokio::sync::oneshot;

use super::{JobsActor, not_found};
use crate::{actors::compute, store::Write};

/// What is left of a job in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its record.
    Cancel,
    /// Nothing.
    Delete,
}

/// Jobs that are being ended, and who waits for it.
#[derive(Default)]
pub(super) struct Ends(HashMap<JobId, (End, Waiting)>);

type Waiting = Vec<oneshot::Sender<Result<()>>>;

impl Ends {
    pub(super) fn contains(&self, id: &JobId) -> bool {
        self.0.contains_key(id)
    }
}

impl JobsActor {
    /// Ends a job. What comes back resolves when it is done.
    pub(super) fn end(
        &mut self,
        id: &JobId,
        end: End,
        ctx: &mut Context<Self>,
    ) -> oneshot::Receiver<Result<()>> {
        let (sender, done) = oneshot::channel();
        let first = !self.ends.contains(id);
        let entry = self.ends.0.entry(id.clone()).or_insert((end, Vec::new()));
        entry.1.push(sender);
        if end == End::Delete {
            entry.0 = end;
        }
        match self.handles.get(id) {
            Some(running) => running.cancel(),
            // a stage whose end is being committed comes back to us by itself
            None if self.steps.contains_key(id) => {}
            None if first => self.remove_files(id, ctx),
            None => {}
        }
        done
    }

    /// The stage has ended: removes the files.
    pub(super) fn remove_files(&mut self, id: &JobId, ctx: &mut Context<Self>) {
        // from here on nothing starts for this job
        if let Some(record) = self.places.get(id).and_then(|place| self.records.get_mut(place))
            && !record.job.state.is_final()
        {
            record.finish(JobState::Cancelled, None);
        }
        let folder = self.parts.folders.job(id);
        let id = id.clone();
        let removed = compute(move || {
            folder
                .remove()
                .map_err(|error| Error::io(ErrorKind::Internal, "cannot remove the job's files", &error))
        });
        ctx.spawn(
            removed.into_actor(self).map(move |removed, actor, ctx| actor.commit_end(&id, removed, ctx)),
        );
    }

    fn commit_end(&mut self, id: &JobId, removed: Result<()>, ctx: &mut Context<Self>) {
        let (Some(record), Some((end, _))) = (self.record(id).cloned(), self.ends.0.get(id)) else {
            return self.answer(id, &Err(not_found(id)));
        };
        let write = match end {
            End::Cancel => Write::Put(record.key(), record.to_bytes()),
            End::Delete => Write::Delete(record.key()),
        };
        let (id, end) = (id.clone(), *end);
        self.commit(vec![write], ctx, move |actor, committed, ctx| {
            if committed.is_ok() {
                tracing::info!(job = %id, ?end, "job ended on request");
                match end {
                    End::Cancel => actor.put(record),
                    End::Delete => {
                        actor.records.remove(&record.seq);
                        actor.places.remove(&id);
                        actor.watchers.send(record.job.owner, &Event::Removed { id: id.clone() });
                    }
                }
            }
            actor.answer(&id, &committed.and(removed));
            actor.schedule(ctx);
        });
    }

    fn answer(&mut self, id: &JobId, result: &Result<()>) {
        let ended = Error::new(ErrorKind::Conflict, format!("job {id} has ended meanwhile"));
        for waiting in self.holds.remove(id).unwrap_or_default() {
            let _ = waiting.send(Err(ended.clone()));
        }
        for waiting in self.ends.0.remove(id).map(|(_, waiting)| waiting).unwrap_or_default() {
            let _ = waiting.send(result.clone());
        }
    }
}
