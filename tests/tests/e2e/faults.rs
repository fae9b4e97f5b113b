//! Panics on purpose: in a computation, in an engine, in an actor. The daemon survives each.

use harmonix_ipc::{Client, ErrorKind, Format, JobState, ListJobs};
use harmonix_tests::harness::Setup;

use crate::support::{blip, draft, only_source};

/// [SEP-13] One job fails with a typed error; the daemon's process and the next job do not notice.
#[test]
fn a_panic_costs_one_job() {
    for fault in ["panic@1", "ingest@1", "export@1", "ingest_actor@1", "export_actor@1", "separator_actor@1"]
    {
        let daemon = Setup::new().env("HARMONIX_FAULT", fault).start();
        let pid = daemon.pid();
        let first = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
        let first = daemon.finished(&first.id);
        let left = only_source(&first.id);
        assert_eq!(first.error.map(|error| error.kind), Some(ErrorKind::Internal), "{fault}");
        let second = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
        let second = daemon.finished(&second.id);
        assert_eq!(second.state, JobState::Completed, "{fault}: {:?}", second.error);
        let status = daemon.status();
        assert_eq!(status.pid, pid);
        let rebuilt: u32 = status.actors.iter().map(|actor| actor.restarts).sum();
        assert_eq!(rebuilt, u32::from(fault.contains("actor")), "{fault}: {:?}", status.actors);
        assert!(status.actors.iter().all(|actor| actor.alive));
        assert!(
            daemon.files().iter().all(|file| file.contains(&second.id.0) || left.contains(file)),
            "{fault}: {:?}",
            daemon.files()
        );
    }
}

/// The queue itself is rebuilt from the store, and its jobs go on.
#[test]
fn a_panic_of_the_queue_loses_no_job() {
    let daemon = Setup::new().env("HARMONIX_FAULT", "jobs_actor@2").start();
    let pid = daemon.pid();
    let song = blip(44_100, 2);
    // the second stage that begins takes the queue down
    let _ = daemon.submit("x.wav", &song, draft(Format::Flac16));
    let jobs = loop {
        // watchers of the queue that died are cut off, so ask until the job has ended
        let mut client = Client::connect(&daemon.socket()).unwrap();
        if let Ok(list) = client.call(ListJobs::default())
            && list.jobs.iter().all(|job| job.state.is_final())
        {
            break list.jobs;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].state, JobState::Completed, "{:?}", jobs[0].error);
    let status = daemon.status();
    assert_eq!(status.pid, pid);
    assert_eq!(status.actors.iter().find(|actor| actor.name == "jobs").map(|actor| actor.restarts), Some(1));
}

/// Not finite or out of memory: typed, and nothing is handed out.
#[test]
fn a_model_that_misbehaves_fails_the_job_with_a_kind() {
    for (fault, kind) in [("nan@1", ErrorKind::Separation), ("oom@1", ErrorKind::OutOfMemory)] {
        let daemon = Setup::new().env("HARMONIX_FAULT", fault).start();
        let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
        let job = daemon.finished(&job.id);
        assert_eq!((job.state, job.error.map(|error| error.kind)), (JobState::Failed, Some(kind)), "{fault}");
        assert_eq!(daemon.files(), only_source(&job.id));
    }
}
