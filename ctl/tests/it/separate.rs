use std::{
    io::{BufRead, BufReader},
    time::Duration,
};

use serde_json::json;

use crate::{
    ctl,
    fake::{Fake, Plan, content},
    files,
};

#[test]
fn a_song_becomes_stems() {
    let fake = Fake::start(Plan::default());
    fake.song("song.flac", "la la la");
    let ended = fake.run(&["separate", "song.flac", "-o", "stems", "-q", "fast"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let names = ["song_instrumental.flac", "song_manifest.json", "song_vocals.flac"];
    assert_eq!(files::list(&fake.work().join("stems")), names);
    assert_eq!(std::fs::read(fake.work().join("stems/song_vocals.flac")).unwrap(), content("job1", "vocals"));
    assert_eq!(fake.uploads(), [b"la la la"]);
    let submit = &fake.requests("submit")[0];
    assert_eq!((&submit["name"], &submit["size"]), (&json!("song.flac"), &json!(8)));
    assert_eq!(submit["options"]["quality"], "fast");
    for words in [
        "spectral, the built-in engine",
        "note: no model is installed",
        "stems/song_vocals.flac",
        "peak -1.2",
    ] {
        assert!(ended.stdout.contains(words), "{words} in {}", ended.stdout);
    }
    assert!(fake.requests("delete").is_empty());
}

#[test]
fn json_of_one_and_of_several() {
    let fake = Fake::start(Plan::default());
    fake.song("a.flac", "a");
    fake.song("b.flac", "b");
    let one = fake.run(&["separate", "a.flac", "--json"]).json();
    let path = std::fs::canonicalize(fake.work()).unwrap().join("a_vocals.flac");
    assert_eq!(one["stems"]["vocals"], json!(path));
    assert!(one["manifest"].as_str().unwrap().ends_with("/a_manifest.json"));
    let contract =
        "id state progress input engine device quality mode stems analysis lyrics manifest events error";
    for field in contract.split(' ') {
        assert!(one.get(field).is_some(), "{field}");
    }
    let several = fake.run(&["separate", "a.flac", "b.flac", "--json", "-o", "out"]).json();
    assert_eq!(several.as_array().unwrap().len(), 2);
    assert_eq!((&several[0]["name"], &several[1]["name"]), (&json!("a.flac"), &json!("b.flac")));
}

#[test]
fn one_failure_does_not_stop_the_others() {
    let fake = Fake::start(Plan::default());
    fake.song("a.flac", "a");
    fake.song("b.flac", "BAD");
    fake.song("c.flac", "c");
    let ended = fake.run(&["separate", "a.flac", "b.flac", "c.flac", "-o", "out"]);
    assert_eq!(ended.code, 5);
    assert_eq!(files::list(&fake.work().join("out")).len(), 6);
    assert!(ended.stderr.contains("error: b.flac: the job failed: no audio in it\n  caused by: checksum"));
    assert!(ended.stdout.contains("3 songs: 2 completed, 1 failed"));
    let alone = fake.run(&["separate", "b.flac", "--json"]);
    assert_eq!(alone.code, 4);
    let expected = ("audio_load", "failed");
    assert_eq!(
        (alone.json()["error"]["kind"].as_str().unwrap(), alone.json()["state"].as_str().unwrap()),
        expected
    );
    assert_eq!(alone.json()["error"]["causes"], json!(["checksum"]));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let fake = Fake::start(Plan::default());
    fake.song("a.flac", "a");
    let absent = fake.run(&["separate", "absent.flac"]);
    assert_eq!(absent.code, 4);
    assert!(absent.stderr.contains("error: absent.flac: cannot read the file\n  caused by: No such file"));
    assert_eq!(fake.run(&["separate", "."]).code, 4);
    let mixed = fake.run(&["separate", "absent.flac", "a.flac", "--json"]);
    assert_eq!(mixed.code, 5);
    let array = mixed.json();
    assert_eq!((&array[0]["state"], &array[1]["state"]), (&json!("failed"), &json!("completed")));
    assert_eq!(array[0]["error"]["kind"], "audio_load");
    assert!(array[0]["error"].get("hint").is_some());
}

#[test]
fn standard_input() {
    let fake = Fake::start(Plan::default());
    let ended = ctl::with_input(fake.socket(), &fake.work(), &["separate", "-"], b"piped");
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let named = ["separate", "-", "--name", "../live.ogg"];
    assert_eq!(ctl::with_input(fake.socket(), &fake.work(), &named, b"piped").code, 0);
    assert_eq!(fake.uploads(), [b"piped", b"piped"]);
    assert_eq!(fake.requests("submit")[0]["name"], "stdin");
    assert!(fake.requests("submit")[0].get("size").is_none());
    assert!(files::list(&fake.work()).contains(&"stdin_vocals.flac".into()));
    assert!(files::list(&fake.work()).contains(&"___live_vocals.flac".into()));
    assert_eq!(fake.run(&["separate", "-", "-"]).code, 2);
}

#[test]
fn a_full_daemon_is_asked_again() {
    let plan = Plan { capacity: 1, delay: Duration::from_millis(150), ..Plan::default() };
    let fake = Fake::start(plan);
    for name in ["a", "b", "c"] {
        fake.song(name, name);
    }
    let ended = fake.run(&["separate", "a", "b", "c"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fake.uploads(), [b"a", b"b", b"c"]);
    assert!(fake.requests("submit").len() > 3);
    let detached = fake.run(&["separate", "a", "b", "--detach"]);
    assert_eq!((detached.code, detached.stdout.as_str()), (0, "job4\njob5\n"), "{}", detached.stderr);
}

#[test]
fn a_daemon_full_of_others_jobs_is_not_waited_for() {
    let fake = Fake::start(Plan { capacity: 0, ..Plan::default() });
    fake.song("a", "a");
    let ended = fake.run(&["separate", "a"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("error: a: the daemon refused: too many jobs"), "{}", ended.stderr);
}

#[test]
fn detached_jobs_are_left_alone() {
    let fake = Fake::start(Plan::default());
    fake.song("a", "HOLD");
    let ended = fake.run(&["separate", "a", "--detach", "--json"]);
    assert_eq!((ended.code, &ended.json()["id"]), (0, &json!("job1")));
    assert!(fake.requests("cancel").is_empty() && fake.requests("fetch").is_empty());
}

#[test]
fn a_job_goes_when_it_was_handed_over() {
    let fake = Fake::start(Plan::default());
    fake.song("a", "a");
    assert_eq!(fake.run(&["separate", "a", "--rm"]).code, 0);
    assert_eq!(fake.requests("delete").len(), 1);
    assert!(files::list(&fake.work()).contains(&"a_vocals.flac".into()));
}

#[test]
fn a_watch_that_lags_begins_anew() {
    let fake = Fake::start(Plan { lags: 2, ..Plan::default() });
    fake.song("a", "a");
    assert_eq!(fake.run(&["separate", "a"]).code, 0);
    assert!(fake.requests("watch").len() >= 2);
}

#[test]
fn progress_is_told_and_a_job_cancelled_by_somebody_else_ends() {
    let fake = Fake::start(Plan::default());
    fake.song("a", "HOLD");
    let mut child = ctl::command(fake.socket(), &fake.work()).args(["separate", "a"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "a: separating 50 %"));
    fake.run(&["cancel", "job1"]);
    assert!(lines.any(|line| line == "error: a: the job was cancelled"));
    assert_eq!(ctl::ended(child).code, 130);
}

#[test]
fn a_daemon_that_goes_while_jobs_run_and_stays_away() {
    let fake = Fake::start(Plan::default());
    fake.song("a", "HOLD");
    let child = ctl::command(fake.socket(), &fake.work()).args(["separate", "a", "--json"]).spawn().unwrap();
    fake.wait_for_jobs(1, "separating");
    fake.kill();
    let ended = ctl::ended(child);
    assert_eq!((ended.code, &ended.json()["error"]["kind"]), (6, &json!("unavailable")), "{}", ended.stderr);
    assert_eq!(ended.json()["id"], "job1");
}
