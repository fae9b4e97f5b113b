//! The only place that knows what a command does. Transports bring requests and carry the [`Outcome`] back.

use std::{path::PathBuf, rc::Rc, time::Instant};

use harmonix_ipc::{
    Access, ActivityLog, Again, CacheUsage, CheckStore, ConfigText, DaemonStatus, Done, Error, ErrorKind,
    Event, ExcerptHead, FileHead, Greeting, Hello, Job, JobOptions, ModelReport, PROTOCOL, Prioritise,
    PurgeTrack, Rename, Reply, Request, Result, StoreBackup, Submit,
};
use tokio::sync::mpsc;

use crate::{
    actors::{
        Slot, compute,
        health::{AskHealth, HealthActor},
        jobs::{
            Accept, AskOrigin, CancelJob, CountActive, DeleteJob, Figures, Foresee, Get, HoldQueue, IsHeld,
            JobsActor, List, Locate, Origin, Parts, PauseJob, PrioritiseJob, RenameJob, Report, Reserve,
            ResumeJob, Subscribe,
        },
        library::{Browse, Count, Edit, Forget, Look, Recall},
        separator::AskWorker,
        watch::{AskWatches, WatchActor},
    },
    caller::Caller,
    config::{self, Config, Live},
    doctor,
    job::{BUILT_IN, resolve},
    listen::{self, Excerpt},
    transport::dbus::Bus,
    upkeep,
    upload::{Incoming, Upload, not_kept},
};

/// What a command comes to.
pub enum Outcome {
    /// One reply.
    Reply(Reply),
    /// The client sends bytes, and then there is a reply.
    Upload(Incoming),
    /// A reply, then the bytes of that file.
    Download(FileHead, PathBuf),
    /// The same of a file that is open already.
    File(FileHead, std::fs::File),
    /// A reply, then the bytes of an output as they become final.
    Excerpt(Box<Excerpt>),
    /// A reply, then the bytes of that file.
    Whole(ExcerptHead, FileHead, PathBuf),
    /// Events until one side closes.
    Stream(mpsc::Receiver<Event>),
    /// Lines of progress and the reply. Dropping it ends the work.
    Progress(mpsc::Receiver<Reply>),
}

/// Everything that commands work with.
#[derive(Clone)]
pub struct Router {
    /// The configuration as it was when the connection, or the call, began.
    pub config: Rc<Config>,
    /// The configuration in force.
    pub live: Live,
    /// The place on the message bus.
    pub bus: Bus,
    /// The queue.
    pub jobs: Slot<JobsActor>,
    /// What the queue works with.
    pub parts: Parts,
    /// Watched folders.
    pub watch: Slot<WatchActor>,
    /// How the actors are.
    pub health: Slot<HealthActor>,
    /// When the daemon started.
    pub started: Instant,
}

/// What the daemon says of itself.
pub fn greeting() -> Greeting {
    Greeting { protocol: PROTOCOL, server: concat!("harmonixd ", env!("CARGO_PKG_VERSION")).into() }
}

impl Router {
    /// The same with the configuration that is in force now.
    #[must_use]
    pub fn now(&self) -> Self {
        Self { config: self.live.get(), ..self.clone() }
    }

    /// Carries a command out for a caller. Access levels of the table are kept here; jobs keep their owners'.
    pub async fn route(&self, caller: Caller, request: Request) -> Result<Outcome> {
        if request.info().access == Access::Admin {
            caller.require_admin()?;
        }
        let reply = match request {
            Request::Hello(Hello { protocol: PROTOCOL }) => Reply::Hello(greeting()),
            Request::Hello(Hello { protocol }) => {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("protocol {protocol} is not spoken here, only {PROTOCOL}"),
                )
                .hint("install client and daemon of the same release"));
            }
            Request::Status(_) => Reply::Status(self.status().await?),
            Request::Doctor(_) => Reply::Doctor(doctor::examine(&self.config, &self.parts, &self.bus).await),
            Request::Submit(submit) => return self.submit(caller, submit).await.map(Outcome::Upload),
            Request::ListJobs(list) => Reply::Jobs(self.jobs.call(List(caller, list)).await?),
            Request::Again(again) => Reply::Job(self.again(caller, again).await?),
            Request::Show(show) => Reply::Job(self.jobs.call(Get(caller, show.job)).await??),
            Request::Watch(watch) => {
                return Ok(Outcome::Stream(self.jobs.call(Subscribe(caller, watch.job)).await??));
            }
            Request::Cancel(cancel) => Reply::Job(self.jobs.call(CancelJob(caller, cancel.job)).await??),
            Request::Pause(pause) => Reply::Job(self.jobs.call(PauseJob(caller, pause.job)).await??),
            Request::Resume(resume) => Reply::Job(self.jobs.call(ResumeJob(caller, resume.job)).await??),
            Request::Prioritise(Prioritise { job, priority }) => {
                Reply::Job(self.jobs.call(PrioritiseJob(caller, job, priority)).await??)
            }
            Request::QueuePause(_) => {
                self.jobs.call(HoldQueue(true)).await??;
                Reply::Done(Done {})
            }
            Request::QueueResume(_) => {
                self.jobs.call(HoldQueue(false)).await??;
                Reply::Done(Done {})
            }
            Request::Delete(delete) => {
                self.jobs.call(DeleteJob(caller, delete.job)).await??;
                Reply::Done(Done {})
            }
            Request::Rename(Rename { job, name }) => {
                Reply::Job(self.jobs.call(RenameJob(caller, job, name)).await??)
            }
            Request::ShowReport(show) => Reply::Report(self.jobs.call(Report(caller, show.job)).await??),
            Request::AskEstimate(ask) => Reply::Estimate(self.jobs.call(Foresee(ask)).await??),
            Request::ListTracks(list) => Reply::Tracks(self.parts.library.call(Browse(caller, list)).await?),
            Request::ShowTrack(show) => {
                Reply::Track(self.parts.library.call(Look(caller, show.track)).await??)
            }
            Request::EditTrack(edit) => Reply::Track(self.parts.library.call(Edit(caller, edit)).await??),
            Request::PurgeTrack(purge) => {
                self.purge(caller, purge).await?;
                Reply::Done(Done {})
            }
            Request::ListActivity(list) => {
                let entries = self.parts.library.call(Recall(caller, list.limit)).await?;
                Reply::Activity(ActivityLog { entries })
            }
            Request::ShowStats(_) => {
                let stats = self.jobs.call(Figures(caller)).await?;
                Reply::Stats(self.parts.library.call(Count(caller, stats)).await?)
            }
            Request::Fetch(fetch) => {
                let (head, path) = self.jobs.call(Locate(caller, fetch.job, fetch.output)).await??;
                return Ok(Outcome::Download(head, path));
            }
            Request::Listen(listen) => return listen::listen(self.jobs.clone(), caller, listen).await,
            Request::Watches(_) => Reply::Watches(self.watch.call(AskWatches(caller)).await?),
            Request::Models(_) => Reply::Models(self.parts.models.list()),
            Request::ShowModel(show) => Reply::Model(self.parts.models.details(&show.model)?),
            Request::ModelPull(pull) => {
                let pulling = self.parts.models.pull(caller, &pull.model, pull.accept_licence).await?;
                return Ok(Outcome::Progress(pulling));
            }
            Request::ModelImport(import) => {
                let import = self.parts.models.import(caller, import).await?;
                return Ok(Outcome::Upload(Incoming::Weights(import)));
            }
            Request::ModelVerify(verify) => Reply::Verified(self.verify(verify.model).await?),
            Request::ModelRemove(remove) => {
                let hold = self.parts.models.hold(&remove.model, "removed")?;
                compute(move || hold.remove()).await?;
                Reply::Done(Done {})
            }
            Request::ShowCache(_) => Reply::Cache(self.cache(None).await?),
            Request::ClearCache(_) => Reply::Cache(self.cache(Some(0)).await?),
            Request::ExportStore(_) => {
                let (file, bytes) = self.parts.backups.export(&self.parts.library).await?;
                return Ok(Outcome::File(FileHead { name: "store.jsonl".into(), bytes }, file));
            }
            Request::ImportStore(import) => {
                let limit = self.config.limits.upload_bytes;
                let import = upkeep::Import::begin(self.jobs.clone(), self.parts.clone(), import, limit);
                return Ok(Outcome::Upload(Incoming::Store(import.await?)));
            }
            Request::CheckStore(CheckStore { deep }) => {
                let Parts { library, folders, .. } = &self.parts;
                Reply::StoreReport(upkeep::check(library, folders, deep).await?)
            }
            Request::BackUpStore(_) => Reply::StoreBackup(self.back_up().await?),
            Request::ConfigShow(_) => {
                let text = toml::to_string(&*self.config)
                    .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
                Reply::Config(ConfigText { text })
            }
            Request::ConfigCheck(check) => {
                config::check(&check.text, "the configuration")?;
                Reply::Done(Done {})
            }
        };
        Ok(Outcome::Reply(reply))
    }

    async fn submit(&self, caller: Caller, Submit { name, size, options }: Submit) -> Result<Incoming> {
        let limit = self.config.limits.upload_bytes;
        if let Some(size) = size.filter(|size| *size > limit) {
            return Err(crate::upload::too_large(size, limit));
        }
        if name.len() > 4096 || name.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidRequest, "the name is too long or holds a zero byte"));
        }
        let reserved = self.jobs.call(Reserve(caller, options)).await??;
        let folder = self.parts.folders.job(&reserved.id);
        let accept = Accept { reserved, caller, name, source: String::new(), with: Vec::new() };
        Upload::begin(self.jobs.clone(), folder, accept, limit).await.map(Incoming::Song)
    }

    /// Removes a song's jobs, then the song: what breaks off in between can be asked for again.
    async fn purge(&self, caller: Caller, PurgeTrack { track, confirm }: PurgeTrack) -> Result<()> {
        let library = &self.parts.library;
        let found = library.call(Look(caller, track.clone())).await??;
        if !confirm {
            let message =
                format!("purging a song removes its {} jobs with their files for good", found.jobs.len());
            return Err(Error::new(ErrorKind::InvalidRequest, message).hint("say so with confirm (`--yes`)"));
        }
        for job in found.jobs {
            self.jobs.call(DeleteJob(caller, job.id)).await??;
        }
        library.call(Forget(caller, track)).await?
    }

    /// A job of the same song, for the same user.
    async fn again(&self, caller: Caller, Again { job, options }: Again) -> Result<Job> {
        let Origin { owner, name, options: before, source, path } =
            self.jobs.call(AskOrigin(caller, job)).await??;
        if !path.exists() {
            return Err(not_kept());
        }
        let caller = Caller { uid: owner, admin: false };
        let reserved = self.jobs.call(Reserve(caller, options.unwrap_or(before))).await??;
        let folder = self.parts.folders.job(&reserved.id);
        let accept = Accept { reserved, caller, name, source: String::new(), with: Vec::new() };
        let upload =
            Upload::begin(self.jobs.clone(), folder, accept, self.config.limits.upload_bytes).await?;
        upload.link(path, source).await
    }

    async fn verify(&self, model: Option<String>) -> Result<ModelReport> {
        let models = &self.parts.models;
        let ids: Vec<_> = match model {
            Some(id) => vec![id],
            None => models.list().models.into_iter().map(|model| model.id).collect(),
        };
        let mut files = Vec::new();
        for id in ids.iter().filter(|id| ids.len() == 1 || id.as_str() != BUILT_IN) {
            let hold = models.hold(id, "verified")?;
            files.extend(compute(move || hold.verify()).await?);
        }
        Ok(ModelReport { files })
    }

    async fn back_up(&self) -> Result<StoreBackup> {
        let written = self.parts.backups.back_up(&self.parts.library).await?;
        written.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "no backup was written: the store is empty, or none are kept")
                .hint("store.backups says how many are kept; `harmonixctl store export` writes a file anyway")
        })
    }

    /// What is kept, once no more than that is.
    async fn cache(&self, shrink_to: Option<u64>) -> Result<CacheUsage> {
        let cache = self.parts.cache.clone();
        compute(move || {
            let look = || {
                shrink_to.map_or(Ok(()), |limit| cache.shrink_to(limit))?;
                cache.usage()
            };
            look().map_err(|error| Error::io(ErrorKind::Internal, "the kept stems cannot be read", &error))
        })
        .await
    }

    async fn status(&self) -> Result<DaemonStatus> {
        Ok(DaemonStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs_f64(),
            rss: resident().unwrap_or(0),
            active: self.jobs.call(CountActive).await?,
            paused: self.jobs.call(IsHeld).await?,
            capacity: self.config.limits.active_jobs,
            engine: resolve(&JobOptions::default(), &self.parts.models.shelf())?.model,
            worker: self.parts.separator.call(AskWorker).await?,
            actors: self.health.call(AskHealth).await?,
        })
    }
}

/// Resident memory of this process in bytes.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
