//! Ctrl-C, and readers that leave.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    ctl,
    fake::{Fake, Plan},
    files,
};

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_cancels_the_jobs_of_this_call_only() {
    let fake = Fake::start(Plan::default());
    for name in ["others", "a", "b"] {
        fake.song(name, "HOLD");
    }
    fake.run(&["separate", "others", "--detach"]);
    let child = ctl::command(fake.socket(), &fake.work())
        .args(["separate", "a", "b", "--json", "-o", "out"])
        .spawn()
        .unwrap();
    fake.wait_for_jobs(3, "separating");
    interrupt(&child);
    let ended = ctl::ended(child);
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert_eq!(ended.json()["error"]["kind"], "cancelled");
    let mut cancelled: Vec<_> =
        fake.requests("cancel").iter().map(|request| request["job"].clone()).collect();
    cancelled.sort_by_key(ToString::to_string);
    assert_eq!(cancelled, [json!("job2"), json!("job3")]);
    assert_eq!(files::list(&fake.work().join("out")), [""; 0]);
}

#[test]
fn ctrl_c_while_a_song_is_still_read() {
    let fake = Fake::start(Plan::default());
    let mut child = ctl::command(fake.socket(), &fake.work())
        .args(["separate", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while fake.requests("submit").is_empty() {
        std::thread::yield_now();
    }
    let open = child.stdin.take();
    interrupt(&child);
    let ended = ctl::ended(child);
    drop(open);
    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert!(ended.stderr.contains("error: interrupted"));
    assert!(fake.uploads().is_empty());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let fake = Fake::start(Plan::default());
    for words in [&["status"][..], &["jobs", "--json"], &["completions", "bash"], &["--help"]] {
        let mut child = ctl::command(fake.socket(), &fake.work()).args(words).spawn().unwrap();
        drop(child.stdout.take());
        let ended = ctl::ended(child);
        assert!(!ended.stderr.contains("panicked") && ended.code == 0, "{words:?}: {}", ended.stderr);
    }
}

#[test]
fn a_result_that_is_lost_is_an_error() {
    let fake = Fake::start(Plan::default());
    let full = std::fs::File::create("/dev/full").unwrap();
    let child = ctl::command(fake.socket(), &fake.work()).arg("status").stdout(full).spawn().unwrap();
    assert_eq!(ctl::ended(child).code, 5);
}
