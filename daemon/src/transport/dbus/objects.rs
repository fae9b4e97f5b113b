//! The jobs' objects: they come and go with the events of the queue.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use harmonix_ipc::{Event, Job, JobId};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use zbus::{Connection, Variant, object_server::SignalEmitter};

use super::{
    ROOT,
    bridge::Bridge,
    job::{self, JobObject, View, path},
    manager::Manager,
};
use crate::{actors::jobs::Subscribe, caller::Caller, config::Config, router::Router};

/// Changes of progress are told at most so often.
const PROGRESS: Duration = Duration::from_millis(250);

/// A job's object.
struct Shown {
    view: Arc<Mutex<View>>,
    /// What was told last.
    told: View,
    ended: bool,
}

/// All objects.
pub(super) struct Objects {
    queue: Arc<AtomicU32>,
    /// Finished jobs that keep their objects, and for how long.
    kept: (usize, Duration),
    bridge: RefCell<Option<Bridge>>,
    shown: RefCell<BTreeMap<JobId, Shown>>,
    /// Finished ones, the oldest first.
    ended: RefCell<VecDeque<(Instant, JobId)>>,
}

impl Objects {
    /// No object yet.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            queue: Arc::default(),
            kept: (config.dbus.finished, Duration::from_secs_f64(config.dbus.finished_for)),
            bridge: RefCell::default(),
            shown: RefCell::default(),
            ended: RefCell::default(),
        }
    }

    /// How many jobs are not in a final state.
    pub(super) fn queue(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.queue)
    }

    /// Objects will ask through this bridge.
    pub(super) fn begin(&self, bridge: Bridge) {
        self.bridge.replace(Some(bridge));
    }

    /// Follows the queue for ever.
    pub(super) async fn keep(&self, router: &Router, connection: &Connection) {
        let all = Caller { uid: 0, admin: true };
        loop {
            let Ok(Ok(mut events)) = router.jobs.call(Subscribe(all, None)).await else {
                sleep(Duration::from_secs(1)).await;
                continue;
            };
            let mut tick = interval(PROGRESS);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut waiting = false;
            loop {
                let eviction = self.ended.borrow().front().map(|(at, _)| *at + self.kept.1);
                let done = tokio::select! {
                    event = events.recv() => match event {
                        None => break,
                        Some(event) => self.take(connection, event, &mut waiting).await,
                    },
                    _ = tick.tick(), if waiting => {
                        waiting = false;
                        self.tell_all(connection).await
                    }
                    () = sleep_until(eviction.unwrap_or_else(Instant::now)), if eviction.is_some() => {
                        self.evict(connection).await
                    }
                };
                if let Err(error) = done {
                    tracing::debug!(%error, "the bus was not told");
                }
            }
            // fell behind, or the queue was built anew: the next snapshot says what is true
        }
    }

    async fn take(&self, connection: &Connection, event: Event, waiting: &mut bool) -> zbus::Result<()> {
        match event {
            Event::Snapshot { jobs } => {
                let gone: Vec<_> = {
                    let shown = self.shown.borrow();
                    shown.keys().filter(|id| jobs.iter().all(|job| job.id != **id)).cloned().collect()
                };
                for id in gone {
                    self.remove(connection, &id).await?;
                }
                for job in &jobs {
                    self.see(connection, job).await?;
                }
            }
            Event::Job { job } => self.see(connection, &job).await?,
            Event::Progress { id, progress, .. } => {
                if let Some(shown) = self.shown.borrow().get(&id) {
                    shown.view.lock().unwrap_or_else(PoisonError::into_inner).progress = progress;
                    *waiting = true;
                }
            }
            Event::Removed { id } => self.remove(connection, &id).await?,
            Event::Lagged {} => {}
        }
        Ok(())
    }

    /// A job as it is now: makes its object if it has none, and tells what changed.
    async fn see(&self, connection: &Connection, job: &Job) -> zbus::Result<()> {
        if !self.shown.borrow().contains_key(&job.id) {
            if job.state.is_final() {
                return Ok(());
            }
            self.add(connection, job).await?;
        }
        let ended = {
            let mut shown = self.shown.borrow_mut();
            let Some(shown) = shown.get_mut(&job.id) else { return Ok(()) };
            *shown.view.lock().unwrap_or_else(PoisonError::into_inner) = View::of(job);
            !std::mem::replace(&mut shown.ended, job.state.is_final()) && job.state.is_final()
        };
        self.tell(connection, &job.id).await?;
        if ended {
            self.ended.borrow_mut().push_back((Instant::now(), job.id.clone()));
            self.count(connection).await?;
            self.evict(connection).await?;
        }
        Ok(())
    }

    async fn add(&self, connection: &Connection, job: &Job) -> zbus::Result<()> {
        let Some(bridge) = self.bridge.borrow().clone() else { return Ok(()) };
        let view = Arc::new(Mutex::new(View::of(job)));
        let object = JobObject {
            bridge,
            id: job.id.clone(),
            owner: job.owner,
            created_at: job.created_at,
            view: Arc::clone(&view),
        };
        connection.object_server().at(path(&job.id), object).await?;
        self.shown.borrow_mut().insert(job.id.clone(), Shown { view, told: View::of(job), ended: false });
        Manager::job_new(&SignalEmitter::new(connection, ROOT)?, &job.id.0, path(&job.id)).await?;
        self.count(connection).await
    }

    async fn remove(&self, connection: &Connection, id: &JobId) -> zbus::Result<()> {
        if self.shown.borrow_mut().remove(id).is_none() {
            return Ok(());
        }
        self.ended.borrow_mut().retain(|(_, ended)| ended != id);
        connection.object_server().remove::<JobObject, _>(path(id)).await?;
        Manager::job_removed(&SignalEmitter::new(connection, ROOT)?, &id.0, path(id)).await?;
        self.count(connection).await
    }

    /// Lets the objects of jobs go that have been finished for too long, or are too many.
    async fn evict(&self, connection: &Connection) -> zbus::Result<()> {
        let (most, longest) = self.kept;
        loop {
            let oldest = {
                let ended = self.ended.borrow();
                let due = |(at, _): &&(Instant, JobId)| ended.len() > most || at.elapsed() >= longest;
                ended.front().filter(due).map(|(_, id)| id.clone())
            };
            let Some(id) = oldest else { return Ok(()) };
            self.remove(connection, &id).await?;
        }
    }

    async fn tell_all(&self, connection: &Connection) -> zbus::Result<()> {
        let ids: Vec<_> = self.shown.borrow().keys().cloned().collect();
        for id in ids {
            self.tell(connection, &id).await?;
        }
        Ok(())
    }

    /// Tells what is different from what was told last, in one signal.
    async fn tell(&self, connection: &Connection, id: &JobId) -> zbus::Result<()> {
        let changes = {
            let mut shown = self.shown.borrow_mut();
            let Some(shown) = shown.get_mut(id) else { return Ok(()) };
            let now = shown.view.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let changes = now.changes(&shown.told);
            shown.told = now;
            changes
        };
        if changes.is_empty() {
            return Ok(());
        }
        changed(&SignalEmitter::new(connection, path(id))?, job::NAME, changes).await
    }

    /// Counts the queue, and tells when it has changed.
    async fn count(&self, connection: &Connection) -> zbus::Result<()> {
        let active = self.shown.borrow().values().filter(|shown| !shown.ended).count();
        let active = u32::try_from(active).unwrap_or(u32::MAX);
        if self.queue.swap(active, Relaxed) == active {
            return Ok(());
        }
        let changes = vec![("QueueLength", Variant::from(active))];
        changed(&SignalEmitter::new(connection, ROOT)?, "org.harmonix1.Manager", changes).await
    }
}

async fn changed(
    emitter: &SignalEmitter<'_>,
    interface: &str,
    changes: Vec<(&'static str, Variant<'static>)>,
) -> zbus::Result<()> {
    let changes: HashMap<_, _> = changes.into_iter().collect();
    let body = (interface, changes, Vec::<&str>::new());
    emitter.emit("org.freedesktop.DBus.Properties", "PropertiesChanged", &body).await
}
