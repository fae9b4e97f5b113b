//! Who may do what. Needs root, to become somebody else; says so where it is not.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Command,
};

use harmonix_ipc::{Client, Format};
use harmonix_tests::harness::{Daemon, Setup, program};

use crate::support::{blip, draft};

/// Runs harmonixctl as user 65534.
pub(crate) fn as_nobody(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let scratch = daemon.scratch();
    let ctl = scratch.join("harmonixctl");
    if !ctl.exists() {
        fs::copy(program("harmonixctl"), &ctl).unwrap();
    }
    // the folders above the socket and the program are the test's own
    for dir in [scratch.as_path(), scratch.parent().unwrap()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&ctl)
        .args(arguments)
        .arg("--json")
        .env("HARMONIX_SOCKET", daemon.socket())
        .current_dir("/")
        .output()
        .expect("setpriv, from util-linux");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        let mut out = std::io::stderr();
        let _ = std::io::Write::write_all(&mut out, b"NOT TESTED: refusing another user needs root\n");
    }
    root
}

/// [CTL-10]
#[test]
fn the_socket_is_closed_to_strangers() {
    let daemon = Daemon::start();
    let mode = fs::metadata(daemon.socket()).unwrap().mode() & 0o777;
    assert_eq!(mode, if rustix::process::geteuid().is_root() { 0o660 } else { 0o600 });
    let state = fs::metadata(daemon.state()).unwrap().mode() & 0o777;
    assert_eq!(state, 0o700);
    if is_root() {
        let (code, reply) = as_nobody(&daemon, &["status"]);
        assert_eq!(code, Some(6));
        assert!(reply["error"]["message"].as_str().unwrap().contains("not allowed"), "{reply}");
    }
}

/// [LIB-20] Where everybody may connect, jobs are still their owners'.
#[test]
fn another_users_job_does_not_exist() {
    let daemon = Setup::new().config("socket.mode = \"0666\"").start();
    if !is_root() {
        return;
    }
    let job = daemon.submit("x.wav", &blip(8000, 1), draft(Format::Wav16)).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(as_nobody(&daemon, &["status"]).0, Some(0));
    assert_eq!(as_nobody(&daemon, &["jobs"]).1["total"], 0);
    for verb in ["show", "cancel", "delete", "export", "watch"] {
        let (code, reply) = as_nobody(&daemon, &[verb, &job.id.0]);
        assert_eq!(code, Some(3), "{verb}: {reply}");
    }
    let (code, reply) = as_nobody(&daemon, &["config", "show"]);
    assert_eq!((code, &reply["error"]["kind"]), (Some(1), &"denied".into()));
    // and the stranger's own job is his, and the administrator's too
    fs::write(daemon.scratch().join("n.wav"), blip(8000, 1)).unwrap();
    let source = daemon.scratch().join("n.wav").display().to_string();
    let (code, theirs) = as_nobody(&daemon, &["separate", &source, "--detach"]);
    assert_eq!(code, Some(0), "{theirs}");
    assert_eq!(as_nobody(&daemon, &["jobs"]).1["total"], 1);
    let all = Client::connect(&daemon.socket()).unwrap().call(harmonix_ipc::ListJobs::default()).unwrap();
    assert_eq!((all.total, all.jobs[0].owner), (2, 65534));
}

#[test]
fn a_second_daemon_is_refused_and_a_stale_socket_is_replaced() {
    let mut daemon = Daemon::start();
    let output = daemon.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("already") || text.contains("another harmonixd"), "{text}");
    assert!(Client::connect(&daemon.socket()).is_ok(), "the first goes on");
    daemon.crash_and_restart();
    assert!(Client::connect(&daemon.socket()).is_ok());
}
