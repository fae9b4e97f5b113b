//! What is destroyed, and when.

use std::{sync::atomic::Ordering::Relaxed, thread, time::Duration};

use harmonix_ipc::{Client, JobState, Status};
use harmonix_tests::{harness::Daemon, rng::Rng};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Told, disk::Disk, observer, processes, world::World};

/// What is destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The worker alone.
    Worker,
    /// The daemon.
    Daemon,
    /// The worker, and the daemon before it can do anything about it.
    Both,
    /// The power of the state directory's disk.
    Power,
}

impl Blow {
    /// Its name in the figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Daemon => "daemon",
            Self::Both => "worker_and_daemon",
            Self::Power => "power",
        }
    }
}

/// When it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// So long after the daemon was started.
    After(Duration),
    /// So long after a job was seen in that state.
    In(JobState, Duration),
}

impl Moment {
    /// A time at random, or a stage at random.
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let stages = [
            JobState::Queued,
            JobState::Ingesting,
            JobState::Separating,
            JobState::Separating,
            JobState::Exporting,
        ];
        match rng.below(10) {
            0..4 => Self::After(Duration::from_secs_f64(rng.range(0.0, 1.2))),
            _ => {
                let stage = stages[rng.below(stages.len())];
                // some stages last for milliseconds, some for a second
                let longest = if stage == JobState::Separating { 0.3 } else { 0.02 };
                Self::In(stage, Duration::from_secs_f64(rng.range(0.0, longest) * rng.unit()))
            }
        }
    }

    /// Waits until it has come.
    pub(crate) fn wait(self, world: &World) {
        match self {
            Self::After(time) => thread::sleep(time),
            Self::In(state, time) => {
                observer::wait_for(world, state, Duration::from_secs(3));
                thread::sleep(time);
            }
        }
    }
}

/// Strikes. What it did is counted before it is done, so that nobody is blamed for its results. Says whether there was
/// something to strike.
pub(crate) fn strike(world: &World, daemon: &mut Daemon, disk: Option<&Disk>, blow: Blow) -> Told<bool> {
    if matches!(blow, Blow::Worker | Blow::Both) && !kill_worker(world, daemon) && blow == Blow::Worker {
        return Ok(false);
    }
    if let (Blow::Power, Some(disk)) = (blow, disk) {
        world.dark.store(true, Relaxed);
        disk.cut()?;
    }
    if blow != Blow::Worker {
        world.daemon_deaths.fetch_add(1, Relaxed);
        daemon.kill();
        processes::none_left(&daemon.state())?;
    }
    Ok(true)
}

fn kill_worker(world: &World, daemon: &Daemon) -> bool {
    let Ok(mut client) = Client::connect(&world.socket) else { return false };
    let Ok(Some(worker)) = client.call(Status {}).map(|status| status.worker) else { return false };
    if !processes::is_worker(worker.pid, &daemon.state()) {
        return false;
    }
    world.worker_deaths.fetch_add(1, Relaxed);
    i32::try_from(worker.pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}
