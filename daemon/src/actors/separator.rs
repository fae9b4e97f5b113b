//! `GpuSeparatorActor`: owns the worker process and with it the lease of the device.

use std::{cell::RefCell, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, Message, MessageResult, ResponseFuture};
use harmonix_engine::{
    Layout, ModelInfo, Monitor, TrackStats,
    protocol::{self, Ask, Model, Precision, Reason, Say},
};
use harmonix_ipc::{Error, ErrorKind, Result, WorkerStatus};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, sleep_until},
};

pub use super::process::{Standing, find};
use super::{
    Ping, Running,
    process::{Process, failure},
};
use crate::{
    folders::JobFolder,
    job::{Outcome, Separated},
    models::digests,
};

/// How long a worker that was asked to stop may take before it is killed.
const GRACE: Duration = Duration::from_millis(250);

/// How long a model may take to load.
const LOAD: Duration = Duration::from_secs(60);

/// Separates the mixture of a job.
#[derive(Message)]
#[rtype(result = "Outcome")]
pub struct Separate {
    /// Its cancellation and progress.
    pub running: Running,
    /// Where its spools lie.
    pub folder: JobFolder,
    /// The model and where its files lie.
    pub model: Model,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// Its arithmetic.
    pub precision: Precision,
    /// Stems to compute; all of the model's when empty.
    pub sources: Vec<String>,
    /// Segments, overlap and shifts.
    pub layout: Layout,
    /// Statistics of the mixture.
    pub stats: TrackStats,
    /// Hash of the decoded input.
    pub input: String,
}

/// Loads a model to see whether the worker works.
#[derive(Message)]
#[rtype(result = "Result<ModelInfo>")]
pub struct Try(pub Model);

/// Asks for the worker's state.
#[derive(Message)]
#[rtype(result = "Option<WorkerStatus>")]
pub struct AskWorker;

/// What the device's holder has.
#[derive(Default)]
struct Lease {
    worker: Option<Process>,
    /// A model was loaded since the worker started.
    loaded: bool,
    used: Option<Instant>,
}

/// The actor.
pub struct GpuSeparatorActor {
    program: Option<PathBuf>,
    standing: Standing,
    idle: Duration,
    stall: Duration,
    /// One holder at a time, first come first served.
    device: Arc<Mutex<Lease>>,
    status: Rc<RefCell<WorkerStatus>>,
}

impl GpuSeparatorActor {
    /// An actor that starts `program` on demand, stops it after `idle` without work, and replaces it after `stall`
    /// without progress.
    pub fn new(program: Option<PathBuf>, standing: Standing, idle: Duration, stall: Duration) -> Self {
        let status = WorkerStatus { pid: 0, busy: false, jobs: 0, loads: 0 };
        Self { program, standing, idle, stall, device: Arc::default(), status: Rc::new(RefCell::new(status)) }
    }

    fn session(&self) -> Session {
        Session {
            program: self.program.clone(),
            standing: self.standing,
            stall: self.stall,
            device: Arc::clone(&self.device),
            status: Rc::clone(&self.status),
        }
    }
}

impl Actor for GpuSeparatorActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(Duration::from_millis(500), |actor, _| {
            let Ok(mut lease) = actor.device.try_lock() else { return };
            if lease.worker.is_some() && lease.used.is_none_or(|used| used.elapsed() >= actor.idle) {
                tracing::info!("worker idle, stopped");
                *lease = Lease::default();
                actor.status.borrow_mut().pid = 0;
            }
        });
    }
}

impl Handler<Separate> for GpuSeparatorActor {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, message: Separate, _: &mut Self::Context) -> Self::Result {
        crate::fault::strike("separator_actor");
        let session = self.session();
        Box::pin(async move {
            let lease = Arc::clone(&session.device).lock_owned().await;
            session.status.borrow_mut().busy = true;
            let outcome = session.separate(lease, message).await;
            session.status.borrow_mut().busy = false;
            outcome
        })
    }
}

impl Handler<Try> for GpuSeparatorActor {
    type Result = ResponseFuture<Result<ModelInfo>>;

    fn handle(&mut self, Try(model): Try, _: &mut Self::Context) -> Self::Result {
        let session = self.session();
        Box::pin(async move {
            let mut lease = Arc::clone(&session.device).lock_owned().await;
            session.load(&mut lease, model).await
        })
    }
}

impl Handler<AskWorker> for GpuSeparatorActor {
    type Result = MessageResult<AskWorker>;

    fn handle(&mut self, _: AskWorker, _: &mut Self::Context) -> Self::Result {
        let status = self.status.borrow().clone();
        MessageResult((status.pid != 0).then_some(status))
    }
}

impl Handler<Ping> for GpuSeparatorActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

/// One holder's view of the device.
struct Session {
    program: Option<PathBuf>,
    standing: Standing,
    stall: Duration,
    device: Arc<Mutex<Lease>>,
    status: Rc<RefCell<WorkerStatus>>,
}

impl Session {
    /// The worker; a fresh one if there is none.
    fn worker<'a>(&self, lease: &'a mut Lease) -> Result<&'a mut Process> {
        let warm = lease.worker.take().and_then(Process::alive);
        let worker = match warm {
            Some(worker) => worker,
            None => {
                lease.loaded = false;
                let missing = || {
                    Error::new(ErrorKind::Unavailable, "harmonix-worker is not installed")
                        .hint("install it beside harmonixd, or set worker.program")
                };
                let worker = Process::start(self.program.as_ref().ok_or_else(missing)?, self.standing)?;
                tracing::info!(pid = worker.id(), "worker started");
                self.status.borrow_mut().pid = worker.id();
                worker
            }
        };
        Ok(lease.worker.insert(worker))
    }

    /// Ends the worker and says how it ended.
    async fn end(&self, lease: &mut Lease) -> String {
        self.status.borrow_mut().pid = 0;
        lease.loaded = false;
        match lease.worker.take() {
            Some(worker) => worker.end().await,
            None => "the worker is gone".into(),
        }
    }

    fn loaded(&self, lease: &mut Lease) {
        self.status.borrow_mut().loads += 1;
        lease.loaded = true;
    }

    async fn load(&self, lease: &mut Lease, model: Model) -> Result<ModelInfo> {
        let worker = self.worker(lease)?;
        let (device, precision) = ("auto".into(), Precision::F32);
        worker.ask(&Ask::Load { model, device, precision }).await;
        let heard = tokio::time::timeout(LOAD, worker.hear()).await;
        lease.used = Some(Instant::now());
        match heard {
            Ok(Some(Say::Loaded { info, .. })) => {
                if !lease.loaded {
                    self.loaded(lease);
                }
                Ok(info)
            }
            Ok(Some(Say::Failed { message, .. })) => Err(Error::new(ErrorKind::ModelMissing, message)),
            _ => Err(failure(ErrorKind::Unavailable, self.end(lease).await)),
        }
    }

    async fn separate(&self, mut lease: OwnedMutexGuard<Lease>, message: Separate) -> Outcome {
        let Separate { running, folder, model, device, precision, sources, layout, stats, input } = message;
        if running.cancelled() {
            return Outcome::Interrupted;
        }
        let task = running.job().0.clone();
        let ask = Ask::Separate(Box::new(protocol::Separate {
            task: task.clone(),
            model: model.clone(),
            device,
            precision,
            sources,
            mix: folder.work().join("mix.f32"),
            stats,
            input,
            stems: folder.stems(),
            layout,
        }));
        match self.worker(&mut lease) {
            Ok(worker) => worker.ask(&ask).await,
            Err(error) => return Outcome::Failed(error),
        }
        let mut progressed = false;
        let mut asked_to_stop = false;
        let mut deadline = Instant::now() + self.stall;
        loop {
            let Some(worker) = lease.worker.as_mut() else { return Outcome::Interrupted };
            let say = tokio::select! {
                say = worker.hear() => say,
                () = running.wait_cancelled(), if !asked_to_stop => {
                    asked_to_stop = true;
                    worker.ask(&Ask::Cancel { task: task.clone() }).await;
                    deadline = Instant::now() + GRACE;
                    continue;
                }
                () = sleep_until(deadline) => {
                    let how = self.end(&mut lease).await;
                    if asked_to_stop {
                        return Outcome::Interrupted;
                    }
                    let stall = self.stall.as_secs_f64();
                    tracing::warn!(job = %task, how, "worker hung, killed");
                    let error = Error::new(ErrorKind::Separation, format!("the worker made no progress for {stall} s"));
                    return Outcome::Crashed { error, progressed };
                }
            };
            if !asked_to_stop {
                deadline = Instant::now() + self.stall;
            }
            lease.used = Some(Instant::now());
            match say {
                Some(Say::Loaded { .. }) => self.loaded(&mut lease),
                Some(Say::Progress { task: of, done }) if of == task => running.progress(done),
                Some(Say::Checkpoint { task: of, .. }) if of == task => progressed = true,
                Some(Say::Done { task: of, summary, ran }) if of == task => {
                    self.status.borrow_mut().jobs += 1;
                    return Outcome::Separated(Box::new(Separated {
                        model: ran.model,
                        device: ran.device,
                        layout,
                        summary,
                        precision: ran.precision,
                        batch: ran.batch,
                        sha256: digests(&model),
                        notes: ran.notes,
                    }));
                }
                Some(Say::Failed { task: of, reason, message }) if of == task => {
                    return failed(reason, message);
                }
                Some(_) => {}
                None => {
                    let how = self.end(&mut lease).await;
                    tracing::warn!(job = %task, how, "worker died");
                    if asked_to_stop {
                        return Outcome::Interrupted;
                    }
                    return Outcome::Crashed { error: failure(ErrorKind::Separation, how), progressed };
                }
            }
        }
    }
}

fn failed(reason: Reason, message: String) -> Outcome {
    let kind = match reason {
        Reason::Cancelled => return Outcome::Interrupted,
        Reason::DiskFull => ErrorKind::DiskFull,
        Reason::OutOfMemory => ErrorKind::OutOfMemory,
        Reason::Io | Reason::NonFinite => ErrorKind::Separation,
        Reason::Model => ErrorKind::ModelMissing,
        Reason::ModelCorrupt => ErrorKind::ModelCorrupt,
        Reason::Device => ErrorKind::Unavailable,
        Reason::Panic => ErrorKind::Internal,
    };
    Outcome::Failed(Error::new(kind, message))
}
