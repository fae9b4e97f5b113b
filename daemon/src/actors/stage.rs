//! A stage that runs: its cancellation and its progress.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use harmonix_engine::Monitor;
use harmonix_ipc::JobId;
use tokio::sync::Notify;

/// A stage reports progress at most this often.
const REPORT_EVERY: u64 = 100;

/// A running stage, as the computation and the queue share it.
#[derive(Clone)]
pub struct Running(Arc<Inner>);

type Report = Box<dyn Fn(&JobId, f64) + Send + Sync>;

struct Inner {
    job: JobId,
    cancelled: AtomicBool,
    wake: Notify,
    begun: Instant,
    reported: AtomicU64,
    report: Report,
}

impl Running {
    /// The job that the stage belongs to.
    pub fn job(&self) -> &JobId {
        &self.0.job
    }

    /// Asks the stage to stop.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Relaxed);
        self.0.wake.notify_one();
    }

    /// Waits until somebody asks the stage to stop.
    pub async fn wait_cancelled(&self) {
        while !self.cancelled() {
            self.0.wake.notified().await;
        }
    }
}

impl Monitor for Running {
    fn progress(&self, done: f64) {
        let now = self.0.begun.elapsed().as_millis() as u64 + REPORT_EVERY;
        let last = self.0.reported.load(Relaxed);
        if now >= last + REPORT_EVERY && self.0.reported.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
        {
            (self.0.report)(&self.0.job, done);
        }
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed)
    }
}

/// Every stage that runs. It outlives the actor that started them, so that one which takes over can wait for
/// their end before it starts others in the same folders.
#[derive(Clone, Default)]
pub struct Stages(Arc<Mutex<Vec<Weak<Inner>>>>);

impl Stages {
    /// Registers a stage of a job; `report` hears its progress as a fraction of the stage.
    pub fn begin(&self, job: JobId, report: impl Fn(&JobId, f64) + Send + Sync + 'static) -> Running {
        let running = Running(Arc::new(Inner {
            job,
            cancelled: AtomicBool::new(false),
            wake: Notify::new(),
            begun: Instant::now(),
            reported: AtomicU64::new(0),
            report: Box::new(report),
        }));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|stage| stage.strong_count() > 0);
        all.push(Arc::downgrade(&running.0));
        running
    }

    /// Asks all of them to stop and waits until they have.
    pub async fn end_all(&self) {
        loop {
            let alive: Vec<_> = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .filter_map(Weak::upgrade)
                .collect();
            if alive.is_empty() {
                return;
            }
            alive.into_iter().for_each(|stage| Running(stage).cancel());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
