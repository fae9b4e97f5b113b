//! Ending jobs on request: first the stage, then the record, then the files. A crash between the last two leaves a folder
//! that the next start removes, never a job without its files.

use std::collections::HashMap;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use harmonix_ipc::{Deed, Error, ErrorKind, Event, JobId, JobState, Result};
use tokio::sync::oneshot;

use super::{JobsActor, ended_already, not_found};
use crate::{
    actors::{compute, library::Tell},
    job::Record,
    library::News,
    store::Write,
};

/// What is left of a job in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its record.
    Cancel,
    /// Nothing.
    Delete,
    /// Nothing: its time is over.
    Expire,
}

impl End {
    fn removes(self) -> bool {
        self != Self::Cancel
    }

    fn deed(self) -> Deed {
        match self {
            Self::Cancel => Deed::Cancelled,
            Self::Delete => Deed::Deleted,
            Self::Expire => Deed::Expired,
        }
    }
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
        if end.removes() {
            entry.0 = end;
        }
        match self.handles.get(id) {
            Some(running) => running.cancel(),
            // a stage whose end is being committed comes back to us by itself
            None if self.steps.contains_key(id) => {}
            None if first => self.close(id, ctx),
            None => {}
        }
        done
    }

    /// The stage has ended: notes the end, and removes the files.
    pub(super) fn close(&mut self, id: &JobId, ctx: &mut Context<Self>) {
        let Some((end, _)) = self.ends.0.get(id) else { return };
        let end = *end;
        let Some(record) = self.places.get(id).and_then(|place| self.records.get_mut(place)) else {
            return self.answer(id, &Err(not_found(id)));
        };
        let state = record.job.state;
        if end == End::Cancel && state.is_final() {
            // it ended by itself while the request was on its way
            return self.answer(id, &Err(ended_already(id, state)));
        }
        if !state.is_final() {
            // from here on nothing starts for this job
            record.finish(JobState::Cancelled, None);
        }
        let write = match end {
            End::Cancel => Write::Put(record.key(), record.to_bytes()),
            End::Delete | End::Expire => Write::Delete(record.key()),
        };
        let record = record.clone();
        let told = record.clone();
        let (library, folder) = (self.parts.library.clone(), self.parts.folders.job(id));
        let closing = async move {
            let commit = || async {
                let news = News::of(end.deed(), &told);
                library.call(Tell(vec![write.clone()], news)).await.and_then(|committed| committed)
            };
            let committed = commit().await;
            compute(move || {
                folder
                    .remove()
                    .map_err(|error| Error::io(ErrorKind::Internal, "cannot remove the job's files", &error))
            })
            .await?;
            // without the files there may be space for what did not fit before
            if committed.is_err() { commit().await } else { committed }
        };
        ctx.spawn(
            closing.into_actor(self).map(move |closed, actor, ctx| actor.closed(record, end, &closed, ctx)),
        );
    }

    fn closed(&mut self, record: Record, end: End, closed: &Result<()>, ctx: &mut Context<Self>) {
        let id = record.job.id.clone();
        // a deletion that was asked for meanwhile has still to be done
        let more = !end.removes() && self.ends.0.get(&id).is_some_and(|(end, _)| end.removes());
        if closed.is_ok() {
            tracing::info!(job = %id, ?end, "job ended on request");
            match end {
                End::Cancel => self.put(record),
                End::Delete | End::Expire => {
                    self.take(&record);
                    let _ = self.parts.ended.send(id.clone());
                    self.watchers.send(record.job.owner, &Event::Removed { id: id.clone() });
                }
            }
        }
        if more && closed.is_ok() {
            self.close(&id, ctx);
        } else {
            self.answer(&id, closed);
        }
        self.schedule(ctx);
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
