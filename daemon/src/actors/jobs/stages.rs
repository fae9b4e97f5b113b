//! Stages: begun, reported on, ended.

use std::{io, time::Instant};

use actix::{ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture};
use harmonix_engine::{Monitor, protocol::Note};
use harmonix_ipc::{Error, ErrorKind, Event, FileState, JobId, JobState, Result};

use super::{JobsActor, Parts, answer, figures::clock};
use crate::{
    actors::{
        Running, analyzer::Analyse, compute, export::Export, ingest::Ingest, library::Commit,
        separator::Separate,
    },
    audio::Ingested,
    folders::{ANALYSIS, JobFolder},
    job::{Outcome, Record, Resolved, Separated, Step, apply, now, stems_key},
    library::News,
    models::digests,
    reuse,
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
            let remaining = self.timings.remaining(record);
            self.watchers.send(owner, &Event::Progress { id, progress, remaining });
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
        self.began.insert(id.clone(), Instant::now());
        if step == Step::Separate {
            self.turns.served(record.job.owner);
        }
        self.handles.insert(id.clone(), running.clone());
        tracing::info!(job = %id, stage = ?step, "stage begun");

        let write = Write::Put(record.key(), record.to_bytes());
        self.put(record.clone());
        let (parts, folder) = (self.parts.clone(), self.parts.folders.job(id));
        let twin = if step == Step::Ingest { self.twin(&record).cloned() } else { None };
        let stage = async move {
            // that it has begun is on disk first, so that a crash inside it is known afterwards
            if let Err(error) = parts.library.call(Commit(vec![write])).await.and_then(|done| done) {
                return Outcome::Failed(error);
            }
            let outcome = match reused(&parts, twin, &record, &folder).await {
                Some(outcome) => outcome,
                None => {
                    run(&parts, step, record, folder, running.clone()).await.unwrap_or_else(Outcome::Failed)
                }
            };
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

    /// The newest job of the same user that has answered the same request.
    fn twin(&self, record: &Record) -> Option<&Record> {
        let same = |other: &&Record| {
            other.request == record.request
                && other.job.owner == record.job.owner
                && other.job.state == JobState::Completed
        };
        record.request.as_ref().filter(|_| !record.job.options.fresh)?;
        let (request, _) = answer(record)?;
        let places = self.answers.range((request, 0)..=(request, u64::MAX)).rev();
        places.filter_map(|(_, place)| self.records.get(place)).find(same)
    }

    /// A stage has ended: commits what it made of the job, then goes on.
    fn ended(&mut self, id: &JobId, outcome: Outcome, ctx: &mut Context<Self>) {
        self.handles.remove(id);
        let began = self.began.remove(id);
        if self.ends.contains(id) {
            self.steps.remove(id);
            return self.close(id, ctx);
        }
        let Some(mut record) = self.record(id).cloned() else {
            self.steps.remove(id);
            return;
        };
        let gave_way =
            matches!(outcome, Outcome::Interrupted) && !self.stopping && !self.holds.contains_key(id);
        let step = self.steps.get(id).copied();
        let ran =
            step.zip(began).and_then(|(step, began)| clock(&mut record, step, began.elapsed(), &outcome));
        apply(&mut record, outcome);
        let learned = ran.and_then(|step| self.learn(&record, step));
        if gave_way {
            record
                .note("preempted", "a job of higher priority took the device; this one goes on where it was");
        }
        if let Some(error) = &record.job.error {
            tracing::warn!(job = %id, error.kind = %error.kind, "job failed");
        }
        let writes = [Write::Put(record.key(), record.to_bytes())].into_iter().chain(learned).collect();
        let id = id.clone();
        self.commit(writes, News::ended(&record), ctx, move |actor, committed, ctx| {
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
        let kept = self.parts.kept(state);
        let clean = async move {
            if !state.is_final() {
                return Ok(());
            }
            let place = folder.clone();
            compute(move || place.reduce(kept).map_err(|error| leftover(&error))).await?;
            if durable {
                return Ok(());
            }
            // without the files there may be space for what did not fit before
            let commit = || async { library.call(Commit(vec![write.clone()])).await.and_then(|done| done) };
            if commit().await.is_ok() {
                return Ok(());
            }
            compute(move || folder.remove().map_err(|error| leftover(&error))).await?;
            commit().await
        };
        ctx.spawn(clean.into_actor(self).map(move |cleaned, actor, ctx| {
            if let Err(error) = cleaned {
                tracing::warn!(job = %id, error = %error, causes = ?error.causes, "leftovers");
            }
            tracing::info!(job = %id, %state, "stage ended");
            actor.steps.remove(&id);
            actor.put(record);
            actor.change_waiting(&id, ctx);
            if actor.ends.contains(&id) {
                actor.close(&id, ctx);
            } else if actor.holds.contains_key(&id) {
                actor.hold(&id, ctx);
            }
            actor.schedule(ctx);
        }));
    }
}

fn leftover(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "cannot remove the work files", error)
}

/// Tells the queue about the progress of a stage, as a part of the job's.
fn report(queue: Addr<JobsActor>, step: Step) -> impl Fn(&JobId, f64) + Send + Sync {
    let (from, to) = step.span();
    move |job, done| queue.do_send(Progress(job.clone(), from + (to - from) * done.clamp(0.0, 1.0)))
}

/// The outputs of a job that has answered the same request, if there is one and they are still there.
async fn reused(parts: &Parts, twin: Option<Record>, record: &Record, folder: &JobFolder) -> Option<Outcome> {
    let twin = twin?;
    let (from, to) = (parts.folders.job(&twin.job.id), folder.clone());
    let (old, new) = (twin.job.id.clone(), record.job.id.clone());
    let analysis = folder_has_analysis(&twin).then(|| ANALYSIS.to_owned());
    let files: Vec<_> = twin.job.stems.values().cloned().chain(analysis).collect();
    match compute(move || reuse::outputs(&from, &old, &to, &new, &files)).await {
        Ok(true) => Some(Outcome::Reused(Box::new(twin))),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(job = %record.job.id, error = %error, causes = ?error.causes, "computed again");
            None
        }
    }
}

fn folder_has_analysis(record: &Record) -> bool {
    record.job.analysis.as_ref().is_some_and(|analysis| analysis.get("error").is_none())
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
        Step::Analyze => {
            let ingested = ingested.ok_or_else(missing)?;
            // a stage that was stopped has not failed
            match parts
                .analyzer
                .run(Analyse { running, folder, ingested })
                .await
                .and_then(|analysis| analysis)
            {
                Err(error) if error.kind == ErrorKind::Cancelled => Err(error),
                analysis => Ok(Outcome::Analysed(analysis)),
            }
        }
        Step::Separate => {
            let ingested = ingested.ok_or_else(missing)?;
            let id = resolved.model.clone();
            let (model, device) = (parts.models.weights(&id)?, options.device.to_string());
            let key = stems_key(&ingested, &resolved, &device, &digests(&model));
            if let Some(separated) = kept(parts, &key, &folder, !options.fresh).await {
                return Ok(Outcome::Separated(Box::new(separated)));
            }
            let room = room_for(&ingested, &resolved);
            let (cache, place, reserve) =
                (parts.cache.clone(), folder.clone(), parts.live.get().limits.free_bytes);
            compute(move || reuse::make_room(&cache, &place, room, reserve)).await?;
            let separate = Separate {
                running,
                folder: folder.clone(),
                model,
                device,
                precision: resolved.precision,
                sources: if resolved.is_partial() { resolved.computed } else { Vec::new() },
                layout: resolved.layout,
                stats: ingested.stats,
                input: ingested.pcm_hash,
            };
            Ok(match parts.separator.run(separate).await? {
                Outcome::Failed(error) => Outcome::Failed(examine(parts, &id, error).await),
                Outcome::Separated(separated) => {
                    keep(parts, key, folder, (*separated).clone()).await;
                    Outcome::Separated(separated)
                }
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

/// Stems that were computed before, if they may be used.
async fn kept(parts: &Parts, key: &str, folder: &JobFolder, wanted: bool) -> Option<Separated> {
    if !wanted {
        return None;
    }
    let (cache, key, folder) = (parts.cache.clone(), key.to_owned(), folder.clone());
    let taken = compute(move || {
        let failed = |error: io::Error| Error::io(ErrorKind::Internal, "kept stems cannot be read", &error);
        cache.take(&key, &folder).map_err(failed)
    });
    let mut separated = taken.await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, causes = ?error.causes, "computed again");
        None
    })?;
    let message = "the stems of this audio were computed before".into();
    separated.notes = vec![Note { kind: "cached".into(), message }];
    Some(separated)
}

/// Keeps stems for other jobs; that it fails harms none.
async fn keep(parts: &Parts, key: String, folder: JobFolder, separated: Separated) {
    let cache = parts.cache.clone();
    let failed = |error: io::Error| Error::io(ErrorKind::Internal, "stems cannot be kept", &error);
    if let Err(error) = compute(move || cache.keep(&key, &folder, &separated).map_err(failed)).await {
        tracing::warn!(error = %error, causes = ?error.causes, "stems not kept");
    }
}

/// Bytes that a job writes from here on, at most: the stems' spools, and its outputs.
fn room_for(ingested: &Ingested, resolved: &Resolved) -> u64 {
    let stems = ingested.stats.frames * 8 * resolved.computed.len() as u64;
    let outputs = ingested.frames * 4 * u64::from(ingested.channels) * resolved.outputs.len() as u64;
    stems + outputs
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
