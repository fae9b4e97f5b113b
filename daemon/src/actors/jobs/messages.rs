//! What the queue is asked.

use std::path::PathBuf;

use actix::{
    ActorContext, ActorFutureExt, Context, Handler, Message, MessageResult, ResponseActFuture,
    ResponseFuture, WrapFuture,
};
use harmonix_engine::Checkpoint;
use harmonix_ipc::{
    Analyze, Deed, Error, ErrorKind, Event, FileHead, Job, JobId, JobList, JobOptions, JobState, ListJobs,
    Result,
};
use tokio::sync::{mpsc, oneshot};

use super::{JobsActor, ended_already, ends::End, not_found};
use crate::{
    actors::{Ping, library::Tell},
    caller::Caller,
    folders::ANALYSIS,
    job::{Record, Resolved, Separated, effective, new_id, now, request_key, resolve},
    library::{News, Words, page},
    models::{ModelStore, digests},
    store::Write,
    upkeep::occupied,
};

/// Sample rate and channels of the stems of every model.
const MIX: (u32, u16) = (44_100, 2);

/// What is needed to run a job once more.
#[derive(Debug, Message)]
#[rtype(result = "Result<Origin>")]
pub struct AskOrigin(pub Caller, pub JobId);

/// Where a job came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Whose it is.
    pub owner: u32,
    /// The input's file name.
    pub name: String,
    /// What was asked for.
    pub options: JobOptions,
    /// BLAKE3 of the input's bytes, if it is known.
    pub source: Option<String>,
    /// Where the input lies, if it was kept.
    pub path: PathBuf,
}

/// Takes a place in the queue for an upload.
#[derive(Debug, Message)]
#[rtype(result = "Result<Reserved>")]
pub struct Reserve(pub Caller, pub JobOptions);

/// A place in the queue, and what the job that takes it comes to.
#[derive(Debug, Clone)]
pub struct Reserved {
    /// The job's id.
    pub id: JobId,
    /// What was asked for in fact.
    pub options: JobOptions,
    /// What is computed, by what is installed now.
    pub resolved: Resolved,
}

/// Gives the place of an upload that came to nothing back.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Release(pub JobId);

/// Accepts a job whose source lies ready. Answers once it is durable. The place of its upload is given back.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct Accept {
    /// From [`Reserve`].
    pub reserved: Reserved,
    /// Who submits it.
    pub caller: Caller,
    /// The input's file name, for display.
    pub name: String,
    /// BLAKE3 of the input's bytes in hexadecimal.
    pub source: String,
    /// What becomes durable together with the job.
    pub with: Vec<Write>,
}

/// Lists the jobs that the caller may see.
#[derive(Debug, Message)]
#[rtype(result = "JobList")]
pub struct List(pub Caller, pub ListJobs);

/// One job.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct Get(pub Caller, pub JobId);

/// Opens a stream of events.
#[derive(Debug, Message)]
#[rtype(result = "Result<mpsc::Receiver<Event>>")]
pub struct Subscribe(pub Caller, pub Option<JobId>);

/// Stops a job; answers once it has stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<Job>")]
pub struct CancelJob(pub Caller, pub JobId);

/// Removes a job; answers once nothing is left of it.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct DeleteJob(pub Caller, pub JobId);

/// Where a file of a completed job lies.
#[derive(Debug, Message)]
#[rtype(result = "Result<(FileHead, PathBuf)>")]
pub struct Locate(pub Caller, pub JobId, pub String);

/// Where the stems lie that an output of a job is the sum of.
#[derive(Debug, Message)]
#[rtype(result = "Result<Stems>")]
pub struct AskStems(pub Caller, pub JobId, pub String);

/// Stems of a job, however far they are.
#[derive(Debug, Clone)]
pub struct Stems {
    /// The job.
    pub job: Job,
    /// The spools' folder.
    pub dir: PathBuf,
    /// File names of the spools.
    pub spools: Vec<String>,
    /// Frames per second.
    pub rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Frames that they will have; 0 before that is known.
    pub frames: u64,
    /// Once they are complete: the key of their checkpoints, and their frames.
    pub separated: Option<(String, u64)>,
}

/// How many jobs are not in a final state.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct CountActive;

/// Ends all stages so that they can be taken up again; answers once they have ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// Ends this queue so that another one takes over what the store holds then. [`ErrorKind::Conflict`] when it has jobs and
/// they are not to be replaced.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Leave {
    /// What is in the queue may go.
    pub replace: bool,
}

impl JobsActor {
    /// The record, if it exists for the caller.
    pub(super) fn seen(&self, caller: Caller, id: &JobId) -> Result<&Record> {
        self.record(id).filter(|record| caller.sees(record.job.owner)).ok_or_else(|| not_found(id))
    }
}

impl Handler<AskOrigin> for JobsActor {
    type Result = Result<Origin>;

    fn handle(&mut self, AskOrigin(caller, id): AskOrigin, _: &mut Self::Context) -> Self::Result {
        let Record { job, source, .. } = self.seen(caller, &id)?;
        Ok(Origin {
            owner: job.owner,
            name: job.name.clone(),
            options: job.options.clone(),
            source: source.clone(),
            path: self.parts.folders.job(&id).source(),
        })
    }
}

impl Handler<Reserve> for JobsActor {
    type Result = Result<Reserved>;

    fn handle(&mut self, Reserve(caller, options): Reserve, _: &mut Self::Context) -> Self::Result {
        let options = effective(options);
        let resolved = resolve(&options, &self.parts.models.shelf())?;
        if self.stopping {
            return Err(Error::new(ErrorKind::Unavailable, "the daemon is stopping"));
        }
        let most = self.parts.live.get().limits.active_jobs;
        if self.active() >= most {
            return Err(Error::new(ErrorKind::Busy, format!("{most} jobs are waiting or running already"))
                .hint("try again when some have ended, or raise limits.active_jobs"));
        }
        self.check_quota(caller.uid)?;
        let id = new_id()?;
        self.reserved.insert(id.clone(), caller.uid);
        Ok(Reserved { id, options, resolved })
    }
}

impl Handler<Release> for JobsActor {
    type Result = ();

    fn handle(&mut self, Release(id): Release, _: &mut Self::Context) {
        self.reserved.remove(&id);
    }
}

impl Handler<Accept> for JobsActor {
    type Result = ResponseActFuture<Self, Result<Job>>;

    fn handle(&mut self, mut message: Accept, _: &mut Self::Context) -> Self::Result {
        let mut writes = std::mem::take(&mut message.with);
        let record = new_record(self.next, message, &self.parts.models);
        self.next += 1;
        writes.push(Write::Put(record.key(), record.to_bytes()));
        let news = News::of(Deed::Submitted, &record);
        let library = self.parts.library.clone();
        let durable = async move { library.call(Tell(writes, news)).await? };
        Box::pin(durable.into_actor(self).map(|result, actor, ctx| {
            actor.reserved.remove(&record.job.id);
            result?;
            let job = actor.view(&record);
            tracing::info!(job = %job.id, caller = job.owner, quality = %job.quality, mode = %job.mode, "job accepted");
            actor.put(record);
            actor.schedule(ctx);
            Ok(job)
        }))
    }
}

fn new_record(seq: u64, accept: Accept, models: &ModelStore) -> Record {
    let Accept { reserved, caller, name, source, .. } = accept;
    let Reserved { id, options, resolved } = reserved;
    // a model that is gone already is found missing later
    let weights = models.weights(&resolved.model).map(|model| digests(&model)).unwrap_or_default();
    let request = request_key(&source, &name, &options, &resolved, &weights);
    let (instead_of, is_partial) = (resolved.instead_of.clone(), resolved.is_partial());
    let computed = resolved.computed.join(", ");
    let mut record = Record::new(
        seq,
        Job {
            id,
            state: JobState::Queued,
            progress: 0.0,
            name,
            owner: caller.uid,
            input: None,
            engine: None,
            device: None,
            quality: options.quality,
            mode: options.mode,
            stems: [].into(),
            files: Vec::new(),
            unavailable: resolved.unavailable.clone(),
            analysis: None,
            lyrics: None,
            manifest: None,
            events: Vec::new(),
            error: None,
            created_at: now(),
            started_at: None,
            finished_at: None,
            times: [].into(),
            remaining: None,
            options,
        },
        resolved,
    );
    record.request = Some(request);
    record.source = Some(source);
    if let Some(model) = instead_of {
        let quality = record.job.quality;
        record.note(
            "fallback",
            format!(
                "quality {quality} means the model {model}, which is not installed: the built-in engine computes \
                 instead (`harmonixctl models pull {model}` installs it)"
            ),
        );
    }
    if is_partial {
        record.note(
            "raw",
            format!("only {computed} are computed, so they are left as the model makes them: no residual is spread"),
        );
    }
    record
}

impl Handler<List> for JobsActor {
    type Result = MessageResult<List>;

    fn handle(&mut self, List(caller, list): List, _: &mut Self::Context) -> Self::Result {
        let words = Words::new(list.text.as_deref().unwrap_or_default());
        let wanted = |record: &&Record| {
            let job = &record.job;
            caller.sees(job.owner)
                && (list.states.is_empty() || list.states.contains(&job.state))
                && words.are_in(std::iter::once(job.name.as_str()))
        };
        let all: Vec<_> = self.records.values().rev().filter(wanted).collect();
        let (page, total) = page(&all, list.limit, list.page);
        MessageResult(JobList { jobs: page.iter().map(|record| self.view(record)).collect(), total })
    }
}

impl Handler<Get> for JobsActor {
    type Result = ResponseFuture<Result<Job>>;

    fn handle(&mut self, Get(caller, id): Get, _: &mut Self::Context) -> Self::Result {
        let job = self.seen(caller, &id).map(|record| self.view(record));
        let file = self.parts.folders.job(&id).analysis();
        Box::pin(async move {
            let mut job = job?;
            if job.analysis.is_some()
                && let Ok(whole) = tokio::fs::read(file).await
            {
                job.analysis = serde_json::from_slice(&whole).ok().or(job.analysis);
            }
            Ok(job)
        })
    }
}

impl Handler<Subscribe> for JobsActor {
    type Result = Result<mpsc::Receiver<Event>>;

    fn handle(&mut self, Subscribe(caller, job): Subscribe, _: &mut Self::Context) -> Self::Result {
        let jobs = match &job {
            Some(id) => vec![self.view(self.seen(caller, id)?)],
            None => {
                let seen = self.records.values().filter(|record| caller.sees(record.job.owner));
                seen.map(|record| self.view(record)).collect()
            }
        };
        Ok(self.watchers.add(caller, job, Event::Snapshot { jobs }))
    }
}

impl Handler<CancelJob> for JobsActor {
    type Result = ResponseActFuture<Self, Result<Job>>;

    fn handle(&mut self, CancelJob(caller, id): CancelJob, ctx: &mut Self::Context) -> Self::Result {
        let ended = self.seen(caller, &id).and_then(|record| match record.job.state {
            state if state.is_final() => Err(ended_already(&id, state)),
            _ => Ok(()),
        });
        if let Err(error) = ended {
            return Box::pin(actix::fut::ready(Err(error)));
        }
        let done = self.end(&id, End::Cancel, ctx);
        Box::pin(wait(done).into_actor(self).map(move |result, actor, _| {
            result?;
            Ok(actor.seen(caller, &id)?.job.clone())
        }))
    }
}

impl Handler<DeleteJob> for JobsActor {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, DeleteJob(caller, id): DeleteJob, ctx: &mut Self::Context) -> Self::Result {
        if let Err(error) = self.seen(caller, &id) {
            return Box::pin(actix::fut::ready(Err(error)));
        }
        Box::pin(wait(self.end(&id, End::Delete, ctx)).into_actor(self))
    }
}

pub(super) async fn wait(done: oneshot::Receiver<Result<()>>) -> Result<()> {
    done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the queue broke off")))
}

impl Handler<Locate> for JobsActor {
    type Result = Result<(FileHead, PathBuf)>;

    fn handle(&mut self, Locate(caller, id, output): Locate, _: &mut Self::Context) -> Self::Result {
        let job = &self.seen(caller, &id)?.job;
        if job.state != JobState::Completed {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("job {id} is {}: it has no outputs", job.state),
            ));
        }
        let name = match output.as_str() {
            "manifest" => job.manifest.clone(),
            "analysis" => job.analysis.as_ref().map(|_| ANALYSIS.to_owned()),
            stem => job.stems.get(stem).cloned(),
        };
        let name = name.ok_or_else(|| {
            let names = job.stems.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Error::new(ErrorKind::NotFound, "the job has no such output")
                .hint(format!("one of {names}, manifest, analysis"))
        })?;
        let path = self.parts.folders.job(&id).out().join(&name);
        let meta = std::fs::metadata(&path)
            .map_err(|error| Error::io(ErrorKind::Internal, "the output cannot be read", &error))?;
        Ok((FileHead { name, bytes: meta.len() }, path))
    }
}

impl Handler<AskStems> for JobsActor {
    type Result = Result<Stems>;

    fn handle(&mut self, AskStems(caller, id, output): AskStems, _: &mut Self::Context) -> Self::Result {
        let record = self.seen(caller, &id)?;
        let Record { job, ingested, separated, .. } = record;
        if job.options.analysis == Analyze::Only {
            let what = format!("job {id} only analyses: it makes no stems");
            return Err(Error::new(ErrorKind::Conflict, what));
        }
        let resolved = record.resolved()?;
        let parts = match resolved.outputs.iter().find(|wanted| wanted.name == output) {
            Some(output) => output.parts.iter().filter_map(|part| resolved.computed.get(*part)),
            None => {
                let names: Vec<_> = resolved.outputs.iter().map(|output| output.name.as_str()).collect();
                return Err(Error::new(ErrorKind::NotFound, "the job has no such output")
                    .hint(format!("one of {}", names.join(", "))));
            }
        };
        let model = separated.as_ref().map(|separated| &separated.model);
        Ok(Stems {
            job: job.clone(),
            dir: self.parts.folders.job(&id).stems(),
            spools: parts.map(|source| format!("{source}.f32")).collect(),
            rate: model.map_or(MIX.0, |model| model.sample_rate),
            channels: model.map_or(MIX.1, |model| model.channels as u16),
            frames: ingested.as_ref().map_or(0, |ingested| ingested.stats.frames),
            separated: separated.as_ref().map(|separated| {
                let input = ingested.as_ref().map_or("", |ingested| &ingested.pcm_hash);
                let Separated { model, device, layout, precision, summary, .. } = separated;
                (Checkpoint::key(model, device, *precision, layout, input), summary.frames)
            }),
        })
    }
}

impl Handler<CountActive> for JobsActor {
    type Result = usize;

    fn handle(&mut self, _: CountActive, _: &mut Self::Context) -> usize {
        self.active()
    }
}

impl Handler<Stop> for JobsActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        self.stopping = true;
        self.handles.values().for_each(super::Running::cancel);
        let stages = self.parts.stages.clone();
        Box::pin(async move { stages.end_all().await }.into_actor(self))
    }
}

impl Handler<Leave> for JobsActor {
    type Result = Result<()>;

    fn handle(&mut self, Leave { replace }: Leave, ctx: &mut Self::Context) -> Self::Result {
        if self.stopping {
            return Err(Error::new(ErrorKind::Unavailable, "the daemon is stopping"));
        }
        if !self.records.is_empty() && !replace {
            return Err(occupied(self.records.len()));
        }
        // the next one ends the stages that run, as after a panic
        self.stopping = true;
        ctx.stop();
        Ok(())
    }
}

impl Handler<Ping> for JobsActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Context<Self>) {}
}
