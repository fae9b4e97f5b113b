//! Many at once.

use std::thread;

use harmonix_ipc::{Client, ErrorKind, Format, JobState, ListJobs};
use harmonix_tests::harness::Setup;

use crate::support::{blip, draft, long_song};

/// [SEP-07] 64 clients at once: none lost, one on the device at a time, done in order of acceptance.
#[test]
fn sixty_four_clients_lose_nothing() {
    let daemon = Setup::new().start();
    let song = blip(22_050, 1);
    let accepted: Vec<_> = thread::scope(|scope| {
        let submit =
            |at: usize| daemon.submit(&format!("{at}.wav"), &song, draft(Format::Flac16)).unwrap().id;
        let clients: Vec<_> = (0..64).map(|at| scope.spawn(move || submit(at))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut ended = Vec::new();
    for id in &accepted {
        let job = daemon.finished(id);
        assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    }
    let list = daemon.client().call(ListJobs { limit: Some(1000), ..ListJobs::default() }).unwrap();
    assert_eq!(list.total, 64);
    for job in list.jobs.into_iter().rev() {
        assert!(accepted.contains(&job.id));
        ended.push(job.finished_at.unwrap());
    }
    assert!(ended.is_sorted(), "jobs end in the order in which they were accepted");
    assert_eq!(daemon.status().worker.map(|worker| (worker.jobs, worker.loads)), Some((64, 1)));
}

/// [SYS-11] Full means `busy`, and a place that becomes free can be taken.
#[test]
fn a_full_queue_says_busy() {
    let daemon = Setup::new().config("limits.active_jobs = 4").start();
    let first = daemon.submit("long.wav", long_song(), draft(Format::Flac16)).unwrap();
    let song = blip(22_050, 1);
    let results: Vec<_> = thread::scope(|scope| {
        let submit = || daemon.submit("x.wav", &song, draft(Format::Flac16));
        let clients: Vec<_> = (0..12).map(|_| scope.spawn(submit)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 3);
    assert!(refused.into_iter().all(|error| error.unwrap_err().kind == ErrorKind::Busy));
    daemon.client().call(harmonix_ipc::Cancel { job: first.id }).unwrap();
    let again = daemon.submit("x.wav", &song, draft(Format::Flac16)).unwrap();
    assert_eq!(daemon.finished(&again.id).state, JobState::Completed);
}

#[test]
fn more_connections_than_there_are_places_are_told_so() {
    let daemon = Setup::new().config("socket.connections = 3").start();
    let held: Vec<_> = (0..3).map(|_| Client::connect(&daemon.socket()).unwrap()).collect();
    let mut extra = Client::connect(&daemon.socket()).unwrap();
    let refused = extra.call(harmonix_ipc::Status {}).map_err(harmonix_ipc::Error::from);
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Busy);
    drop(held);
    // a place becomes free as soon as the daemon has seen a client hang up
    while Client::connect(&daemon.socket()).unwrap().call(harmonix_ipc::Status {}).is_err() {
        thread::yield_now();
    }
}
