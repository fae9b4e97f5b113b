//! The socket itself: hostile lines and frames, events, parity of commands and verbs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use harmonix_ipc::{COMMANDS, Event, Flow, Format, JobState, Jobs, Request, Watch, frame};
use harmonix_tests::{
    harness::{Daemon, InProcess},
    rng::Rng,
};

use crate::support::{blip, draft, song};

fn connect(socket: &std::path::Path) -> (UnixStream, BufReader<UnixStream>) {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut greeting = String::new();
    reader.read_line(&mut greeting).unwrap();
    assert!(greeting.contains("\"protocol\":1"), "{greeting}");
    (stream, reader)
}

/// What a person types into socat.
#[test]
fn a_line_that_a_person_types_is_answered() {
    let daemon = Daemon::start();
    let (mut stream, mut reader) = connect(&daemon.socket());
    let mut ask = |line: &str| {
        stream.write_all(line.as_bytes()).unwrap();
        let mut reply = String::new();
        reader.read_line(&mut reply).unwrap();
        serde_json::from_str::<serde_json::Value>(&reply).unwrap()
    };
    assert_eq!(ask("{\"command\":\"status\"}\n")["reply"], "status");
    assert_eq!(ask("{\"command\":\"hello\",\"protocol\":1}\n")["protocol"], 1);
    assert_eq!(ask("{\"command\":\"hello\",\"protocol\":2}\n")["kind"], "invalid_request");
    assert_eq!(ask("help\n")["kind"], "invalid_request");
    assert_eq!(ask("\n")["kind"], "invalid_request");
    assert_eq!(ask("{\"command\":\"show\",\"job\":\"nonsense\"}\n")["kind"], "not_found");
    assert_eq!(ask("{\"command\":\"config_check\",\"text\":\"x = 1\"}\n")["kind"], "config");
    assert_eq!(ask("{\"command\":\"jobs\"}\n")["total"], 0);
}

/// [CTL-10] 12 000 hostile lines and frames: each is refused or ends its connection, and the daemon goes on.
#[test]
fn hostile_bytes_do_not_hurt() {
    let daemon = Daemon::start();
    let mut rng = Rng::new(11);
    // what has replies of one line only: uploads, downloads and streams wait for more, and a pull asks the network
    let is_call = |line: &&str| serde_json::from_str::<Request>(line).unwrap().info().flow == Flow::Call;
    let seeds: Vec<&str> =
        include_str!("../../../ipc-schema/tests/golden/requests.jsonl").lines().filter(is_call).collect();
    let mut sent = 0;
    while sent < 12_000 {
        let (mut stream, mut reader) = connect(&daemon.socket());
        for _ in 0..200 {
            let mut line = seeds[rng.below(seeds.len())].as_bytes().to_vec();
            for _ in 0..1 + rng.below(8) {
                let at = rng.below(line.len().max(1)).min(line.len().saturating_sub(1));
                match rng.below(4) {
                    0 if !line.is_empty() => line[at] = rng.bits() as u8,
                    1 => line.insert(at, rng.bits() as u8),
                    2 if !line.is_empty() => drop(line.remove(at)),
                    _ => line.truncate(at),
                }
            }
            line.retain(|byte| *byte != b'\n');
            line.push(b'\n');
            sent += 1;
            if stream.write_all(&line).is_err() {
                break;
            }
            let mut reply = String::new();
            if reader.read_line(&mut reply).unwrap() == 0 {
                break;
            }
            let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
            // doctor writes and starts things: rarely hit by chance, and fine
            assert!(reply["reply"].is_string(), "{reply}");
        }
    }
    // a line without an end, a frame that is too long, half a frame, deep nesting
    for bytes in [
        vec![b'x'; frame::REQUEST_LIMIT + 10],
        b"{\"command\":\"submit\",\"name\":\"x\"}\n\xff\xff\xff\xf0".to_vec(),
        b"{\"command\":\"submit\",\"name\":\"x\"}\n\x00\x00\x10\x00abc".to_vec(),
        [vec![b'['; 60_000], b"\n".to_vec()].concat(),
    ] {
        let (mut stream, mut reader) = connect(&daemon.socket());
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
    }
    let status = daemon.status();
    assert!(status.actors.iter().all(|actor| actor.alive && actor.restarts == 0));
    assert_eq!((daemon.files(), status.active), (Vec::<String>::new(), 0));
}

/// [SEP-12, CTL-08] Snapshot, then progress that only grows, in many steps, then the end.
#[test]
fn watching_shows_every_step() {
    let daemon = Daemon::start();
    let job = daemon.submit("x.wav", &song(30.0), draft(Format::Flac16)).unwrap();
    let events = daemon.events(&job.id);
    assert!(matches!(&events[0], Event::Snapshot { jobs } if jobs.len() == 1));
    let mut jobs = Jobs::default();
    let mut progress = Vec::new();
    let mut states = Vec::new();
    for event in events {
        jobs.apply(event);
        let job = jobs.get(&job.id).unwrap();
        progress.push(job.progress);
        states.push(job.state);
    }
    assert!(progress.is_sorted(), "{progress:?}");
    progress.dedup();
    let between = progress.iter().filter(|value| **value > 0.0 && **value < 1.0).count();
    assert!(between >= 10, "{progress:?}");
    states.dedup();
    assert_eq!(states.last(), Some(&JobState::Completed));
    assert!(
        states.is_sorted_by_key(|state| match state {
            JobState::Queued => 0,
            other => *other as u32,
        }) || states.contains(&JobState::Separating)
    );
}

/// One word for a thing everywhere.
#[test]
fn every_command_has_a_verb_of_the_client() {
    let without: Vec<_> = COMMANDS
        .iter()
        .map(|command| command.name)
        .filter(|name| *name != "hello" && harmonixctl::verb(name).is_none())
        .collect();
    assert_eq!(without, Vec::<&str>::new());
}

/// The daemon runs inside a test as well, and ends when it is told.
#[test]
fn a_daemon_in_this_process_does_the_same_job() {
    let daemon = InProcess::start();
    let mut client = harmonix_ipc::Client::connect(&daemon.socket()).unwrap();
    let submit = harmonix_ipc::Submit { name: "x.wav".into(), size: None, options: draft(Format::Flac16) };
    let job = client.submit(submit, &mut blip(44_100, 2).as_slice()).unwrap();
    let mut jobs = Jobs::default();
    for event in client.watch(Watch { job: Some(job.id.clone()) }).unwrap() {
        jobs.apply(event.unwrap());
        if jobs.get(&job.id).is_some_and(|job| job.state.is_final()) {
            break;
        }
    }
    assert_eq!(jobs.get(&job.id).unwrap().state, JobState::Completed);
    daemon.stop().unwrap();
}
