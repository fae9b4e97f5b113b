//! Nothing is lost, whatever is killed.

use harmonix_ipc::{ErrorKind, Format, Job, JobState};
use harmonix_tests::harness::{Daemon, Setup};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{blip, draft, long_song, only_source};

/// Hashes of the outputs.
fn digests(job: &Job) -> Vec<(String, String)> {
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job.files.iter().map(|file| (file.stem.clone(), file.blake3.clone())).collect()
}

fn undisturbed(daemon: &Daemon, song: &[u8]) -> Vec<(String, String)> {
    let job = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
    digests(&daemon.finished(&job.id))
}

/// The manifest without the job's id.
fn manifest(daemon: &Daemon, job: &Job) -> String {
    let out = daemon.state().join("jobs").join(&job.id.0).join("out");
    std::fs::read_to_string(out.join(job.manifest.as_ref().unwrap())).unwrap().replacen(&job.id.0, "", 1)
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

/// [LIB-01, BEY-05, BEY-13, SEP-13] The manifest has the same bytes too.
#[test]
fn a_killed_worker_costs_a_retry_and_not_a_bit() {
    let daemon = Daemon::start();
    let song = long_song();
    let first = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
    let first = daemon.finished(&first.id);
    let expected = digests(&first);
    for at in [0.15, 0.5, 0.8] {
        let job = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
        daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress >= at);
        kill(daemon.worker());
        let job = daemon.finished(&job.id);
        assert_eq!(digests(&job), expected, "killed at {at}");
        assert_eq!(manifest(&daemon, &job), manifest(&daemon, &first), "killed at {at}");
        let retried = job.events.iter().find(|event| event.kind == "retried").expect("the retry is told");
        assert!(retried.message.contains("signal 9"), "{}", retried.message);
    }
}

/// [LIB-01, BEY-05] In every stage.
#[test]
fn a_killed_daemon_takes_its_jobs_up_again() {
    let mut daemon = Daemon::start();
    let song = long_song();
    let expected = undisturbed(&daemon, song);
    for (state, at) in [
        (JobState::Queued, 0.0),
        (JobState::Ingesting, 0.0),
        (JobState::Separating, 0.3),
        (JobState::Separating, 0.7),
        (JobState::Exporting, 0.0),
    ] {
        let job = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
        if state != JobState::Queued {
            daemon.until(&job.id, |job| job.state == state && job.progress >= at);
        }
        let worker = daemon.status().worker.map(|worker| worker.pid);
        daemon.crash_and_restart();
        worker.into_iter().for_each(Daemon::wait_gone);
        assert_eq!(digests(&daemon.finished(&job.id)), expected, "killed while {state}");
    }
    assert!(
        daemon.files().iter().all(|file| !file.contains("work") && !file.contains(".part")),
        "{:?}",
        daemon.files()
    );
}

/// [SYS-03]
#[test]
fn an_orderly_stop_loses_nothing_and_leaves_no_process() {
    let mut daemon = Daemon::start();
    let song = long_song();
    let expected = undisturbed(&daemon, song);
    let job = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
    let waiting = daemon.submit("y.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress >= 0.5);
    let worker = daemon.worker();
    assert!(daemon.stop().success());
    assert!(!daemon.socket().exists());
    Daemon::wait_gone(worker);
    daemon.restart_with(&[]);
    assert_eq!(digests(&daemon.finished(&job.id)), expected);
    assert_eq!(daemon.finished(&waiting.id).state, JobState::Completed);
}

/// A job that kills every worker fails, with the signal named, and the daemon goes on.
#[test]
fn a_job_that_kills_its_worker_twice_fails() {
    let daemon = Setup::new().env("HARMONIX_FAULT", "abort@1").start();
    let pid = daemon.pid();
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    let job = daemon.finished(&job.id);
    let error = job.error.expect("an error");
    assert_eq!((job.state, error.kind), (JobState::Failed, ErrorKind::Separation));
    assert!(error.message.contains("signal 6"), "{error}");
    assert_eq!(daemon.status().pid, pid);
    assert_eq!(daemon.files(), only_source(&job.id));
}

/// A hung worker is replaced.
#[test]
fn a_hung_worker_is_killed_and_the_job_does_not_hang() {
    let daemon = Setup::new().config("worker.stall = 1.0").env("HARMONIX_FAULT", "hang@1").start();
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    let error = daemon.finished(&job.id).error.expect("an error");
    assert!(error.message.contains("no progress"), "{error}");
    assert!(daemon.status().worker.is_none_or(|worker| !worker.busy));
}

/// [SEP-08] The worker stays warm between jobs and goes when it is idle.
#[test]
fn a_worker_is_reused_and_then_stopped() {
    let daemon = Setup::new().config("worker.idle = 1.0").start();
    for _ in 0..3 {
        let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
        daemon.finished(&job.id);
    }
    let worker = daemon.status().worker.expect("a warm worker");
    assert_eq!((worker.jobs, worker.loads, worker.busy), (3, 1, false));
    Daemon::wait_gone(worker.pid);
    assert_eq!(daemon.status().worker, None);
}
