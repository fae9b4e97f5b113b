//! The interface on the message bus, on private buses. `system.rs` does the same on a booted system.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    time::Duration,
};

use harmonix_ipc::{ErrorKind, Format, JobOptions, JobState};
use harmonix_tests::harness::{Bus, Daemon, Setup, not_tested};
use zbus::{
    Connection, DBusError as _, MessageStream, OwnedObjectPath, OwnedVariant, Proxy, Variant,
    connection::Builder,
};

use crate::support::{blip, draft, song};

/// A daemon on that bus, once it is there.
fn on(bus: Bus, setup: Setup) -> (Bus, Daemon) {
    let daemon = setup
        .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
        .env("HARMONIX_DBUS_BUS", "system")
        .env("HARMONIX_LOG", "info,harmonixd=debug")
        .start();
    for _ in 0..2000 {
        if bus.shell("busctl status org.harmonix1", None).status.success() {
            return (bus, daemon);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the daemon does not come on the bus:\n{}", daemon.log());
}

/// A daemon on a bus with the shipped policy; none where this cannot be had.
pub(crate) fn on_system_bus(setup: Setup) -> Option<(Bus, Daemon)> {
    if !rustix::process::geteuid().is_root() {
        not_tested("the policy of the message bus: it lets root and the user harmonix own the name");
        return None;
    }
    Some(on(Bus::system()?, setup))
}

/// Runs a client of that bus.
fn client<T>(bus: &Bus, work: impl AsyncFnOnce(Connection) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = bus.address().to_owned();
    runtime.block_on(async {
        let connection = Builder::address(address.as_str()).build().await.unwrap();
        tokio::time::timeout(Duration::from_secs(300), work(connection)).await.expect("takes too long")
    })
}

async fn manager(connection: &Connection) -> Proxy<'static> {
    Proxy::new(connection, "org.harmonix1", "/org/harmonix1", "org.harmonix1.Manager").await.unwrap()
}

fn file(bytes: &[u8]) -> zbus::OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    OwnedFd::from(file).into()
}

fn options(pairs: &[(&'static str, Variant<'static>)]) -> HashMap<&'static str, Variant<'static>> {
    pairs.iter().map(|(name, value)| (*name, value.try_clone().unwrap())).collect()
}

/// Name and message of an error.
fn refusal<T: std::fmt::Debug>(result: Result<T, zbus::Error>) -> (String, String) {
    match result.unwrap_err() {
        zbus::Error::MethodError(name, message, _) => (name.to_string(), message.unwrap_or_default()),
        zbus::Error::FDO(error) => {
            (error.name().to_string(), error.description().unwrap_or_default().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// [DBS-01, DBS-02] From a descriptor to a descriptor, with every signal between.
#[test]
fn a_song_goes_in_by_descriptor_and_its_stems_come_out_so() {
    let Some((bus, daemon)) = on_system_bus(Setup::new()) else { return };
    client(&bus, async |connection| {
        let rule = "type='signal',sender='org.harmonix1'";
        let mut signals =
            MessageStream::for_match_rule(rule, &connection, std::num::NonZero::new(4096)).await.unwrap();
        let manager = manager(&connection).await;
        let arguments =
            options(&[("name", "song.wav".into()), ("quality", "draft".into()), ("format", "flac24".into())]);
        let job: OwnedObjectPath = manager.call("SubmitJob", &(file(&song(30.0)), arguments)).await.unwrap();
        let id = job.as_str().rsplit('/').next().unwrap().to_owned();

        let mut order = Vec::new();
        let (mut states, mut progress) = (Vec::new(), Vec::new());
        let mut told = BTreeMap::new();
        while told.get("State") != Some(&"completed".to_owned()) {
            let signal = next(&mut signals).await;
            let header = signal.header();
            let member = header.member().unwrap().to_string();
            if member == "PropertiesChanged" && header.path().unwrap().as_str() == job.as_str() {
                let body = signal.body();
                let (_, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) =
                    body.deserialize().unwrap();
                for (name, value) in changed {
                    match (name.as_str(), &*value) {
                        ("Progress", Variant::F64(value)) => progress.push(*value),
                        ("State", Variant::Str(state)) => states.push(state.to_string()),
                        _ => {}
                    }
                    told.insert(name, value.to_string().trim_matches('"').to_owned());
                }
            }
            order.push(member);
        }
        let at = |name: &str| order.iter().position(|member| member == name).unwrap_or(usize::MAX);
        assert!(at("InterfacesAdded") < at("JobNew") && at("JobNew") < order.len(), "{order:?}");
        assert!(progress.is_sorted() && progress.len() >= 3 && progress.len() < 200, "{progress:?}");
        assert_eq!(progress.last(), Some(&1.0));
        assert!(
            states.contains(&"separating".to_owned()) && states.last().unwrap() == "completed",
            "{states:?}"
        );
        assert_eq!(told["Result"], "completed");

        let object =
            Proxy::new(&connection, "org.harmonix1", job.clone(), "org.harmonix1.Job").await.unwrap();
        let (stem, name, bytes): (zbus::OwnedFd, String, u64) =
            object.call("Fetch", &"vocals").await.unwrap();
        let mut content = Vec::new();
        File::from(OwnedFd::from(stem)).read_to_end(&mut content).unwrap();
        let shown = daemon.show(&harmonix_ipc::JobId(id.clone()));
        assert_eq!((name, content.len() as u64), (shown.stems["vocals"].clone(), bytes));
        assert!(content == daemon.output(&shown, "vocals"));
        assert_eq!(shown.name, "song.wav");

        // the typed views tell the same
        let all: HashMap<String, OwnedVariant> = manager.call("GetJob", &id).await.unwrap();
        assert_eq!(all["state"].to_string(), "\"completed\"");
        let list: Vec<HashMap<String, OwnedVariant>> =
            manager.call("ListJobs", &options(&[("limit", 5_u32.into())])).await.unwrap();
        assert_eq!((list.len(), list[0]["id"].to_string()), (1, format!("\"{id}\"")));
        assert_eq!(manager.get_property::<u32>("QueueLength").await.unwrap(), 0);
        assert_eq!(object.get_property::<u32>("OwnerUID").await.unwrap(), 0);
        assert_eq!(manager.get_property::<String>("Version").await.unwrap(), env!("CARGO_PKG_VERSION"));

        let () = object.call("Delete", &()).await.unwrap();
        let removed = loop {
            let signal = next(&mut signals).await;
            if signal.header().member().unwrap().as_str() == "JobRemoved" {
                break signal.body().deserialize::<(String, OwnedObjectPath)>().unwrap();
            }
        };
        assert_eq!(removed, (id.clone(), job));
        assert_eq!(
            refusal(manager.call::<_, _, HashMap<String, OwnedVariant>>("GetJob", &id).await).0,
            "org.harmonix1.Error.NotFound"
        );
    });
}

async fn next(stream: &mut MessageStream) -> zbus::Message {
    std::future::poll_fn(|context| {
        zbus::export::futures_core::Stream::poll_next(std::pin::Pin::new(&mut *stream), context)
    })
    .await
    .expect("the stream of signals ended")
    .unwrap()
}

/// [DBS-02] Objects come with jobs, stay for a while, and go: the oldest first, then by time.
#[test]
fn objects_of_finished_jobs_are_evicted() {
    let Some((bus, daemon)) = on_system_bus(Setup::new().config("dbus.finished = 2")) else { return };
    let jobs: Vec<_> =
        (0..4).map(|_| daemon.submit("x.wav", &blip(8000, 1), draft(Format::Wav16)).unwrap().id).collect();
    let mut jobs: Vec<_> = jobs.iter().map(|id| daemon.finished(id)).collect();
    jobs.sort_by(|a, b| a.finished_at.partial_cmp(&b.finished_at).unwrap());
    client(&bus, async |connection| {
        let objects =
            Proxy::new(&connection, "org.harmonix1", "/org/harmonix1", "org.freedesktop.DBus.ObjectManager")
                .await
                .unwrap();
        type Managed = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
        let mut expected: Vec<_> =
            jobs[2..].iter().map(|job| format!("/org/harmonix1/jobs/{}", job.id)).collect();
        expected.sort();
        loop {
            let managed: Managed = objects.call("GetManagedObjects", &()).await.unwrap();
            let paths = managed.keys().map(|path| path.as_str().to_owned());
            let mut paths: Vec<_> = paths.filter(|path| path.starts_with("/org/harmonix1/jobs/")).collect();
            paths.sort();
            if paths == expected {
                let shown =
                    &managed[&OwnedObjectPath::try_from(expected[0].clone()).unwrap()]["org.harmonix1.Job"];
                // nothing of what the job is about
                let mut names: Vec<_> = shown.keys().map(String::as_str).collect();
                names.sort_unstable();
                assert_eq!(
                    names,
                    ["CreatedAt", "FinishedAt", "Id", "OwnerUID", "Progress", "Result", "StartedAt", "State"]
                );
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// [DBS-03] Each refusal has its name; nothing of it hurts the daemon.
#[test]
fn bad_calls_are_refused_by_name() {
    let setup =
        Setup::new().config("limits.upload_bytes = 100000\nlimits.upload_idle = 1.0\nlimits.active_jobs = 2");
    let Some((bus, daemon)) = on_system_bus(setup) else { return };
    client(&bus, async |connection| {
        let manager = manager(&connection).await;
        let submit = async |input: zbus::OwnedFd, arguments: &[(&'static str, Variant<'static>)]| {
            refusal(manager.call::<_, _, OwnedObjectPath>("SubmitJob", &(input, options(arguments))).await).0
        };
        let error = |kind: ErrorKind| kind.dbus_name();
        assert_eq!(error(ErrorKind::AudioLoad), "org.harmonix1.Error.AudioLoad");
        assert_eq!(submit(file(b""), &[]).await, error(ErrorKind::AudioLoad));
        assert_eq!(submit(file(&vec![0; 100_001]), &[]).await, error(ErrorKind::TooLarge));
        assert_eq!(
            submit(OwnedFd::from(File::open("/dev/zero").unwrap()).into(), &[]).await,
            error(ErrorKind::TooLarge)
        );
        assert_eq!(
            submit(OwnedFd::from(File::open("/").unwrap()).into(), &[]).await,
            error(ErrorKind::InvalidRequest)
        );
        let unreadable = File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(submit(OwnedFd::from(unreadable).into(), &[]).await, error(ErrorKind::InvalidRequest));
        for wrong in [
            ("no_such_option", Variant::from(1_u32)),
            ("quality", "perfect".into()),
            ("quality", 7_u32.into()),
            ("name", 7_u32.into()),
            ("name", "zero\u{1}".repeat(2000).into()),
            ("overlap", 7.5.into()),
        ] {
            let name = wrong.0;
            assert_eq!(
                submit(file(&blip(8000, 1)), &[wrong]).await,
                error(ErrorKind::InvalidRequest),
                "{name}"
            );
        }
        // a pipe that nobody writes to any more is not at its end; one that is written to and closed is
        let (silent, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&blip(8000, 1)).unwrap();
        assert_eq!(submit(OwnedFd::from(silent).into(), &[]).await, error(ErrorKind::InvalidRequest));
        drop(writer);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let sending = std::thread::spawn(move || writer.write_all(&blip(8000, 1)));
        let arguments = options(&[("name", "piped.wav".into()), ("quality", "draft".into())]);
        let job: OwnedObjectPath = manager
            .call("SubmitJob", &(zbus::OwnedFd::from(OwnedFd::from(reader)), arguments))
            .await
            .unwrap();
        sending.join().unwrap().unwrap();
        let id = harmonix_ipc::JobId(job.as_str().rsplit('/').next().unwrap().to_owned());
        assert_eq!(daemon.finished(&id).state, JobState::Completed);

        let commands = Proxy::new(&connection, "org.harmonix1", "/org/harmonix1", "org.harmonix1.Commands")
            .await
            .unwrap();
        let call = async |method: &'static str, arguments: &[(&'static str, Variant<'static>)]| {
            refusal(commands.call::<_, _, String>(method, &options(arguments)).await)
        };
        assert_eq!(call("Show", &[]).await.0, error(ErrorKind::InvalidRequest));
        assert_eq!(call("Status", &[("x", true.into())]).await.0, error(ErrorKind::InvalidRequest));
        assert_eq!(call("Status", &[("command", "doctor".into())]).await.0, error(ErrorKind::InvalidRequest));
        let (name, message) = call("Cancel", &[("job", "nonsense".into())]).await;
        assert_eq!((name, message.as_str()), (error(ErrorKind::NotFound), "no job nonsense"));
        assert_eq!(call("ConfigCheck", &[("text", "x = 1".into())]).await.0, error(ErrorKind::Config));
        assert_eq!(
            refusal(commands.call::<_, _, String>("Status", &"text").await).0,
            error(ErrorKind::InvalidRequest)
        );
        assert_eq!(
            refusal(commands.call::<_, _, String>("NoSuch", &()).await).0,
            "org.freedesktop.DBus.Error.UnknownMethod"
        );
        let status: String = commands.call("Status", &options(&[])).await.unwrap();
        assert!(status.starts_with("{\"reply\":\"status\""), "{status}");

        // a stream of events, as lines
        let lines: zbus::OwnedFd = commands.call("Watch", &options(&[])).await.unwrap();
        let mut first = [0; 20];
        File::from(OwnedFd::from(lines)).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"{\"event\":\"snapshot\",");
    });
    let status = daemon.status();
    assert!(status.actors.iter().all(|actor| actor.alive && actor.restarts == 0) && status.active == 0);
}

/// Identity comes from the bus; the shipped policy lets strangers read what the service says of itself, and no more.
#[test]
fn strangers_are_refused_by_the_policy_and_by_the_daemon() {
    let Some((bus, daemon)) = on_system_bus(Setup::new()) else { return };
    let nobody = |bus: &Bus, line: &str| {
        let output = bus.shell(&format!("busctl {line}"), Some(65534));
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    };
    let at = "org.harmonix1 /org/harmonix1";
    assert!(nobody(&bus, &format!("introspect {at}")).0);
    assert_eq!(
        nobody(&bus, &format!("get-property {at} org.harmonix1.Manager QueueLength")),
        (true, "u 0\n".into())
    );
    for line in [
        "org.harmonix1.Manager ListJobs 'a{sv}' 0",
        "org.harmonix1.Commands Status 'a{sv}' 0",
        "org.freedesktop.DBus.ObjectManager GetManagedObjects",
    ] {
        let (done, text) = nobody(&bus, &format!("call {at} {line}"));
        assert!(!done && text.contains("denied"), "{line}: {text}");
    }
    drop(daemon);

    let Some(bus) = Bus::open() else { return };
    let (bus, daemon) = on(bus, Setup::new());
    let job = daemon.submit("x.wav", &blip(8000, 1), JobOptions::default()).unwrap();
    daemon.finished(&job.id);
    for (line, why) in [
        (format!("org.harmonix1.Manager GetJob s {}", job.id), "no job"),
        (format!("org.harmonix1.Commands Delete 'a{{sv}}' 1 job s {}", job.id), "no job"),
        ("org.harmonix1.Commands ConfigShow 'a{sv}' 0".into(), "only an administrator"),
    ] {
        let (done, text) = nobody(&bus, &format!("call {at} {line}"));
        assert!(!done && text.contains(why), "{line}: {text}");
    }
    let cancel = format!("call org.harmonix1 /org/harmonix1/jobs/{} org.harmonix1.Job Cancel", job.id);
    assert!(nobody(&bus, &cancel).1.contains("no job"));
    std::fs::write(bus.dir().join("n.wav"), blip(8000, 1)).unwrap();
    let call = "import dbus; dbus.SystemBus().call_blocking('org.harmonix1', '/org/harmonix1', \
                'org.harmonix1.Manager', 'SubmitJob', 'ha{sv}', (dbus.types.UnixFd(open('n.wav', 'rb')), {'name': 'n.wav'}))";
    let output = bus.shell(&format!("/usr/bin/python3 -c \"{call}\""), Some(65534));
    if String::from_utf8_lossy(&output.stderr).contains("No module named") {
        return not_tested("a stranger's own job: python3-dbus is not installed");
    }
    assert!(output.status.success(), "{output:?}");
    let all = daemon.client().call(harmonix_ipc::ListJobs::default()).unwrap();
    assert_eq!((all.total, all.jobs[0].owner), (2, 65534));
    let (_, own) = nobody(&bus, &format!("call {at} org.harmonix1.Commands Jobs 'a{{sv}}' 0"));
    assert!(own.contains("\\\"total\\\":1"), "{own}");
}

/// [DBS-04] Without a bus, and when the bus goes away, the daemon goes on and says so.
#[test]
fn the_daemon_needs_no_bus() {
    let gone = "unix:path=/nonexistent/bus";
    let daemon = Setup::new().env("HARMONIX_DBUS_BUS", "system").env("DBUS_SYSTEM_BUS_ADDRESS", gone).start();
    let doctor = |daemon: &Daemon| {
        let report: serde_json::Value =
            serde_json::from_slice(&daemon.ctl(["doctor", "--json"]).stdout).unwrap();
        report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "dbus").unwrap().clone()
    };
    while doctor(&daemon)["verdict"] == "ok" {
        std::thread::sleep(Duration::from_millis(10));
    }
    let check = doctor(&daemon);
    assert!(
        check["found"].as_str().unwrap().contains("not on the system bus") && check["remedy"].is_string(),
        "{check}"
    );
    assert!(daemon.log().contains("no message bus"), "{}", daemon.log());
    let job = daemon.submit("x.wav", &blip(8000, 1), draft(Format::Wav16)).unwrap();
    assert_eq!(daemon.finished(&job.id).state, JobState::Completed);

    let Some((bus, daemon)) = on_system_bus(Setup::new()) else { return };
    assert_eq!(doctor(&daemon)["found"], "org.harmonix1 on the system bus");
    drop(bus);
    while doctor(&daemon)["verdict"] == "ok" {
        std::thread::sleep(Duration::from_millis(10));
    }
    let job = daemon.submit("x.wav", &blip(8000, 1), draft(Format::Wav16)).unwrap();
    assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
}
