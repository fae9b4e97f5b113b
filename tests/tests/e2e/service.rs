//! What a service manager and the daemon tell each other, without one; `system.rs` has a real one.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use harmonix_ipc::{Client, ConfigShow};
use harmonix_tests::harness::{Daemon, Setup};
use rustix::process::Signal;

/// A manager's socket in a folder.
fn manager(dir: &std::path::Path) -> UnixDatagram {
    UnixDatagram::bind(dir.join("notify")).unwrap()
}

/// What comes in there until `last` does, or for `patience`.
fn hear(socket: &UnixDatagram, last: &str, patience: Duration) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    while all.last().is_none_or(|text| !text.starts_with(last)) && began.elapsed() < patience {
        let mut text = [0; 4096];
        if let Ok(count) = socket.recv(&mut text) {
            all.push(String::from_utf8_lossy(&text[..count]).into_owned());
        }
    }
    all
}

const PATIENCE: Duration = Duration::from_secs(120);

/// [SYS-01] Ready when the socket answers, a status, a sign of life, the end.
#[test]
fn the_manager_hears_of_readiness_status_and_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let socket = manager(dir.path());
    let mut daemon = Setup::new()
        .env("NOTIFY_SOCKET", dir.path().join("notify").display().to_string())
        .env("WATCHDOG_USEC", "30000000")
        .start();
    assert_eq!(hear(&socket, "READY=1", PATIENCE), ["READY=1"]);
    assert!(Client::connect(&daemon.socket()).is_ok());
    assert_eq!(hear(&socket, "STATUS=", PATIENCE).last().unwrap(), "STATUS=idle");
    assert_eq!(hear(&socket, "WATCHDOG=1", PATIENCE).last().unwrap(), "WATCHDOG=1");
    daemon.signal(Signal::HUP);
    let reload = hear(&socket, "READY=1", PATIENCE);
    assert!(reload.contains(&"RELOADING=1".to_owned()), "{reload:?}");
    assert!(daemon.stop().success());
    assert_eq!(hear(&socket, "STOPPING=1", PATIENCE).last().unwrap(), "STOPPING=1");
}

/// [SYS-01] One vital actor that hangs is enough: no more signs of life, although the daemon still answers.
#[test]
fn a_hung_actor_starves_the_watchdog() {
    let dir = tempfile::tempdir().unwrap();
    let socket = manager(dir.path());
    let daemon = Setup::new()
        .env("NOTIFY_SOCKET", dir.path().join("notify").display().to_string())
        .env("WATCHDOG_USEC", "4000000")
        .env("HARMONIX_FAULT", "hang:library@3")
        .start();
    let before = hear(&socket, "STATUS=not answering", PATIENCE);
    assert!(before.contains(&"WATCHDOG=1".to_owned()), "{before:?}");
    assert_eq!(before.last().unwrap(), "STATUS=not answering: library");
    let after = hear(&socket, "WATCHDOG=1", Duration::from_secs(3));
    assert!(!after.contains(&"WATCHDOG=1".to_owned()), "{after:?}");
    let library = daemon.status().actors.into_iter().find(|actor| actor.name == "library").unwrap();
    assert!(!library.alive);
}

/// [SYS-05] What can be reloaded is; what cannot is named; a wrong file changes nothing.
#[test]
fn sighup_takes_over_what_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, "limits.active_jobs = 5\n").unwrap();
    let daemon = Setup::new().env("HARMONIX_CONFIG", file.display().to_string()).start();
    let until = |daemon: &Daemon, word: &str| {
        let began = Instant::now();
        while !daemon.log().contains(word) {
            assert!(began.elapsed() < PATIENCE, "{word}: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    assert_eq!(daemon.status().capacity, 5);
    let mut open = daemon.client();

    fs::write(&file, "log = \"debug\"\n[limits]\nactive_jobs = 1\n[worker]\nidle = 1.5\n").unwrap();
    daemon.signal(Signal::HUP);
    until(&daemon, "after a restart");
    assert!(
        daemon.log().contains("worker.idle") && daemon.log().contains("limits.active_jobs"),
        "{}",
        daemon.log()
    );
    assert_eq!(daemon.status().capacity, 1);
    let text = daemon.client().call(ConfigShow {}).unwrap().text;
    assert!(text.contains("log = \"debug\"") && text.contains("idle = 300.0"), "{text}");
    // the limit counts for everybody, whenever they came
    daemon.ctl(["queue", "pause"]);
    let submit = |client: &mut Client| {
        let submit = harmonix_ipc::Submit { name: "x.wav".into(), ..harmonix_ipc::Submit::default() };
        client.submit(submit, &mut crate::support::blip(8000, 1).as_slice())
    };
    submit(&mut open).unwrap();
    assert!(submit(&mut open).unwrap_err().to_string().contains("1 jobs"));

    fs::write(&file, "limits.active_jobs = 9\nno_such_key = 1\n").unwrap();
    daemon.signal(Signal::HUP);
    until(&daemon, "the old one stays");
    assert_eq!(daemon.status().capacity, 1);
}
