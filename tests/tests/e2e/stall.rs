//! Time that passes otherwise than it should: workers that stand still, clocks that jump.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{Format, Job, JobState};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{blip, draft, faketime, noise, not_tested};

fn digests(job: &Job) -> Vec<(String, String)> {
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job.files.iter().map(|file| (file.stem.clone(), file.blake3.clone())).collect()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// Three segments, so that there is a checkpoint on the way.
fn song() -> Vec<u8> {
    wav(&noise(8_000, 1, 50.0), SampleFormat::I16, &Tags::default())
}

/// A job in the middle of its separation, with its worker.
fn separating(daemon: &Daemon) -> (Job, u32) {
    let job = daemon.submit("x.wav", &song(), draft(Format::Flac16)).unwrap();
    daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress >= 0.4);
    (job, daemon.worker())
}

/// Longer than the limit: another worker goes on from the checkpoint.
#[test]
fn a_worker_that_stands_still_is_replaced() {
    let daemon = Setup::new().config("worker.stall = 2.0").start();
    let job = daemon.submit("x.wav", &song(), draft(Format::Flac16)).unwrap();
    let expected = digests(&daemon.finished(&job.id));
    let (job, worker) = separating(&daemon);
    signal(worker, Signal::STOP);
    let job = daemon.finished(&job.id);
    assert_eq!(digests(&job), expected);
    let retried: Vec<_> = job.events.iter().filter(|event| event.kind == "retried").collect();
    assert!(retried.len() == 1 && retried[0].message.contains("no progress"), "{:?}", job.events);
    Daemon::wait_gone(worker);
}

/// Shorter than the limit: nothing happens.
#[test]
fn a_worker_that_stands_still_for_a_while_goes_on() {
    let daemon = Setup::new().config("worker.stall = 60.0").start();
    let job = daemon.submit("x.wav", &song(), draft(Format::Flac16)).unwrap();
    let expected = digests(&daemon.finished(&job.id));
    let (job, worker) = separating(&daemon);
    signal(worker, Signal::STOP);
    thread::sleep(Duration::from_secs(2)); // the standstill itself
    assert_eq!(daemon.show(&job.id).state, JobState::Separating);
    signal(worker, Signal::CONT);
    let job = daemon.finished(&job.id);
    assert_eq!(digests(&job), expected);
    assert!(job.events.iter().all(|event| event.kind != "retried"), "{:?}", job.events);
    assert_eq!(daemon.worker(), worker);
}

/// The wall clock jumps by a day, forwards and backwards, while jobs run. The monotonic clock, as the kernel promises,
/// does not.
#[test]
fn jobs_do_not_care_for_jumps_of_the_clock() {
    let Some(library) = faketime() else {
        return not_tested("jumps of the clock: libfaketime is not installed");
    };
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    let jump = |offset: &str| {
        // at once: the daemon reads it whenever it looks at the clock
        fs::write(clock.with_extension("new"), offset).unwrap();
        fs::rename(clock.with_extension("new"), &clock).unwrap();
    };
    jump("+0");
    let mut daemon = Setup::new()
        .config("worker.stall = 20.0")
        .env("LD_PRELOAD", library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    let job = daemon.submit("x.wav", &song(), draft(Format::Flac16)).unwrap();
    let undisturbed = daemon.finished(&job.id);
    let expected = digests(&undisturbed);

    let began = Instant::now();
    let (job, worker) = separating(&daemon);
    jump("+1d");
    let waiting = daemon.submit("y.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    let shift = waiting.created_at - undisturbed.created_at;
    assert!(shift > 86_000.0, "the clock does not jump at all: {shift}");
    daemon.until(&job.id, |job| job.progress >= 0.7);
    jump("-1d");
    let job = daemon.finished(&job.id);
    assert_eq!(digests(&job), expected);
    assert!(job.events.iter().all(|event| event.kind != "retried"), "{:?}", job.events);
    assert_eq!(daemon.worker(), worker, "the worker was idle for a day, or hung for one, by the wrong clock");
    assert_eq!(daemon.finished(&waiting.id).state, JobState::Completed);
    assert!(began.elapsed() < Duration::from_secs(600));

    // what was submitted on another day is still known, in the order of submission
    let last = daemon.submit("z.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert!(last.created_at < job.created_at);
    daemon.crash_and_restart();
    assert_eq!(daemon.finished(&last.id).state, JobState::Completed);
    let list = daemon.client().call(harmonix_ipc::ListJobs::default()).unwrap().jobs;
    let ids: Vec<_> = list.into_iter().rev().map(|job| job.id).collect();
    assert_eq!(ids, [undisturbed.id, job.id, waiting.id, last.id]);
}
