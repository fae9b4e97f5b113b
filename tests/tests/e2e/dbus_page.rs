//! `systemd/DBUS.md` is written from what the service says of itself, and each of its lines is typed here.
//! `HARMONIX_WRITE=1 cargo test -p harmonix-tests --test e2e dbus_page` writes it anew.

use std::{collections::BTreeMap, fs, path::Path};

use harmonix_ipc::COMMANDS;
use harmonix_tests::harness::{Setup, not_tested};
use serde_json::Value as Json;

use crate::dbus::on_system_bus;

const INTRO: &str = "# Harmonix on D-Bus

Service `org.harmonix1`, on the system bus for the system's daemon and on the session bus for a user's own (`dbus.bus`). Who may call is
said by the policy `org.harmonix1.conf`: root and members of the group `harmonix` everything, everybody else only what `/org/harmonix1`
says of itself. Who may do what is decided by the daemon, by the caller's user id, as on the control socket; where polkit is installed, it
may let other users act on others' jobs (`org.harmonix1.jobs-of-others`) and administer (`org.harmonix1.administer`).

- An input is a file descriptor. The daemon reads it to its end and opens no path. An output is a descriptor too. busctl and gdbus cannot
  pass descriptors; the lines for those methods use python3-dbus.
- `/org/harmonix1` is an ObjectManager. A job that waits or runs has the object `/org/harmonix1/jobs/<id>`; one that has ended keeps it
  for a while (`dbus.finished`, `dbus.finished_for`), and `GetJob` knows it for ever.
- Objects show whose a job is and how far, never what it is about: signals and properties are heard by everybody who may use the service.
- Errors are `org.harmonix1.Error.<Kind>`, with a message, a hint (may be empty) and a list of causes:
  KINDS.
- Interfaces below are the service's own account of itself; this page is compared with it by a test, which also types each of its lines.
  `busctl --user` in the place of `busctl` means a user's own daemon. `$ID` is a job's id.

Signals, as they come:

```
gdbus monitor --system --dest org.harmonix1
busctl monitor org.harmonix1
```
";

const COMMANDS_INTRO: &str = "
Every command of the protocol (`cargo doc -p harmonix-ipc --open`), by its name. Arguments are the fields of the request by name; a reply is
the JSON text of the control socket's reply line. Lines come from the descriptor, JSON, one a line; closing it ends the work.
";

/// Lines for the typed methods; those of `Commands` come from the protocol's examples.
const TYPED: &[(&str, &str)] = &[
    (
        "Manager.SubmitJob",
        "python3 -c \"import dbus; print(dbus.SystemBus().call_blocking('org.harmonix1', '/org/harmonix1', 'org.harmonix1.Manager', 'SubmitJob', 'ha{sv}', (dbus.types.UnixFd(open('song.wav', 'rb')), {'name': 'song.wav', 'quality': 'draft'})))\"",
    ),
    (
        "Manager.ListJobs",
        "busctl call org.harmonix1 /org/harmonix1 org.harmonix1.Manager ListJobs 'a{sv}' 1 states as 2 queued separating",
    ),
    (
        "Manager.GetJob",
        "busctl --json=pretty call org.harmonix1 /org/harmonix1 org.harmonix1.Manager GetJob s $ID",
    ),
    ("Job.Get", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Get"),
    ("Job.Cancel", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Cancel"),
    ("Job.Pause", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Pause"),
    ("Job.Resume", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Resume"),
    (
        "Job.Prioritise",
        "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Prioritise s high",
    ),
    ("Job.Delete", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Delete"),
    ("Job.Fetch", "busctl call org.harmonix1 /org/harmonix1/jobs/$ID org.harmonix1.Job Fetch s vocals"),
];

/// An attribute of an element of the introspection.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value)
}

/// The method of a command.
fn method(command: &str) -> String {
    command.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// A value as busctl takes it, after its type.
fn busctl(value: &Json) -> String {
    match value {
        Json::Bool(truth) => format!("b {truth}"),
        Json::Number(number) if number.is_f64() => format!("d {number}"),
        Json::Number(number) => format!("t {number}"),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap()).collect();
            format!("as {} {}", items.len(), items.join(" "))
        }
        Json::Object(fields) => format!("'a{{sv}}' {}", by_name(fields)),
        other => {
            let text = other.as_str().unwrap();
            let plain = text.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
            if plain { format!("s {text}") } else { format!("s '{}'", text.trim()) }
        }
    }
}

fn by_name(fields: &serde_json::Map<String, Json>) -> String {
    fields
        .iter()
        .fold(fields.len().to_string(), |line, (name, value)| format!("{line} {name} {}", busctl(value)))
}

/// The lines of a command, from the protocol's examples.
fn lines_of(command: &str, takes: &str) -> Vec<String> {
    let golden = include_str!("../../../ipc-schema/tests/golden/requests.jsonl");
    let requests =
        golden.lines().map(|line| serde_json::from_str::<serde_json::Map<String, Json>>(line).unwrap());
    let mut lines: Vec<_> = requests
        .filter(|request| request["command"] == command)
        .map(|mut request| {
            request.remove("command");
            request.remove("size");
            if request.contains_key("job") {
                request.insert("job".into(), "$ID".into());
            }
            let name = method(command);
            if takes == "ha{sv}" {
                // dbus-python guesses the type of a dictionary within from its first value
                if let Some(options) = request.get_mut("options").and_then(Json::as_object_mut) {
                    options.retain(|_, value| value.is_string());
                }
                let fields = Json::Object(request).to_string().replace('"', "'").replace(":true", ":True");
                return format!(
                    "python3 -c \"import dbus; print(dbus.SystemBus().call_blocking('org.harmonix1', '/org/harmonix1', \
                     'org.harmonix1.Commands', '{name}', 'ha{{sv}}', (dbus.types.UnixFd(open('song.wav', 'rb')), {fields})))\""
                );
            }
            let fields = by_name(&request).replace("'$ID'", "$ID");
            format!("busctl call org.harmonix1 /org/harmonix1 org.harmonix1.Commands {name} '{takes}' {fields}")
        })
        .collect();
    lines.sort_by_key(String::len);
    lines.truncate(2);
    lines
}

fn typed(line: &str) -> bool {
    (line.starts_with("busctl ") && !line.contains(" monitor ")) || line.starts_with("python3 ")
}

/// The page that an introspection makes.
fn page(manager: &str, job: &str) -> String {
    let kinds: Vec<_> = harmonix_ipc::ErrorKind::ALL.iter().map(|kind| format!("`{kind:?}`")).collect();
    let mut page = INTRO.replace("KINDS", &kinds.join(", "));
    for (object, xml) in [("/org/harmonix1", manager), ("/org/harmonix1/jobs/$ID", job)] {
        let (mut interface, mut doc, mut member) = ("", Vec::new(), None::<(String, Vec<&str>, Vec<&str>)>);
        let (mut in_comment, mut signals) = (false, false);
        for line in xml.lines().map(str::trim) {
            if line == "<!--" {
                (in_comment, doc) = (true, Vec::new());
            } else if line == "-->" {
                in_comment = false;
            } else if in_comment {
                doc.push(line);
            } else if line.starts_with("<interface") {
                interface =
                    attribute(line, "name").unwrap().strip_prefix("org.harmonix1.").unwrap_or_default();
                signals = false;
                if !interface.is_empty() {
                    page += &format!("\n## org.harmonix1.{interface}\n\nAt `{object}`.\n");
                    page += if interface == "Commands" { COMMANDS_INTRO } else { "" };
                }
            } else if interface.is_empty() {
                continue;
            } else if line.starts_with("<property") {
                let (name, kind) = (attribute(line, "name").unwrap(), attribute(line, "type").unwrap());
                page += &format!("\nProperty **{name}** `{kind}`: {}\n", doc.join(" "));
                doc.clear();
            } else if line.starts_with("<method") || line.starts_with("<signal") {
                signals = line.starts_with("<signal");
                member = Some((attribute(line, "name").unwrap().to_owned(), Vec::new(), Vec::new()));
            } else if let (Some((_, takes, gives)), true) = (&mut member, line.starts_with("<arg")) {
                let out = attribute(line, "direction") == Some("out");
                if out { gives.push(line) } else { takes.push(line) }
            }
            if (line == "</method>"
                || line == "</signal>"
                || (line.starts_with("<method") && line.ends_with("/>")))
                && let Some((name, takes, gives)) = member.take()
            {
                let all = |arguments: &[&str]| {
                    let each = arguments.iter().map(|line| {
                        format!(
                            "{} {}",
                            attribute(line, "type").unwrap(),
                            attribute(line, "name").unwrap_or("")
                        )
                        .trim()
                        .to_owned()
                    });
                    each.collect::<Vec<_>>().join(", ")
                };
                let signature: String = takes.iter().filter_map(|line| attribute(line, "type")).collect();
                let given = if gives.is_empty() { String::new() } else { format!(" → {}", all(&gives)) };
                let kind = if signals { "Signal " } else { "" };
                page += &format!("\n{kind}**{name}**({}){given}: {}\n", all(&takes), doc.join(" "));
                doc.clear();
                let typed = TYPED.iter().filter(|(at, _)| *at == format!("{interface}.{name}"));
                let mut lines: Vec<String> = typed.map(|(_, line)| (*line).to_owned()).collect();
                if interface == "Commands" {
                    let command = COMMANDS.iter().find(|command| method(command.name) == name).unwrap();
                    lines = lines_of(command.name, &signature);
                }
                if !signals {
                    assert!(!lines.is_empty(), "{interface}.{name} has no line that can be typed");
                    page += &format!("```\n{}\n```\n", lines.join("\n"));
                }
            }
        }
    }
    page
}

/// [DBS-01] Parity, introspection, documentation.
#[test]
fn the_page_is_what_the_service_says_and_its_lines_can_be_typed() {
    let Some((bus, daemon)) = on_system_bus(Setup::new().config("limits.active_jobs = 100")) else { return };
    let song = crate::support::blip(8000, 1);
    fs::write(bus.dir().join("song.wav"), &song).unwrap();
    let submit =
        || daemon.submit("song.wav", &song, crate::support::draft(harmonix_ipc::Format::Wav16)).unwrap().id.0;
    daemon.ctl(["queue", "pause"]);
    let id = submit();
    let introspect = |object: &str| {
        let call =
            format!("busctl call org.harmonix1 {object} org.freedesktop.DBus.Introspectable Introspect");
        let output = bus.shell(&format!("busctl --json=short {}", call.trim_start_matches("busctl ")), None);
        let json: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        json["data"][0].as_str().unwrap().to_owned()
    };
    let manager = introspect("/org/harmonix1");
    for command in COMMANDS {
        assert!(manager.contains(&format!("<method name=\"{}\">", method(command.name))), "{}", command.name);
    }
    let fresh = page(&manager, &introspect(&format!("/org/harmonix1/jobs/{id}")));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/DBUS.md");
    if std::env::var_os("HARMONIX_WRITE").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == fresh,
        "systemd/DBUS.md is not what the service says: the head of this test says how it is written"
    );

    let mut seen = BTreeMap::new();
    for line in there.lines().filter(|line| typed(line)) {
        let line = line.replace("$ID", &submit()).replace("python3 ", "/usr/bin/python3 ");
        let output = bus.shell(&line, None);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        // what is asked for need not be there or possible now, but it has to be understood
        if complaint.contains("No module named 'dbus'") {
            not_tested("lines with descriptors: python3-dbus is not installed");
            continue;
        }
        let understood = output.status.success()
            || complaint.contains("Call failed")
            || complaint.contains("DBusException: org.harmonix1.Error");
        let refused =
            ["not understood", "Unknown method", "UnknownMethod"].iter().any(|word| complaint.contains(word));
        assert!(understood && !refused, "{line}: {complaint}");
        seen.insert(line, output.status.success());
        daemon.ctl(["queue", "pause"]);
    }
    assert!(seen.len() > COMMANDS.len() && seen.values().filter(|done| **done).count() > 20, "{seen:#?}");
}
