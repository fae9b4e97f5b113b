//! The verbs beside `separate`.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::{
    ctl,
    fake::{Fake, Plan},
};

fn with_jobs() -> Fake {
    let fake = Fake::start(Plan::default());
    fake.song("held\x1b[31m", "HOLD");
    fake.song("bad", "BAD");
    fake.song("good", "good");
    fake.run(&["separate", "held\x1b[31m", "bad", "good", "--detach"]);
    fake.wait_for_jobs(1, "separating");
    fake.wait_for_jobs(1, "failed");
    fake.wait_for_jobs(1, "completed");
    fake
}

#[test]
fn jobs_and_show() {
    let fake = with_jobs();
    let ended = fake.run(&["jobs", "--state", "queued", "--limit", "5"]);
    assert_eq!(fake.requests("jobs")[0], json!({ "command": "jobs", "states": ["queued"], "limit": 5 }));
    assert_eq!(ended.stdout.lines().count(), 4);
    assert!(!ended.stdout.contains('\x1b'));
    assert!(ended.stderr.contains("3 of 4 jobs"));
    assert_eq!(fake.run(&["jobs", "--json"]).json()["jobs"].as_array().unwrap().len(), 3);
    assert!(fake.run(&["show", "job2"]).stdout.contains("no audio in it"));
    let failed = fake.run(&["show", "job2", "--json"]).json();
    assert_eq!((&failed["error"]["kind"], &failed["error"]["hint"]), (&json!("audio_load"), &Value::Null));
}

#[test]
fn cancel_and_delete() {
    let fake = with_jobs();
    let cancelled = fake.run(&["cancel", "job1", "--json"]);
    assert_eq!((cancelled.code, &cancelled.json()["state"]), (0, &json!("cancelled")));
    let deleted = fake.run(&["delete", "job1", "nonsense", "job2", "--json"]);
    assert_eq!(deleted.code, 5);
    assert_eq!(deleted.json()[0], json!({ "id": "job1", "deleted": true }));
    assert_eq!(deleted.json()[1]["error"]["kind"], "not_found");
    assert_eq!(fake.run(&["delete", "nonsense"]).code, 3);
    assert_eq!(fake.run(&["jobs", "--json"]).json()["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn watching_a_job_ends_with_it() {
    let fake = with_jobs();
    let completed = fake.run(&["watch", "job3"]);
    assert_eq!((completed.code, completed.stdout.as_str()), (0, "good: completed\n"));
    assert_eq!(fake.run(&["watch", "job2"]).code, 4);
    assert_eq!(fake.run(&["watch", "nonsense"]).code, 3);
    let mut child =
        ctl::command(fake.socket(), &fake.work()).args(["watch", "job1", "--json"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert_eq!(events.next().unwrap()["event"], "snapshot");
    fake.run(&["cancel", "job1"]);
    assert_eq!(events.last().unwrap()["job"]["state"], "cancelled");
    assert_eq!(ctl::ended(child).code, 130);
}

#[test]
fn status_and_doctor() {
    let fake = Fake::start(Plan::default());
    assert!(fake.run(&["status"]).stdout.contains("1 active, room for 9"));
    assert_eq!(fake.run(&["status", "--json"]).json()["engine"], "spectral");
    let healthy = fake.run(&["doctor"]);
    assert_eq!(healthy.code, 0);
    assert!(
        healthy.stdout.contains("warning  disk") && healthy.stdout.contains("make room"),
        "{}",
        healthy.stdout
    );
    let ill = Fake::start(Plan { problem: true, ..Plan::default() }).run(&["doctor", "--json"]);
    assert_eq!((ill.code, &ill.json()["checks"][1]["verdict"]), (1, &json!("problem")));
}

#[test]
fn config() {
    let fake = Fake::start(Plan::default());
    assert_eq!(fake.run(&["config", "show"]).stdout, "device = \"cpu\"\n");
    assert_eq!(fake.run(&["config", "show", "--json"]).json()["text"], "device = \"cpu\"\n");
    fake.song("good.toml", "device = \"cpu\"");
    fake.song("bad.toml", "\ndevise = 1");
    assert_eq!(fake.run(&["config", "check", "good.toml"]).stdout, "good.toml: ok\n");
    let bad = fake.run(&["config", "check", "bad.toml", "--json"]);
    assert_eq!(
        (bad.code, &bad.json()["error"]["message"]),
        (1, &json!("bad.toml: line 2: unknown key `devise`"))
    );
    assert_eq!(fake.run(&["config", "check", "absent.toml"]).code, 3);
    fake.song("huge.toml", &"#".repeat(70_000));
    assert_ne!(fake.run(&["config", "check", "huge.toml"]).code, 0);
}

#[test]
fn completions_and_manual() {
    let fake = Fake::start(Plan::default());
    for shell in ["bash", "zsh", "fish"] {
        assert!(fake.run(&["completions", shell]).stdout.contains("separate"));
    }
    assert!(fake.run(&["completions", "bash", "--json"]).json()["script"].is_string());
    assert_eq!(fake.run(&["man", "man"]).code, 0);
    let pages = crate::files::list(&fake.work().join("man"));
    assert!(
        pages.contains(&"harmonixctl.1".into()) && pages.contains(&"harmonixctl-separate.1".into()),
        "{pages:?}"
    );
}
