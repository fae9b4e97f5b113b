//! Configuration and the doctor.

use std::fs;

use harmonix_ipc::{ConfigShow, ErrorKind};
use harmonix_tests::harness::{Daemon, Setup};

/// [SYS-04] default < file < environment < flag.
#[test]
fn later_layers_win_and_strange_variables_are_ignored() {
    let text = |daemon: &Daemon| daemon.client().call(ConfigShow {}).unwrap().text;
    let file = Setup::new().config("[limits]\nactive_jobs = 5").start();
    assert!(text(&file).contains("active_jobs = 5"));
    let env = Setup::new()
        .config("[limits]\nactive_jobs = 5")
        .env("HARMONIX_LIMITS_ACTIVE_JOBS", "6")
        .env("HARMONIX_DEVICE", "cpu")
        .env("HARMONIX_NOT_A_KEY", "1")
        .start();
    assert!(text(&env).contains("active_jobs = 6") && text(&env).contains("device = \"cpu\""));
    let mut flag = env.command();
    let output = flag.args(["--device", "tpu", "--check-config"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "the flag is stronger than the variable");
}

/// [SYS-04, SYS-05]
#[test]
fn a_mistake_is_named_with_file_line_and_key() {
    let daemon = Daemon::start();
    let bad = daemon.scratch().join("bad.toml");
    fs::write(&bad, "# mine\n[limits]\ndurations = 5\n").unwrap();
    let output = daemon.command().arg("--check-config").arg("--config").arg(&bad).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("bad.toml: line 3: unknown key `limits.durations`"), "{text}");
    assert!(text.contains("did you mean `limits.duration`"), "{text}");
    let checked = daemon.ctl(["config", "check", "bad.toml"]);
    assert_eq!(checked.status.code(), Some(1));
    let text = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        text.contains("bad.toml") && text.contains("line 3") && text.contains("limits.durations"),
        "{text}"
    );
    let example = daemon.command().arg("--example-config").output().unwrap().stdout;
    fs::write(&bad, example).unwrap();
    assert!(daemon.ctl(["config", "check", "bad.toml"]).status.success());
}

/// [CTL-11]
#[test]
fn the_doctor_names_what_is_missing_with_its_remedy() {
    let daemon =
        Setup::new().config("worker.program = \"/nonexistent\"\ningest.ffmpeg = \"no-such-ffmpeg\"").start();
    let output = daemon.ctl(["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = |name: &str| {
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap().clone()
    };
    assert_eq!(check("worker")["verdict"], "problem");
    assert!(check("worker")["remedy"].as_str().unwrap().contains("harmonix-worker"));
    assert_eq!(check("ffmpeg")["verdict"], "warning");
    let healthy = Daemon::start();
    let output = healthy.ctl(["doctor"]);
    assert!(output.status.success(), "{output:?}");
    // and a job that has no worker says the same
    let job =
        daemon.submit("x.wav", &crate::support::blip(8000, 1), harmonix_ipc::JobOptions::default()).unwrap();
    assert_eq!(daemon.finished(&job.id).error.unwrap().kind, ErrorKind::Unavailable);
}
