//! [BEY-06] Holding jobs, holding the queue, and who goes first.

use harmonix_ipc::{
    Cancel, Delete, Error, ErrorKind, Format, Job, JobOptions, JobState, Pause, Prioritise, Priority,
    QueuePause, QueueResume, Resume,
};
use harmonix_tests::harness::Daemon;

use crate::support::{blip, draft, long_song};

fn separating(daemon: &Daemon) -> Job {
    let job = daemon.submit("long.wav", long_song(), draft(Format::Flac16)).unwrap();
    daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress > 0.3)
}

/// Digests of the outputs by stem.
fn digests(job: &Job) -> Vec<(String, String)> {
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job.files.iter().map(|file| (file.stem.clone(), file.blake3.clone())).collect()
}

fn undisturbed() -> Vec<(String, String)> {
    let daemon = Daemon::start();
    let job = daemon.submit("long.wav", long_song(), draft(Format::Flac16)).unwrap();
    digests(&daemon.finished(&job.id))
}

#[test]
fn a_held_job_stops_and_goes_on_with_the_same_bits() {
    let mut daemon = Daemon::start();
    let job = separating(&daemon);
    let held = daemon.client().call(Pause { job: job.id.clone() }).unwrap();
    assert_eq!(held.state, JobState::Paused);
    assert!(!daemon.status().worker.is_some_and(|worker| worker.busy));
    // the device is free for others
    let other = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert_eq!(daemon.finished(&other.id).state, JobState::Completed);
    assert_eq!(daemon.client().call(Pause { job: job.id.clone() }).unwrap().state, JobState::Paused);

    daemon.crash_and_restart();
    assert_eq!(daemon.show(&job.id).state, JobState::Paused);
    let resumed = daemon.client().call(Resume { job: job.id.clone() }).unwrap();
    assert!(resumed.progress > 0.3, "{}", resumed.progress);
    assert_eq!(digests(&daemon.finished(&job.id)), undisturbed());
}

#[test]
fn what_cannot_be_held_is_said() {
    let daemon = Daemon::start();
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    daemon.finished(&job.id);
    let mut client = daemon.client();
    let kinds = [
        client.call(Pause { job: job.id.clone() }).map_err(Error::from).unwrap_err().kind,
        client.call(Resume { job: job.id.clone() }).map_err(Error::from).unwrap_err().kind,
        client
            .call(Prioritise { job: job.id.clone(), priority: Priority::High })
            .map_err(Error::from)
            .unwrap_err()
            .kind,
    ];
    assert_eq!(kinds, [ErrorKind::Conflict; 3]);
    let none = harmonix_ipc::JobId("none".into());
    assert_eq!(client.call(Pause { job: none }).map_err(Error::from).unwrap_err().kind, ErrorKind::NotFound);
    let running = separating(&daemon);
    assert_eq!(
        client.call(Resume { job: running.id.clone() }).map_err(Error::from).unwrap_err().kind,
        ErrorKind::Conflict
    );
    // a held job ends like any other
    client.call(Pause { job: running.id.clone() }).unwrap();
    assert_eq!(client.call(Cancel { job: running.id.clone() }).unwrap().state, JobState::Cancelled);
    client.call(Delete { job: running.id }).unwrap();
    assert!(daemon.files().iter().all(|file| file.contains(&job.id.0)), "{:?}", daemon.files());
}

#[test]
fn a_job_of_high_priority_takes_the_device_over() {
    let daemon = Daemon::start();
    let long = separating(&daemon);
    let high = JobOptions { priority: Priority::High, ..draft(Format::Flac16) };
    let urgent = daemon.submit("x.wav", &blip(44_100, 2), high).unwrap();
    let urgent = daemon.finished(&urgent.id);
    assert_eq!(urgent.state, JobState::Completed);
    assert!(!daemon.show(&long.id).state.is_final());
    let long = daemon.finished(&long.id);
    assert!(long.events.iter().any(|event| event.kind == "preempted"), "{:?}", long.events);
    assert!(urgent.finished_at < long.finished_at);
    assert_eq!(digests(&long), undisturbed());
}

#[test]
fn a_job_that_is_prioritised_overtakes() {
    let daemon = Daemon::start();
    daemon.client().call(QueuePause {}).unwrap();
    let jobs: Vec<_> =
        (0..3).map(|_| daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap()).collect();
    let last = jobs[2].id.clone();
    daemon.client().call(Prioritise { job: last, priority: Priority::High }).unwrap();
    daemon.client().call(Prioritise { job: jobs[0].id.clone(), priority: Priority::Low }).unwrap();
    daemon.client().call(QueueResume {}).unwrap();
    let ended: Vec<_> = jobs.iter().map(|job| daemon.finished(&job.id).finished_at).collect();
    assert!(ended[2] < ended[1] && ended[1] < ended[0], "{ended:?}");
}

#[test]
fn a_held_queue_lets_nothing_begin_over_a_restart() {
    let mut daemon = Daemon::start();
    daemon.client().call(QueuePause {}).unwrap();
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert!(daemon.status().paused);
    daemon.crash_and_restart();
    assert!(daemon.status().paused);
    let second = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert_eq!(daemon.show(&job.id).state, JobState::Queued);
    let output = daemon.ctl(["queue", "resume", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
    assert_eq!(daemon.finished(&second.id).state, JobState::Completed);
    assert!(!daemon.status().paused);
}
