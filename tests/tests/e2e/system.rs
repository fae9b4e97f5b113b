//! The installed package under a real systemd, booted in private namespaces (`tests/system/boot.sh`).

use std::fs;

use harmonix_tests::harness::{Booted, package};
use serde_json::Value as Json;

use crate::support::{blip, song};

/// Options of jobs whose results are of no interest.
const FRESH: &str = "'quality': 'draft', 'fresh': True";

const MANAGER: &str = "busctl call org.harmonix1 /org/harmonix1 org.harmonix1.Manager";

/// A booted system with the package, two songs and three users: `op` of the group harmonix, `helper` of it too, `stranger`.
fn installed() -> Option<Booted> {
    let files = tempfile::tempdir().unwrap();
    let songs = files.path().join("srv");
    fs::create_dir(&songs).unwrap();
    fs::write(songs.join("long.wav"), song(40.0)).unwrap();
    fs::write(songs.join("secret-name.wav"), blip(8000, 1)).unwrap();
    fs::write(songs.join("broken.wav"), b"RIFF, says the file, and no more").unwrap();
    fs::write(songs.join("song.wav"), song(20.0)).unwrap();
    package("1.0.0", &songs.join("first.deb"));
    package("1.0.1", &songs.join("second.deb"));
    let system = Booted::start(files.path())?;
    system.run("dpkg -i /srv/first.deb");
    system.run("useradd -G harmonix op; useradd -G harmonix helper; useradd stranger; busctl call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig");
    Some(system)
}

fn show(system: &Booted, property: &str) -> String {
    system.run(&format!("systemctl show --value -p {property} harmonixd.service"))
}

fn job(system: &Booted, id: &str) -> Json {
    serde_json::from_str(&system.run(&format!("harmonixctl show --json {id}"))).unwrap()
}

fn finished(system: &Booted, id: &str) -> Json {
    system.until(&format!("harmonixctl show --json {id} | grep -o '\"state\": *\"[a-z]*\"'"), |state| {
        ["completed", "failed", "cancelled"].iter().any(|end| state.contains(end))
    });
    job(system, id)
}

/// Digests of the stems of a completed job.
fn digests(job: &Json) -> Vec<String> {
    assert_eq!(job["state"], "completed", "{job}");
    job["files"].as_array().unwrap().iter().map(|file| file["blake3"].to_string()).collect()
}

/// Submits by descriptor, with a client that is not ours; the id. `options` are Python's: `'quality': 'draft'`.
fn submit(system: &Booted, user: &str, file: &str, options: &str) -> String {
    let call = format!(
        "import dbus; print(dbus.SystemBus().call_blocking('org.harmonix1', '/org/harmonix1', 'org.harmonix1.Manager', \
         'SubmitJob', 'ha{{sv}}', (dbus.types.UnixFd(open('/srv/{file}', 'rb')), {{'name': '{file}', {options}}})))"
    );
    let (done, text) = system.run_as(user, &format!("/usr/bin/python3 -c \"{call}\""));
    assert!(done, "{text}");
    text.rsplit('/').next().unwrap().to_owned()
}

/// [SYS-01…08, DBS-01…03] One boot, since booting and installing are what takes the time.
#[test]
fn a_booted_system_supervises_the_installed_package() {
    if !std::process::Command::new("/usr/bin/python3")
        .args(["-c", "import dbus"])
        .status()
        .is_ok_and(|s| s.success())
    {
        harmonix_tests::harness::not_tested("the installed package: python3-dbus is not installed");
        return;
    }
    let Some(system) = installed() else { return };
    units_are_sound(&system);
    the_socket_starts_the_daemon(&system);
    a_killed_daemon_goes_on(&system);
    the_bus_serves_real_clients(&system);
    polkit_grants_what_the_owner_has(&system);
    the_journal_tells_a_jobs_story(&system);
    reload_takes_over_what_it_can(&system);
    the_watchdog_replaces_a_hung_daemon(&system);
    a_session_has_a_daemon_of_its_own(&system);
    the_package_is_upgraded_and_purged(&system);
}

/// [SYS-02]
fn units_are_sound(system: &Booted) {
    for scope in ["system", "user"] {
        let dir = if scope == "system" { "/lib/systemd/system" } else { "/usr/lib/systemd/user" };
        let verify = format!(
            "XDG_RUNTIME_DIR=/run systemd-analyze --{scope} verify --man=no {dir}/harmonixd.service {dir}/harmonixd.socket 2>&1"
        );
        // units of the machine's own, which are not ours to judge
        let ours = system
            .run(&verify)
            .lines()
            .filter(|line| line.contains("harmonix"))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert_eq!(ours, Vec::<String>::new());
    }
    system
        .run("systemd-analyze security --offline=true --threshold=10 /lib/systemd/system/harmonixd.service");
    system.run(
        "mkdir -p /root/gpu/harmonixd.service.d; cp /lib/systemd/system/harmonixd.service /root/gpu; \
         cp /usr/share/harmonix/gpu.conf /usr/share/harmonix/network.conf /root/gpu/harmonixd.service.d; \
         systemd-analyze security --offline=true --threshold=20 /root/gpu/harmonixd.service",
    );
    let man = system.run("man -w harmonixd 2>/dev/null || ls /usr/share/man/man1/harmonixd.1.gz");
    assert!(man.ends_with("harmonixd.1.gz"), "{man}");
}

/// [SYS-08] And who may connect.
fn the_socket_starts_the_daemon(system: &Booted) {
    assert_eq!(system.run("stat -c %a:%U:%G /run/harmonix/control.sock"), "660:root:harmonix");
    assert_eq!(system.run("systemctl is-active harmonixd.service || true"), "inactive");
    let (done, text) = system.run_as("stranger", "harmonixctl status");
    assert!(!done && text.contains("not allowed"), "{text}");
    assert_eq!(system.run("systemctl is-active harmonixd.service || true"), "inactive");

    let (done, text) = system.run_as("op", "harmonixctl status --json");
    assert!(done, "{text}");
    assert_eq!((show(system, "ActiveState"), show(system, "SubState")), ("active".into(), "running".into()));
    system.until("systemctl show --value -p StatusText harmonixd", |text| text == "idle");
    let pid = show(system, "MainPID");
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap()["pid"].to_string(), pid);
    let status = system.run(&format!("cat /proc/{pid}/status"));
    let has = |line: &str| status.lines().any(|other| other.split_whitespace().eq(line.split_whitespace()));
    assert!(has("CapEff: 0000000000000000") && has("NoNewPrivs: 1") && has("Seccomp: 2"), "{status}");
    assert_eq!(system.run("stat -c %a:%U /var/lib/harmonix"), "700:harmonix");
    // whoever asks is told from others, through the namespaces of the unit too
    let (done, text) = system.run_as("op", "harmonixctl config show");
    assert!(!done && text.contains("administrator"), "{text}");
    let doctor: Json = serde_json::from_str(&system.run("harmonixctl doctor --json")).unwrap();
    assert!(
        doctor["checks"].as_array().unwrap().iter().all(|check| check["verdict"] != "problem"),
        "{doctor}"
    );
}

/// [SYS-01, SYS-03] SIGKILL while it computes, then an orderly stop: the same bits as undisturbed.
fn a_killed_daemon_goes_on(system: &Booted) {
    let expected = digests(&finished(system, &submit(system, "op", "long.wav", FRESH)));
    for blow in ["systemctl kill -s KILL --kill-whom=main harmonixd", "systemctl restart harmonixd"] {
        let id = submit(system, "op", "long.wav", FRESH);
        let progress = format!(
            "busctl get-property org.harmonix1 /org/harmonix1/jobs/{id} org.harmonix1.Job State Progress"
        );
        system.until(&progress, |text| {
            let done: f64 = text.rsplit("d ").next().unwrap_or("").trim().parse().unwrap_or(0.0);
            text.contains("separating") && done > 0.3
        });
        let worker = "pgrep -x harmonix-worker | head -1";
        let standing = system.run(&format!("p=$({worker}); ps -o ni= -p $p; cat /proc/$p/oom_score_adj"));
        assert_eq!(standing.split_whitespace().collect::<Vec<_>>(), ["5", "500"]);
        let before = show(system, "MainPID");
        system.run(blow);
        let stays = format!("systemctl show --value -p MainPID harmonixd; {progress}");
        system.until(&stays, |text| {
            !text.starts_with(&before) && !text.starts_with('0') && text.contains("s \"")
        });
        let ended = finished(system, &id);
        assert_eq!(digests(&ended), expected, "{blow}");
        assert_eq!(ended["owner"].to_string(), system.run("id -u op"));
        assert_eq!(system.run("stat -c %a:%U:%G /run/harmonix/control.sock"), "660:root:harmonix");
    }
}

/// [DBS-01, DBS-02] Activation, policy, and signals that other programs hear.
fn the_bus_serves_real_clients(system: &Booted) {
    system.run("systemctl stop harmonixd.service");
    let (done, text) = system.run_as("op", &format!("{MANAGER} ListJobs 'a{{sv}}' 0"));
    assert!(done && text.starts_with("aa{sv} 3"), "{text}");
    assert_eq!(show(system, "ActiveState"), "active");

    let version = "busctl get-property org.harmonix1 /org/harmonix1 org.harmonix1.Manager Version";
    assert!(system.run_as("stranger", version).0);
    let (done, text) = system.run_as("stranger", &format!("{MANAGER} ListJobs 'a{{sv}}' 0"));
    assert!(!done && text.contains("denied"), "{text}");

    system.run("systemd-run --unit=monitor --uid=op sh -c 'exec gdbus monitor --system --dest org.harmonix1 >/tmp/heard'");
    system.until("cat /tmp/heard", |text| text.contains("is owned by"));
    let id = submit(system, "op", "long.wav", FRESH);
    let object = format!("/org/harmonix1/jobs/{id}");
    system.until("cat /tmp/heard", |text| text.contains("'State': <'separating'>"));
    let (done, text) = system
        .run_as("op", &format!("gdbus introspect --system --dest org.harmonix1 --object-path {object}"));
    assert!(done && text.contains("readonly s State = 'separating'") && text.contains("OwnerUID"), "{text}");
    let (done, text) = system.run_as("op", &format!("gdbus call --system --dest org.harmonix1 --object-path {object} --method org.harmonix1.Job.Cancel"));
    assert_eq!((done, text.as_str()), (true, "()"));
    let (done, text) = system.run_as("op", &format!("gdbus call --system --dest org.harmonix1 --object-path {object} --method org.harmonix1.Job.Cancel"));
    assert!(!done && text.contains("org.harmonix1.Error.Conflict"), "{text}");
    assert!(system.run_as("op", &format!("busctl call org.harmonix1 {object} org.harmonix1.Job Delete")).0);
    let heard = system.until("cat /tmp/heard", |text| text.contains("JobRemoved"));
    let order = ["JobNew", "'State': <'separating'>", "'Result': <'cancelled'>", "JobRemoved"]
        .map(|word| heard.find(word).unwrap_or(0));
    assert!(order.is_sorted() && order[0] > 0, "{heard}");
    system.run("systemctl stop monitor");

    // results, read by a client that is not ours
    let id = submit(system, "op", "song.wav", "'quality': 'draft', 'format': 'wav16'");
    let done = finished(system, &id);
    let (read, text) = system.run_as(
        "op",
        &format!("busctl call org.harmonix1 /org/harmonix1/jobs/{id} org.harmonix1.Job Fetch s vocals"),
    );
    let bytes =
        done["files"].as_array().unwrap().iter().find(|file| file["stem"] == "vocals").unwrap()["bytes"]
            .to_string();
    assert!(
        read && text.starts_with("hst ") && text.contains("vocals.wav") && text.ends_with(&bytes),
        "{text}"
    );
    let (exported, text) =
        system.run_as("op", &format!("harmonixctl export {id} -o /tmp/stems && ls /tmp/stems"));
    assert!(exported && text.contains("song_vocals.wav"), "{text}");
}

/// polkit is asked with the caller as its subject, and only for what is not the caller's own.
fn polkit_grants_what_the_owner_has(system: &Booted) {
    if !system.try_run("systemctl start polkit.service").status.success() {
        harmonix_tests::harness::not_tested("polkit: it is not installed");
        return;
    }
    system.run("harmonixctl queue pause");
    let id = submit(system, "op", "secret-name.wav", FRESH);
    let cancel = format!("busctl call org.harmonix1 /org/harmonix1/jobs/{id} org.harmonix1.Job Cancel");
    let config = "busctl call org.harmonix1 /org/harmonix1 org.harmonix1.Commands ConfigShow 'a{sv}' 0";
    let (done, text) = system.run_as("helper", &cancel);
    assert!(!done && text.contains("no job"), "{text}");
    system.run(
        "mkdir -p /etc/polkit-1/rules.d; cat >/etc/polkit-1/rules.d/10-harmonix.rules <<'EOF'\n\
         polkit.addRule(function(action, subject) {\n\
           if (action.id == 'org.harmonix1.jobs-of-others' && subject.user == 'helper') return polkit.Result.YES;\n\
         });\nEOF\nsystemctl restart polkit.service",
    );
    let (done, text) = system.run_as("helper", config);
    assert!(!done && text.contains("administrator"), "{text}");
    let (done, text) = system.run_as("helper", &cancel);
    assert!(done, "{text}");
    assert_eq!(job(system, &id)["state"], "cancelled");
    system.run("harmonixctl queue resume");
}

/// [SYS-06]
fn the_journal_tells_a_jobs_story(system: &Booted) {
    let good = submit(system, "op", "secret-name.wav", FRESH);
    let bad = submit(system, "op", "broken.wav", FRESH);
    finished(system, &good);
    let kind = finished(system, &bad)["error"]["kind"].as_str().unwrap().to_owned();
    let story = |id: &str| -> Vec<Json> {
        let lines = system.run(&format!("journalctl -u harmonixd JOB={id} -o json --no-pager"));
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = story(&good);
    let told = |entry: &Json, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (told(&all[0], "MESSAGE"), told(&all[0], "CALLER")),
        ("job accepted".into(), system.run("id -u op"))
    );
    for stage in ["Ingest", "Separate", "Export"] {
        assert!(all.iter().any(|entry| told(entry, "STAGE").contains(stage)), "{stage}: {all:#?}");
    }
    assert!(
        all.iter().all(|entry| told(entry, "PRIORITY") == "6" && told(entry, "_TRANSPORT") == "journal"),
        "{all:#?}"
    );
    assert!(
        story(&bad).iter().any(|entry| told(entry, "PRIORITY") == "4" && told(entry, "ERROR_KIND") == kind)
    );
    let whole = system.run("journalctl -u harmonixd -o json --no-pager");
    for private in ["secret-name", "broken.wav", "/var/lib/harmonix"] {
        assert!(!whole.contains(private), "{private} is in the journal");
    }
}

/// [SYS-05]
fn reload_takes_over_what_it_can(system: &Booted) {
    let capacity = "harmonixctl status --json | tr -d ' ' | grep -o '\"capacity\":[0-9]*'";
    let told = |word: &str| format!("journalctl -u harmonixd --no-pager -o json | grep '{word}' | tail -1");
    system.run("printf '[limits]\\nactive_jobs = 7\\n[worker]\\nidle = 61.0\\n' >/etc/harmonix/config.toml");
    let pid = show(system, "MainPID");
    system.run("systemctl reload harmonixd");
    system.until(capacity, |text| text == "\"capacity\":7");
    let config = system.run("harmonixctl config show");
    assert!(config.contains("active_jobs = 7") && !config.contains("idle = 61"), "{config}");
    assert!(system.until(&told("after a restart"), |text| !text.is_empty()).contains("worker.idle"));
    system
        .run("printf '[limits]\\nactive_job = 9\\n' >/etc/harmonix/config.toml; systemctl reload harmonixd");
    let wrong = system.until(&told("the old one stays"), |text| !text.is_empty());
    assert!(
        wrong.contains("limits.active_job")
            && wrong.contains("line 2")
            && wrong.contains("\"PRIORITY\":\"3\""),
        "{wrong}"
    );
    assert_eq!(system.run(capacity), "\"capacity\":7");
    assert_eq!((show(system, "MainPID"), show(system, "ActiveState")), (pid, "active".into()));
    system.run("rm /etc/harmonix/config.toml");
}

/// [SYS-01] An actor that answers nothing more, while all others go on.
fn the_watchdog_replaces_a_hung_daemon(system: &Booted) {
    system.run(
        "mkdir -p /etc/systemd/system/harmonixd.service.d; \
         printf '[Service]\\nWatchdogSec=6\\nEnvironment=HARMONIX_FAULT=hang:library@3\\n' >/etc/systemd/system/harmonixd.service.d/test.conf; \
         systemctl daemon-reload; systemctl restart harmonixd",
    );
    let before = show(system, "MainPID");
    system.until("systemctl show --value -p NRestarts harmonixd", |count| count != "0");
    let log = system.run("journalctl -u harmonixd --no-pager -o cat");
    assert!(log.contains("Watchdog timeout"), "{log}");
    assert_ne!(show(system, "MainPID"), before);
    assert_eq!(system.run("systemctl is-active harmonixd.socket"), "active");
    system.run(
        "rm -r /etc/systemd/system/harmonixd.service.d; systemctl daemon-reload; systemctl restart harmonixd",
    );
    let (done, text) = system.run_as("op", "harmonixctl status");
    assert!(done, "{text}");
    system.run("systemctl reset-failed harmonixd");
}

/// `systemctl --user` with a session bus: the same program, the user's own folders.
fn a_session_has_a_daemon_of_its_own(system: &Booted) {
    system.run(
        "uid=$(id -u stranger); mkdir -p /home/stranger; chown stranger: /home/stranger; \
         install -d -m 700 -o stranger -g stranger /run/user/$uid; \
         systemd-run --unit=session --uid=stranger -p Delegate=yes -E XDG_RUNTIME_DIR=/run/user/$uid -E HOME=/home/stranger \
         /lib/systemd/systemd --user",
    );
    let session = |line: &str| {
        let line = format!(
            "export XDG_RUNTIME_DIR=/run/user/$(id -u) HOME=/home/stranger DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus; {line}"
        );
        system.run_as("stranger", &line)
    };
    system.until("test -S /run/user/$(id -u stranger)/bus && echo there", |text| text == "there");
    assert_eq!(
        session(
            "systemctl --user start harmonixd.socket && stat -c %a $XDG_RUNTIME_DIR/harmonix/control.sock"
        ),
        (true, "600".into())
    );
    let (done, text) =
        session("busctl --user get-property org.harmonix1 /org/harmonix1 org.harmonix1.Manager Version");
    assert!(done && text.starts_with("s \""), "activation: {text}");
    assert_eq!(session("systemctl --user is-active harmonixd.service"), (true, "active".into()));
    let (done, text) = session(
        "harmonixctl separate /srv/secret-name.wav -q draft -o /home/stranger/stems && ls /home/stranger/stems",
    );
    assert!(done && text.contains("secret-name_vocals.flac"), "{text}");
    let (done, text) = session("test -d ~/.local/state/harmonix/jobs && harmonixctl config show");
    assert!(done, "in one's own daemon one is the administrator: {text}");
    system.run("systemctl stop session");
}

/// Upgrade restarts, removal keeps, purge removes.
fn the_package_is_upgraded_and_purged(system: &Booted) {
    let before = show(system, "MainPID");
    system.run("dpkg -i /srv/second.deb");
    assert_ne!(show(system, "MainPID"), before);
    let jobs: Json = serde_json::from_str(&system.run("harmonixctl jobs --json")).unwrap();
    assert!(jobs["total"].as_u64().unwrap() >= 4, "{jobs}");
    // libtorch gone: the doctor says so, with its remedy
    system.run("umount /usr/lib/harmonix/torch; systemctl restart harmonixd");
    let doctor = system.try_run("harmonixctl doctor");
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(!doctor.status.success() && text.contains("/usr/libexec/harmonix/install-libtorch"), "{text}");
    system.run("dpkg -r harmonix");
    assert_eq!(
        system.run("systemctl is-active harmonixd.service harmonixd.socket || true"),
        "inactive\ninactive"
    );
    assert_eq!(system.run("ls /var/lib/harmonix | grep -c -x -e jobs -e store"), "2");
    system.run("dpkg -P harmonix");
    assert_eq!(
        system.run("ls -d /var/lib/harmonix /var/cache/harmonix /etc/harmonix 2>/dev/null | wc -l"),
        "0"
    );
}
