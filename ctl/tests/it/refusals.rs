//! No daemon, the wrong one, and command lines that mean nothing.

use serde_json::json;

use crate::{
    ctl,
    fake::{Fake, Plan},
};

const VERBS: &[&[&str]] = &[
    &["separate", "x"],
    &["jobs"],
    &["show", "j"],
    &["status"],
    &["watch"],
    &["cancel", "j"],
    &["delete", "j"],
    &["export", "j"],
    &["doctor"],
    &["config", "show"],
];

#[test]
fn without_a_daemon_every_verb_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("absent.sock");
    for verb in VERBS {
        let words = ctl::run(&socket, folder.path(), verb);
        assert_eq!(words.code, 6, "{verb:?}");
        assert!(
            words.stderr.contains("error: no daemon answers at") && words.stderr.contains("hint: start one")
        );
        let json = ctl::run(&socket, folder.path(), &[*verb, &["--json"]].concat());
        assert_eq!((json.code, &json.json()["error"]["kind"]), (6, &json!("unavailable")), "{verb:?}");
        assert!(json.json()["error"]["hint"].is_string() && json.json()["error"]["causes"].is_array());
    }
}

#[test]
fn another_protocol_is_named_with_both_numbers() {
    let greeting = json!({ "reply": "hello", "protocol": 41, "server": "harmonixd 9.0" });
    let fake = Fake::start(Plan { greeting, ..Plan::default() });
    let ended = fake.run(&["status"]);
    assert_eq!(ended.code, 6);
    assert!(ended.stderr.contains("harmonixd 9.0 speaks protocol 41, this client 1"), "{}", ended.stderr);
}

#[test]
fn a_daemon_that_greets_with_a_refusal() {
    let greeting = json!({ "reply": "error", "kind": "busy", "message": "too many connections" });
    let ended = Fake::start(Plan { greeting, ..Plan::default() }).run(&["status"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("error: the daemon refused: too many connections"), "{}", ended.stderr);
}

#[test]
fn whose_failure_it_is() {
    let fake = Fake::start(Plan::default());
    assert!(fake.run(&["show", "x"]).stderr.starts_with("error: the daemon refused: no such job"));
    assert_eq!(fake.run(&["show", "x", "--json"]).json()["error"]["from"], "daemon");
    assert_eq!(fake.run(&["separate", "x", "--json"]).json()["error"]["from"], "client");
}

#[test]
fn usage() {
    let fake = Fake::start(Plan::default());
    let bad = fake.run(&["jobs", "--bogus", "--json"]);
    assert_eq!((bad.code, &bad.json()["error"]["kind"]), (2, &json!("invalid_request")));
    assert!(bad.json()["error"]["message"].as_str().unwrap().contains("--bogus"));
    assert_eq!(fake.run(&["frobnicate"]).code, 2);
    assert_eq!(fake.run(&["--help"]).code, 0);
    assert!(fake.run(&["--version"]).stdout.starts_with("harmonixctl 0."));
}
