//! Pins version 1 of the protocol: every line in `golden/` reads, and writes back as it was.
//! To pin something new, add its line; lines that are there never change.

#![expect(clippy::unwrap_used, reason = "a test")]

use harmonix_ipc::{COMMANDS, ErrorKind, Event, Jobs, Reply, Request};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn round_trip<T: Serialize + DeserializeOwned>(file: &str, text: &str) -> Vec<T> {
    text.lines()
        .enumerate()
        .map(|(at, line)| {
            let value: T =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}:{}: {error}", at + 1));
            let again = serde_json::to_value(&value).unwrap();
            assert_eq!(again, serde_json::from_str::<Value>(line).unwrap(), "{file}:{}", at + 1);
            value
        })
        .collect()
}

#[test]
fn requests_of_version_1() {
    let requests: Vec<Request> = round_trip("requests.jsonl", include_str!("golden/requests.jsonl"));
    for command in COMMANDS {
        assert!(
            requests.iter().any(|request| request.info() == *command),
            "golden/requests.jsonl has no line for {}",
            command.name
        );
    }
}

#[test]
fn replies_of_version_1() {
    let replies: Vec<Reply> = round_trip("replies.jsonl", include_str!("golden/replies.jsonl"));
    assert!(replies.iter().any(|reply| matches!(reply, Reply::Job(job) if job.error.is_some())));
}

#[test]
fn events_of_version_1_fold() {
    let events: Vec<Event> = round_trip("events.jsonl", include_str!("golden/events.jsonl"));
    let mut jobs = Jobs::default();
    events.into_iter().for_each(|event| jobs.apply(event));
    let left: Vec<_> = jobs.all().iter().map(|job| (job.id.0.as_str(), job.progress)).collect();
    assert_eq!(left, [("1k3v9c0q2x7f", 0.5)]);
}

#[test]
fn what_is_not_in_the_protocol_is_refused() {
    for line in [
        r#"{"command":"status","verbose":true}"#,
        r#"{"command":"submit","name":"a.wav","options":{"quality":"best"}}"#,
        r#"{"command":"submit","name":"a.wav","options":{"colour":1}}"#,
        r#"{"command":"submit","name":"a.wav","options":{"precision":"f16"}}"#,
        r#"{"command":"model_pull"}"#,
        r#"{"command":"model_pull","model":"a","url":"http://b"}"#,
        r#"{"command":"show"}"#,
        r#"{"command":"explode"}"#,
        r#"{"status":1}"#,
        r#""status""#,
        "[]",
        "",
    ] {
        assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
    }
}

#[test]
fn a_reader_ignores_what_a_newer_daemon_adds() {
    let line = r#"{"reply":"hello","protocol":1,"server":"harmonixd 9","motto":"x"}"#;
    assert!(matches!(serde_json::from_str(line), Ok(Reply::Hello(_))));
}

#[test]
fn every_error_kind_has_its_exit_code() {
    let table: Vec<_> = ErrorKind::ALL.iter().map(|kind| (kind.to_string(), kind.exit_code())).collect();
    let expected = [
        ("invalid_request", 2),
        ("not_found", 3),
        ("conflict", 1),
        ("busy", 1),
        ("denied", 1),
        ("quota", 1),
        ("cancelled", 130),
        ("unsupported_format", 4),
        ("audio_load", 4),
        ("too_large", 4),
        ("model_missing", 5),
        ("model_corrupt", 5),
        ("separation", 5),
        ("analysis", 5),
        ("lyrics", 5),
        ("out_of_memory", 5),
        ("disk_full", 5),
        ("config", 1),
        ("unavailable", 6),
        ("internal", 1),
    ];
    assert_eq!(table, expected.map(|(name, code)| (name.to_owned(), code)));
}
