//! Stages: begun, reported on, ended.

use actix::{ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use harmonix_engine::Monitor;
use harmonix_ipc::{Error, ErrorKind, Event, FileState, JobId, JobState, Result};

use super::{JobsActor, Parts};
use crate::{
    actors::{Running, compute, export::Export, ingest::Ingest, library::Commit, separator::Separate},
    folders::JobFolder,
    job::{Outcome, Record, Step, apply, now},
    store::Write,
};

/// A job went on: its progress as a fraction of the whole.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Progress(JobId, f64);

impl Handler<Progress> for JobsActor {
    type Result = ();

    fn handle(&mut self, Progress(id, progress): Progress, _: &mut Self::Context) {
        let Some(record) = self.places.get(&id).and_then(|place| self.records.get_mut(place)) else { return };
        if self.steps.contains_key(&id) && progress > record.job.progress {
            record.advance(progress);
            let owner = record.job.owner;
            self.watchers.send(owner, &Event::Progress { id, progress });
        }
    }
}

impl JobsActor {
    /// Starts a stage of a job.
    pub(super) fn begin(&mut self, id: &JobId, step: Step, ctx: &mut Context<Self>) {
        crate::fault::strike("jobs_actor");
        let Some(mut record) = self.record(id).cloned() else { return };
        record.job.state = step.state();
        record.job.started_at = record.job.started_at.or_else(|| Some(now()));
        let running = self.parts.stages.begin(id.clone(), report(ctx.address(), step));
        self.steps.insert(id.clone(), step);
        self.handles.insert(id.clone(), running.clone());
        tracing::info!(job = %id, stage = ?step, "stage begun");

        let write = Write::Put(record.key(), record.to_bytes());
        self.put(record.clone());
        let (parts, folder) = (self.parts.clone(), self.parts.folders.job(id));
        let stage = async move {
            // that it has begun is on disk first, so that a crash inside it is known afterwards
            if let Err(error) = parts.library.call(Commit(vec![write])).await.and_then(|done| done) {
                return Outcome::Failed(error);
            }
            let outcome =
                run(&parts, step, record, folder, running.clone()).await.unwrap_or_else(Outcome::Failed);
            match outcome {
                Outcome::Failed(error) if error.kind == ErrorKind::Cancelled && running.cancelled() => {
                    Outcome::Interrupted
                }
                other => other,
            }
        };
        let id = id.clone();
        ctx.spawn(stage.into_actor(self).map(move |outcome, actor, ctx| actor.ended(&id, outcome, ctx)));
    }

    /// A stage has ended: commits what it made of the job, then goes on.
    fn ended(&mut self, id: &JobId, outcome: Outcome, ctx: &mut Context<Self>) {
        self.handles.remove(id);
        if self.ends.contains(id) {
            self.steps.remove(id);
            return self.close(id, ctx);
        }
        let Some(mut record) = self.record(id).cloned() else {
            self.steps.remove(id);
            return;
        };
        apply(&mut record, outcome);
        if let Some(error) = &record.job.error {
            tracing::warn!(job = %id, error.kind = %error.kind, "job failed");
        }
        let write = Write::Put(record.key(), record.to_bytes());
        let id = id.clone();
        self.commit(vec![write], ctx, move |actor, committed, ctx| {
            let durable = committed.is_ok();
            if let Err(error) = committed {
                // not durable, so not true: the job fails instead
                tracing::error!(job = %id, error = %error, "the end of a stage cannot be stored");
                record.finish(JobState::Failed, Some(error));
            }
            actor.taken(record, durable, ctx);
        });
    }

    /// The end of a stage is known. What is left of its work is removed before anybody is told.
    fn taken(&mut self, record: Record, durable: bool, ctx: &mut Context<Self>) {
        let (id, state) = (record.job.id.clone(), record.job.state);
        let folder = self.parts.folders.job(&id);
        let (library, write) = (self.parts.library.clone(), Write::Put(record.key(), record.to_bytes()));
        let clean = async move {
            match state {
                JobState::Completed => {
                    compute(move || folder.keep_outputs().map_err(|error| leftover(&error))).await
                }
                JobState::Failed => {
                    compute(move || folder.remove().map_err(|error| leftover(&error))).await?;
                    if durable {
                        return Ok(());
                    }
                    // without the files there may be space for what did not fit before
                    library.call(Commit(vec![write])).await?
                }
                _ => Ok(()),
            }
        };
        ctx.spawn(clean.into_actor(self).map(move |cleaned, actor, ctx| {
            if let Err(error) = cleaned {
                tracing::warn!(job = %id, error = %error, causes = ?error.causes, "leftovers");
            }
            tracing::info!(job = %id, %state, "stage ended");
            actor.steps.remove(&id);
            actor.put(record);
            if actor.ends.contains(&id) {
                actor.close(&id, ctx);
            }
            actor.schedule(ctx);
        }));
    }
}

fn leftover(error: &std::io::Error) -> Error {
    Error::io(ErrorKind::Internal, "cannot remove the work files", error)
}

/// Tells the queue about the progress of a stage, as a part of the job's.
fn report(queue: Addr<JobsActor>, step: Step) -> impl Fn(&JobId, f64) + Send + Sync {
    let (from, to) = step.span();
    move |job, done| queue.do_send(Progress(job.clone(), from + (to - from) * done.clamp(0.0, 1.0)))
}

/// Runs a stage to its end.
async fn run(
    parts: &Parts,
    step: Step,
    record: Record,
    folder: JobFolder,
    running: Running,
) -> Result<Outcome> {
    let missing = || Error::new(ErrorKind::Internal, "a stage began without the one before it");
    let resolved = record.resolved()?;
    let Record { job, ingested, separated, .. } = record;
    let (name, options) = (job.name, job.options);
    match step {
        Step::Ingest => {
            let (preview, normalize) = (options.preview, options.normalize);
            let ingested = parts.ingest.run(Ingest { running, folder, name, preview, normalize }).await??;
            Ok(Outcome::Ingested(Box::new(ingested)))
        }
        Step::Separate => {
            let ingested = ingested.ok_or_else(missing)?;
            let id = resolved.model.clone();
            let separate = Separate {
                running,
                folder,
                model: parts.models.weights(&id)?,
                device: options.device.to_string(),
                precision: resolved.precision,
                sources: if resolved.is_partial() { resolved.computed } else { Vec::new() },
                layout: resolved.layout,
                stats: ingested.stats,
                input: ingested.pcm_hash,
            };
            Ok(match parts.separator.run(separate).await? {
                Outcome::Failed(error) => Outcome::Failed(examine(parts, &id, error).await),
                outcome => outcome,
            })
        }
        Step::Export => {
            let (ingested, separated) = (ingested.ok_or_else(missing)?, separated.ok_or_else(missing)?);
            let exported = parts
                .export
                .run(Export { running, folder, name, options, resolved, ingested, separated })
                .await??;
            Ok(Outcome::Exported(Box::new(exported)))
        }
    }
}

/// A worker that cannot use a model has the model's files looked at: what is damaged is set aside, so that the next pull
/// brings it anew.
async fn examine(parts: &Parts, model: &str, error: Error) -> Error {
    if !matches!(error.kind, ErrorKind::ModelCorrupt | ErrorKind::ModelMissing) {
        return error;
    }
    // somebody who changes the model already knows better
    let Ok(hold) = parts.models.hold(model, "verified") else { return error };
    match compute(move || hold.verify()).await {
        Ok(files) if files.iter().any(|file| file.state != FileState::Present) => {
            let error = Error { kind: ErrorKind::ModelCorrupt, ..error };
            error.hint(format!("`harmonixctl models pull {model}` brings its files anew"))
        }
        Ok(_) if error.kind == ErrorKind::ModelCorrupt => error.hint(format!(
            "its files are those that came: `harmonixctl models remove {model}`, then pull or import others"
        )),
        Ok(_) => error,
        Err(unread) => error.cause(unread),
    }
}
