//! Ending jobs on request.

use harmonix_ipc::{Cancel, Delete, Error, ErrorKind, Format, JobState, Show};
use harmonix_tests::harness::Daemon;

use crate::support::{blip, draft, long_song};

/// [SEP-11, ING-18]
#[test]
fn a_cancelled_job_stops_and_leaves_nothing_in_any_stage() {
    let daemon = Daemon::start();
    let song = long_song();
    for (state, at) in [
        (JobState::Queued, 0.0),
        (JobState::Ingesting, 0.0),
        (JobState::Separating, 0.3),
        (JobState::Exporting, 0.0),
    ] {
        let job = daemon.submit("x.wav", song, draft(Format::Flac16)).unwrap();
        if state != JobState::Queued {
            daemon.until(&job.id, |job| job.state == state && job.progress >= at);
        }
        let cancelled = daemon.client().call(Cancel { job: job.id.clone() }).unwrap();
        assert_eq!(cancelled.state, JobState::Cancelled, "cancelled while {state}");
        assert_eq!(daemon.files(), Vec::<String>::new(), "cancelled while {state}");
        assert!(daemon.status().worker.is_none_or(|worker| !worker.busy));
    }
    // the device is free for the next
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
}

#[test]
fn a_job_that_has_ended_cannot_be_cancelled_and_can_be_deleted() {
    let daemon = Daemon::start();
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    let id = daemon.finished(&job.id).id;
    let refused = daemon.client().call(Cancel { job: id.clone() }).map_err(Error::from).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    daemon.client().call(Delete { job: id.clone() }).unwrap();
    let gone = daemon.client().call(Show { job: id.clone() }).map_err(Error::from).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    assert_eq!(daemon.files(), Vec::<String>::new());
}

/// [LIB-12]
#[test]
fn deleting_a_running_job_cancels_it_first_and_survives_a_restart() {
    let mut daemon = Daemon::start();
    let job = daemon.submit("x.wav", long_song(), draft(Format::Flac16)).unwrap();
    daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress > 0.2);
    daemon.client().call(Delete { job: job.id.clone() }).unwrap();
    assert_eq!(daemon.files(), Vec::<String>::new());
    daemon.crash_and_restart();
    let gone = daemon.client().call(Show { job: job.id }).map_err(Error::from).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
}
