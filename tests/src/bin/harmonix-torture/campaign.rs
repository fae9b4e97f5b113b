//! Rounds of blows under clients that never stop asking.

use std::{
    env,
    sync::{PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::Instant,
};

use harmonix_ipc::{Client, Delete};
use harmonix_tests::{
    harness::{Daemon, Setup},
    rng::Rng,
};

use crate::{
    Told, audit,
    blow::{self, Blow, Moment},
    cases, client,
    disk::Disk,
    figures::count,
    ledger::Asked,
    observer, processes,
    world::World,
};

/// Rounds after which the clients are held and every job has to end.
const SETTLE: usize = 10;

/// Size of the disk whose power is cut.
const DISK: u64 = 512 << 20;

/// How long and how hard.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Blows
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Chooses songs, requests, blows and moments; what the machine makes of them differs each time
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clients at once
    #[arg(long, default_value_t = 4)]
    clients: usize,
}

/// Kills the daemon and its worker.
pub(crate) fn kills(flags: &Flags) -> Told {
    campaign(flags, None, Setup::new().start())
}

/// Cuts the power.
pub(crate) fn power(flags: &Flags) -> Told {
    let disk = Disk::image(DISK).inspect_err(|why| {
        crate::namespace::not_here(why);
        std::process::exit(i32::from(crate::NOT_HERE));
    })?;
    let daemon = Setup::new().state(disk.path().join("state")).start();
    campaign(flags, Some(disk), daemon)
}

// the daemon comes after its disk, so that it is dropped before it
fn campaign(flags: &Flags, mut disk: Option<Disk>, mut daemon: Daemon) -> Told {
    let began = Instant::now();
    let cases = cases::all();
    let expected = cases::undisturbed(&cases)?;
    let world = World::new(daemon.socket(), cases, expected);
    world.figures().seed = flags.seed;
    let told = thread::scope(|scope| {
        scope.spawn(|| observer::observe(&world));
        for number in 0..flags.clients {
            let rng = Rng::part(flags.seed, &format!("client {number}"));
            let world = &world;
            scope.spawn(move || client::live(world, rng));
        }
        let told = rounds(flags, &world, &mut daemon, disk.as_mut());
        world.over.store(true, Relaxed);
        // the observer hears of the end when its stream breaks off
        let stopped = if daemon.is_running() { stop(&mut daemon) } else { Ok(()) };
        told.and(stopped)
    });
    world.figures().seconds = began.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string_pretty(&*world.figures()).map_err(|error| error.to_string())?);
    told.map_err(|story| {
        let log = daemon.log();
        let tail: Vec<_> = log.lines().rev().take(60).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        let round = world.figures().rounds;
        format!(
            "seed {}, round {round}: {story}\n--- the daemon's last words ---\n{}",
            flags.seed,
            tail.join("\n")
        )
    })
}

fn rounds(flags: &Flags, world: &World, daemon: &mut Daemon, mut disk: Option<&mut Disk>) -> Told {
    let mut rng = Rng::part(flags.seed, "blows");
    for round in 1..=flags.rounds {
        world.figures().rounds = round;
        let blow = match (&disk, rng.below(10)) {
            (Some(_), _) => Blow::Power,
            (None, 0..6) => Blow::Daemon,
            (None, 6..9) => Blow::Worker,
            (None, _) => Blow::Both,
        };
        Moment::any(&mut rng).wait(world);
        if blow::strike(world, daemon, disk.as_deref(), blow)? {
            count(&mut world.figures().blows, blow.name());
        }
        let alone = world.gate.write().unwrap_or_else(PoisonError::into_inner);
        world.dark.store(false, Relaxed);
        if blow != Blow::Worker {
            if let Some(disk) = disk.as_deref_mut() {
                disk.power_on()?;
            }
            let took = daemon.try_launch()?;
            world.figures().restarted(took);
            audit::jobs(world, daemon, &audit::snapshot(world)?)?;
        }
        if round % SETTLE == 0 || round == flags.rounds {
            settle(world, daemon)?;
        }
        drop(alone);
        if let Some(story) = world.story() {
            return Err(story);
        }
        if env::var_os("HARMONIX_TORTURE_QUIET").is_none() && round % SETTLE == 0 {
            let figures = world.figures();
            eprintln!(
                "round {round}: {} jobs acknowledged, {} verified",
                figures.acknowledged, figures.verified
            );
        }
    }
    Ok(())
}

/// Lets every job end, looks at all of them, and removes them.
fn settle(world: &World, daemon: &Daemon) -> Told {
    let jobs = audit::settled(world)?;
    audit::jobs(world, daemon, &jobs)?;
    let store = audit::size(&daemon.state().join("store"));
    let mut figures = world.figures();
    figures.store_bytes_max = figures.store_bytes_max.max(store);
    drop(figures);
    let mut client = Client::connect(&world.socket).map_err(|error| error.to_string())?;
    for job in &jobs {
        client.call(Delete { job: job.id.clone() }).map_err(|error| format!("{} stays: {error}", job.id))?;
        if let Some(entry) = world.ledger().get_mut(&job.id) {
            entry.delete = Asked::Done;
        }
    }
    audit::jobs(world, daemon, &audit::snapshot(world)?)
}

/// An orderly end.
fn stop(daemon: &mut Daemon) -> Told {
    let state = daemon.state();
    let status = daemon.stop();
    if !status.success() {
        return Err(format!("the daemon ends with {status} on SIGTERM"));
    }
    if daemon.socket().exists() {
        return Err("the daemon leaves its socket".into());
    }
    processes::none_left(&state)
}
