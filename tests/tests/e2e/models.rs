//! [BEY-11] Models: pulled, imported, checked and removed. Their files are arbitrary bytes here; the server is on this
//! machine and misbehaves.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{
    Error, ErrorKind, Format, JobOptions, JobState, ModelImport, ModelPull, ModelState, Quality, ShowModel,
};
use harmonix_tests::{
    harness::{Daemon, FileServer, Served, Setup},
    rng::Rng,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    access::{as_nobody, is_root},
    support::{blip, draft, long_song},
};

const SIZE: usize = 300_000;

/// A daemon with a catalogue of its own and a server for its files.
struct Site {
    server: FileServer,
    daemon: Daemon,
    dir: TempDir,
}

/// The weights that the server has.
fn weights(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    (0..SIZE).map(|_| rng.bits() as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A model of one file for each of `members`: lines of the catalogue.
fn model(id: &str, members: &[String]) -> String {
    let head = format!(
        "[[model]]\nid = \"{id}\"\ntitle = \"A model\"\nkind = \"separator\"\narchitecture = \"htdemucs\"\n\
         sources = [\"drums\", \"bass\", \"other\", \"vocals\"]\nlicence = \"test\"\n"
    );
    head + &members.concat()
}

fn member(file: &str, lines: &str, urls: &[String]) -> String {
    format!("[[model.member]]\nsignature = \"s\"\nfile = \"{file}\"\n{lines}\nurls = {urls:?}\n")
}

const LICENCE: &str =
    "[licence.test]\nname = \"Test\"\nurl = \"https://example.org/\"\ntext = \"Only for tests.\"\n";

impl Site {
    /// A site whose catalogue `models` makes for the server.
    fn new(models: impl Fn(&FileServer) -> String) -> Self {
        Self::with(Setup::new().config("models.proxy = \"none\""), models)
    }

    fn with(setup: Setup, models: impl Fn(&FileServer) -> String) -> Self {
        let (server, dir) = (FileServer::start(), tempfile::tempdir().unwrap());
        let catalogue = dir.path().join("catalogue.toml");
        fs::write(&catalogue, LICENCE.to_owned() + &models(&server)).unwrap();
        let daemon = setup.config(&format!("models.catalogue = {catalogue:?}")).start();
        Self { server, daemon, dir }
    }

    /// A site with the model `m`: the file `m.th` of those bytes, at `/m.th`.
    fn plain(body: &[u8]) -> Self {
        let digest = sha256(body);
        let site = Self::new(|server| {
            model("m", &[member("m.th", &format!("sha256 = \"{digest}\""), &[server.url("/m.th")])])
        });
        site.server.put("/m.th", Served::file(body));
        site
    }

    fn ctl(&self, words: &[&str]) -> (Option<i32>, Value) {
        let output = self.daemon.ctl(["models"].iter().chain(words).chain(&["--json"]));
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Pulls `m` and has to get it.
    fn pull(&self) -> Value {
        let (code, reply) = self.ctl(&["pull", "m", "--accept-licence"]);
        assert_eq!((code, &reply["state"]), (Some(0), &json!("installed")), "{reply}");
        reply
    }

    /// Pulls `m` and has to fail.
    fn fail(&self, kind: &str) -> Value {
        let (code, reply) = self.ctl(&["pull", "m", "--accept-licence"]);
        let expected = if kind == "too_large" { 4 } else { 5 };
        assert_eq!((code, &reply["error"]["kind"]), (Some(expected), &json!(kind)), "{reply}");
        assert_eq!(self.state(), ModelState::Missing);
        reply
    }

    fn state(&self) -> ModelState {
        self.daemon.client().call(ShowModel { model: "m".into() }).unwrap().model.state
    }

    fn file(&self) -> PathBuf {
        self.daemon.models().join("m/m.th")
    }

    /// What lies in the model's folder.
    fn files(&self) -> Vec<String> {
        names(&self.daemon.models().join("m"))
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.server.seen().into_iter().map(|seen| seen.range).collect()
    }

    /// Writes a file of the test's own.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[SIZE / 2] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Waits for what another process does.
fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_model_is_pulled_once() {
    let body = weights(1);
    let site = Site::plain(&body);
    assert_eq!(site.state(), ModelState::Missing);
    let pulled = site.pull();
    assert_eq!(pulled["files"][0]["from"], json!(site.server.url("/m.th")));
    assert_eq!((pulled["files"][0]["pinned"].clone(), pulled["bytes"].clone()), (json!(false), json!(SIZE)));
    assert_eq!(fs::read(site.file()).unwrap(), body);
    assert_eq!(site.files(), ["installed.json", "m.th"]);
    site.pull();
    assert_eq!(site.server.seen().len(), 1, "what is there is not asked for");
    let (_, list) = site.ctl(&["list"]);
    let states: Vec<_> =
        list["models"].as_array().unwrap().iter().map(|m| (m["id"].clone(), m["state"].clone())).collect();
    assert_eq!(states[0], (json!("spectral"), json!("built_in")));
    assert_eq!(states[1], (json!("htdemucs"), json!("missing")));
    assert_eq!(states.last().unwrap(), &(json!("m"), json!("installed")));
}

#[test]
fn it_stays_installed_over_a_restart() {
    let mut site = Site::plain(&weights(1));
    site.pull();
    site.daemon.crash_and_restart();
    assert_eq!(site.state(), ModelState::Installed);
    fs::write(site.file(), b"short").unwrap();
    site.daemon.crash_and_restart();
    assert_eq!(site.state(), ModelState::Damaged, "the size is looked at");
}

#[test]
fn a_cut_connection_goes_on_where_it_was() {
    let body = weights(2);
    let site = Site::plain(&body);
    site.server.put("/m.th", Served::file(&*body).cut([100_000, 50_000]));
    site.pull();
    assert_eq!(site.ranges(), [None, Some("bytes=100000-".into()), Some("bytes=150000-".into())]);
    assert_eq!(site.server.seen()[1].if_range.as_deref(), Some("\"one\""));
    assert_eq!(fs::read(site.file()).unwrap(), body);
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let body = weights(3);
    let site = Site::plain(&body);
    site.server.put("/m.th", Served::file(&*body).without_ranges().cut([100_000]));
    site.pull();
    assert_eq!(site.ranges(), [None, Some("bytes=100000-".into())]);
    assert_eq!(fs::read(site.file()).unwrap(), body);
}

/// A daemon that is killed in the middle leaves what came, and the next one goes on there.
#[test]
fn a_killed_daemon_goes_on_with_its_pull() {
    let body = weights(4);
    let mut site = Site::plain(&body);
    site.server.put("/m.th", Served::file(&*body).slow_after(200_000));
    let mut client = site.daemon.client();
    let pulling = thread::spawn(move || {
        client.pull(ModelPull { model: "m".into(), accept_licence: true }, |_| true).is_err()
    });
    let part = site.daemon.models().join("m/m.th.part");
    until("half of the file", || fs::metadata(&part).is_ok_and(|meta| meta.len() >= 200_000));
    site.daemon.crash_and_restart();
    assert!(pulling.join().unwrap());
    let there = fs::metadata(&part).unwrap().len();
    assert_eq!(site.state(), ModelState::Missing);
    site.server.put("/m.th", Served::file(&*body));
    site.pull();
    assert_eq!(site.ranges(), [None, Some(format!("bytes={there}-"))]);
    assert_eq!(fs::read(site.file()).unwrap(), body);
    assert_eq!(site.files(), ["installed.json", "m.th"]);
}

/// Bytes of another file in front, from a server that would go on behind them.
#[test]
fn what_was_joined_of_two_files_is_thrown_away() {
    let body = weights(5);
    let site = Site::plain(&body);
    fs::create_dir_all(site.daemon.models().join("m")).unwrap();
    fs::write(site.daemon.models().join("m/m.th.part"), vec![0; 1000]).unwrap();
    site.pull();
    assert_eq!(site.ranges(), [Some("bytes=1000-".into()), None]);
    assert_eq!(fs::read(site.file()).unwrap(), body);
}

#[test]
fn a_tampered_file_is_refused_and_another_address_is_tried() {
    let body = weights(6);
    let mut tampered = body.clone();
    tampered[SIZE - 1] ^= 1;
    let digest = sha256(&body);
    let site = Site::new(|server| {
        let urls = [server.url("/bad.th"), server.url("/good.th")];
        model("m", &[member("m.th", &format!("sha256 = \"{digest}\""), &urls)])
    });
    site.server.put("/bad.th", Served::file(&*tampered));
    let failed = site.fail("model_corrupt");
    assert!(
        failed.to_string().contains(&sha256(&tampered)) && failed.to_string().contains(&digest),
        "{failed}"
    );
    assert_eq!(site.files(), ["installed.json"], "nothing is left of it");
    site.server.put("/good.th", Served::file(&*body));
    let pulled = site.pull();
    assert_eq!(pulled["files"][0]["from"], json!(site.server.url("/good.th")));
    assert_eq!(fs::read(site.file()).unwrap(), body);
}

#[test]
fn a_file_of_another_size_is_refused() {
    let body = weights(7);
    for (size, sent) in [(SIZE + 1, 0), (SIZE - 1, 0), (SIZE, SIZE)] {
        let digest = sha256(&body);
        let site = Site::new(|server| {
            let lines = format!("size = {size}\nsha256 = \"{digest}\"");
            model("m", &[member("m.th", &lines, &[server.url("/m.th")])])
        });
        site.server.put("/m.th", Served::file(&*body));
        if sent == SIZE {
            site.pull();
        } else {
            assert!(site.fail("model_corrupt").to_string().contains("expected were"));
            assert_eq!(site.files(), ["installed.json"]);
        }
    }
}

#[test]
fn an_endless_file_is_given_up_at_its_limit() {
    let site = Site::new(|server| {
        let lines = format!("max_size = {SIZE}\nsha256 = \"{}\"", "0".repeat(64));
        model("m", &[member("m.th", &lines, &[server.url("/m.th")])])
    });
    site.server.put("/m.th", Served::Endless);
    site.fail("too_large");
    assert_eq!(site.files(), ["installed.json"]);
    assert!(site.server.sent() < 64 << 20, "{} bytes were taken", site.server.sent());
}

#[test]
fn where_it_is_not_the_next_address_is_asked() {
    let body = weights(8);
    let digest = sha256(&body);
    let site = Site::new(|server| {
        let urls =
            ["/gone.th", "/broken.th", "/nowhere.th", "/loop.th", "/m.th"].map(|path| server.url(path));
        model("m", &[member("m.th", &format!("sha256 = \"{digest}\""), &urls)])
    });
    site.server.put("/broken.th", Served::Status("503 Service Unavailable"));
    site.server.put("/nowhere.th", Served::Redirect("ftp://127.0.0.1/m.th".into()));
    site.server.put("/loop.th", Served::Redirect("/loop.th".into()));
    let failed = site.fail("model_missing");
    let causes = failed["error"]["causes"].to_string();
    assert!(["404", "503", "may not go", "too often"].iter().all(|why| causes.contains(why)), "{causes}");
    assert!(failed["error"]["hint"].as_str().unwrap().contains("models import"), "{failed}");
    site.server.put("/m.th", Served::Redirect(site.server.url("/elsewhere.th")));
    site.server.put("/elsewhere.th", Served::file(&*body));
    site.pull();
    assert_eq!(fs::read(site.file()).unwrap(), body);
}

#[test]
fn the_licence_is_shown_and_accepted_once() {
    let site = Site::plain(&weights(9));
    let (code, refused) = site.ctl(&["pull", "m"]);
    assert_eq!((code, &refused["error"]["kind"]), (Some(1), &json!("denied")));
    assert!(refused["error"]["hint"].as_str().unwrap().contains("Only for tests."), "{refused}");
    let file = site.write("m.th", &weights(9));
    assert_eq!(site.ctl(&["import", &file]).1["error"]["kind"], "denied");
    assert_eq!((site.server.seen().len(), names(&site.daemon.models()).len()), (0, 0), "nothing was done");
    assert_eq!(site.ctl(&["show", "m"]).1["consent"], Value::Null);
    let accepted = site.pull();
    assert_eq!(accepted["consent"]["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(site.ctl(&["remove", "m"]).0, Some(0));
    assert_eq!(site.ctl(&["pull", "m"]).0, Some(0), "it is remembered");
}

#[test]
fn a_file_is_imported_without_a_network() {
    let (body, other) = (weights(10), weights(11));
    let digest = sha256(&body);
    let site = Site::new(|_| {
        let sized = format!("max_size = {SIZE}\nsha256 = \"{digest}\"");
        let unknown = format!("max_size = {SIZE}");
        model("m", &[member("m.th", &sized, &[])]) + &model("n", &[member("n.th", &unknown, &[])])
    });
    let import = |name: &str, bytes: &[u8], more: &[&str]| {
        let file = site.write(name, bytes);
        site.ctl(&[&["import", &file, "--accept-licence"], more].concat())
    };
    let (code, wrong) = import("m.th", &other, &["--model", "m"]);
    assert_eq!((code, &wrong["error"]["kind"]), (Some(5), &json!("model_corrupt")));
    assert!(wrong["error"]["hint"].as_str().unwrap().contains(&digest), "{wrong}");
    let (code, wrong) = import("large.th", &vec![0; SIZE + 1], &["--model", "m"]);
    assert_eq!((code, &wrong["error"]["kind"]), (Some(4), &json!("too_large")));
    // what does not say its size is stopped on the way
    let (name, model) = ("m.th".into(), Some("m".into()));
    let request = ModelImport { name, model, accept_licence: true, size: None };
    let refused = site.daemon.client().import(request, &mut &vec![0; SIZE + 600_000][..]);
    assert_eq!(Error::from(refused.unwrap_err()).kind, ErrorKind::TooLarge);
    assert_eq!(import("empty.th", b"", &[]).1["error"]["kind"], "model_corrupt");
    assert_eq!(import("m.th", &body, &["--model", "x"]).1["error"]["kind"], "not_found");
    assert_eq!(import("m.th", &body, &["--model", "spectral"]).1["error"]["kind"], "invalid_request");
    let left: Vec<_> = names(&site.daemon.models()).into_iter().filter(|name| name != "m").collect();
    assert_eq!((left, site.files()), (Vec::<String>::new(), vec!["installed.json".into()]));

    // by digest, whatever it is called; by name where there is no digest
    assert_eq!(import("whatever.bin", &body, &[]).1["state"], "installed");
    assert_eq!(fs::read(site.file()).unwrap(), body);
    assert_eq!(import("x.th", &other, &[]).1["error"]["kind"], "model_corrupt");
    let (code, named) = import("n.th", &other, &[]);
    assert_eq!(
        (code, &named["id"], &named["files"][0]["pinned"]),
        (Some(0), &json!("n"), &json!(true)),
        "{named}"
    );
    assert!(named["notes"][0].as_str().unwrap().contains(&sha256(&other)));
    // from now on it is that file
    assert_eq!(import("n.th", &body, &["--model", "n"]).1["error"]["kind"], "model_corrupt");
}

#[test]
fn verify_finds_a_flipped_byte_and_a_pull_heals_it() {
    let body = weights(12);
    let site = Site::plain(&body);
    site.pull();
    let (code, report) = site.ctl(&["verify"]);
    assert_eq!((code, &report["files"][0]["state"]), (Some(0), &json!("present")));
    flip(&site.file());
    assert_eq!(site.state(), ModelState::Installed, "nobody has looked");
    let (code, report) = site.ctl(&["verify", "m"]);
    assert_eq!((code, &report["files"][0]["state"]), (Some(5), &json!("damaged")), "{report}");
    assert_eq!(
        (site.state(), site.files()),
        (ModelState::Damaged, vec!["installed.json".into(), "m.th.damaged".into()])
    );
    assert_eq!(site.ctl(&["verify"]).0, Some(5), "it stays damaged");
    site.pull();
    assert_eq!((fs::read(site.file()).unwrap(), site.files().len()), (body, 2));
    fs::remove_file(site.file()).unwrap();
    assert_eq!(site.ctl(&["verify"]).1["files"][0]["state"], "missing");
    assert_eq!(site.state(), ModelState::Missing);
}

#[test]
fn remove_leaves_nothing_to_run_on() {
    let site = Site::plain(&weights(13));
    assert_eq!(site.ctl(&["remove", "m"]).1["error"]["kind"], "conflict");
    site.pull();
    assert_eq!(site.ctl(&["remove", "m"]).0, Some(0));
    assert_eq!((site.state(), site.files()), (ModelState::Missing, vec!["installed.json".into()]));
    assert_eq!(site.ctl(&["remove", "x"]).1["error"]["kind"], "not_found");
    assert_eq!(site.ctl(&["remove", "spectral"]).1["error"]["kind"], "invalid_request");
}

#[test]
fn a_digest_that_is_not_known_is_pinned() {
    let (body, other) = (weights(14), weights(15));
    let prefix = sha256(&body)[..8].to_owned();
    let site = Site::new(|server| {
        let known = member("m.th", &format!("sha256_prefix = \"{prefix}\""), &[server.url("/m.th")]);
        model("m", &[known]) + &model("n", &[member("n.th", "", &[server.url("/n.th")])])
    });
    site.server.put("/m.th", Served::file(&*other));
    assert!(site.fail("model_corrupt").to_string().contains(&prefix), "the prefix is checked");
    site.server.put("/m.th", Served::file(&*body));
    let pulled = site.pull();
    assert_eq!(
        (&pulled["files"][0]["sha256"], &pulled["files"][0]["pinned"]),
        (&json!(sha256(&body)), &json!(true))
    );
    assert!(pulled["notes"][0].as_str().unwrap().contains("first 8 digits"), "{pulled}");

    site.server.put("/n.th", Served::file(&*body));
    assert_eq!(site.ctl(&["pull", "n", "--accept-licence"]).0, Some(0));
    flip(&site.daemon.models().join("n/n.th"));
    assert_eq!(site.ctl(&["verify", "n"]).0, Some(5));
    site.server.put("/n.th", Served::file(&*other));
    let (_, refused) = site.ctl(&["pull", "n"]);
    assert_eq!(refused["error"]["kind"], "model_corrupt", "it is the pinned file or none");
    site.server.put("/n.th", Served::file(&*body));
    assert_eq!(site.ctl(&["pull", "n"]).0, Some(0));
}

/// One at a time, and a client that leaves takes its pull with it.
#[test]
fn two_cannot_change_a_model_at_once() {
    let body = weights(16);
    let site = Site::plain(&body);
    site.server.put("/m.th", Served::file(&*body).slow_after(1000));
    let mut client = site.daemon.client();
    let (tell, told) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    let pulling = thread::spawn(move || {
        let pull = ModelPull { model: "m".into(), accept_licence: true };
        client.pull(pull, |_| {
            let _ = tell.send(());
            left.try_recv() == Err(mpsc::TryRecvError::Empty)
        })
    });
    told.recv().unwrap();
    for words in [&["verify", "m"][..], &["remove", "m"], &["pull", "m"]] {
        let (code, refused) = site.ctl(words);
        assert_eq!((code, &refused["error"]["kind"]), (Some(1), &json!("conflict")), "{words:?}");
    }
    drop(leave);
    assert!(pulling.join().unwrap().is_err());
    until("the pull has ended", || site.ctl(&["verify", "m"]).0 == Some(0));
    assert!(site.files().contains(&"m.th.part".to_owned()), "{:?}", site.files());
    site.server.put("/m.th", Served::file(&*body));
    site.pull();
    assert!(site.ranges().last().unwrap().is_some(), "what came is used");
}

/// The daemon's end does not wait for a slow server.
#[test]
fn a_pull_does_not_hold_the_daemon_up() {
    let body = weights(17);
    let mut site = Site::plain(&body);
    site.server.put("/m.th", Served::file(&*body).slow_after(1000));
    let mut client = site.daemon.client();
    let (tell, told) = mpsc::channel();
    let pulling = thread::spawn(move || {
        let pull = ModelPull { model: "m".into(), accept_licence: true };
        client.pull(pull, |_| tell.send(()).is_ok()).is_err()
    });
    told.recv().unwrap();
    assert!(site.daemon.stop().success());
    assert!(pulling.join().unwrap());
}

#[test]
fn a_proxy_is_used() {
    let proxy = FileServer::start();
    let body = weights(18);
    proxy.put("/m.th", Served::file(&*body));
    let digest = sha256(&body);
    // a host that only the proxy knows
    let catalogue = |_: &FileServer| {
        let url = "http://models.invalid/m.th".to_owned();
        model("m", &[member("m.th", &format!("sha256 = \"{digest}\""), &[url])])
    };
    let by_key = Setup::new().config(&format!("models.proxy = {:?}", proxy.url("")));
    let by_variable = Setup::new().env("HTTPS_PROXY", proxy.url("")).env("NO_PROXY", "");
    for (setup, asked) in [(by_key, 1), (by_variable, 2)] {
        Site::with(setup, catalogue).pull();
        assert_eq!(proxy.seen().iter().filter(|seen| seen.path == "/m.th").count(), asked);
    }
    Site::new(catalogue).fail("model_missing");
}

#[test]
fn a_catalogue_that_is_wrong_is_refused_at_the_start() {
    let mut site = Site::plain(&weights(19));
    assert!(site.daemon.stop().success());
    let path = site.write(
        "bad.toml",
        format!("{LICENCE}{}", model("m", &[member("m.th", "colour = 1", &[])])).as_bytes(),
    );
    for arguments in [&["--check-config"][..], &[]] {
        let output =
            site.daemon.command().env("HARMONIX_MODELS_CATALOGUE", &path).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("bad.toml") && text.contains("`colour`") && text.contains("line 15"), "{text}");
    }
}

#[test]
fn only_administrators_change_models() {
    let body = weights(20);
    let digest = sha256(&body);
    let open = Setup::new().config("socket.mode = \"0666\"\nmodels.proxy = \"none\"");
    let site = Site::with(open, |server| {
        model("m", &[member("m.th", &format!("sha256 = \"{digest}\""), &[server.url("/m.th")])])
    });
    if !is_root() {
        return;
    }
    let file = site.write("m.th", &body);
    fs::copy(&file, site.daemon.scratch().join("m.th")).unwrap();
    let file = site.daemon.scratch().join("m.th").display().to_string();
    for words in [
        &["models", "pull", "m", "--accept-licence"][..],
        &["models", "import", &file, "--accept-licence"],
        &["models", "verify"],
        &["models", "remove", "m"],
    ] {
        let (code, refused) = as_nobody(&site.daemon, words);
        assert_eq!((code, &refused["error"]["kind"]), (Some(1), &json!("denied")), "{words:?}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("administrator"), "{refused}");
    }
    assert_eq!(as_nobody(&site.daemon, &["models", "show", "m"]).0, Some(0));
    assert_eq!(site.server.seen().len(), 0);
}

/// [SEP-01] Without weights every preset runs on the built-in engine, and says how that can be changed.
#[test]
fn a_preset_falls_back_and_names_the_command() {
    let daemon = Daemon::start();
    for (quality, model) in [(Quality::Draft, "htdemucs"), (Quality::Balanced, "htdemucs_ft")] {
        let options = JobOptions { quality, ..draft(Format::Flac16) };
        let job = daemon.submit("x.wav", &blip(44_100, 2), options).unwrap();
        let job = daemon.finished(&job.id);
        assert_eq!((job.state, job.engine.as_deref()), (JobState::Completed, Some("spectral")));
        let note = job.events.iter().find(|event| event.kind == "fallback").expect("a note");
        assert!(note.message.contains(&format!("harmonixctl models pull {model}`")), "{}", note.message);
    }
    let by_name = |model: &str| JobOptions { model: Some(model.into()), ..draft(Format::Flac16) };
    let missing = daemon.submit("x.wav", &blip(8000, 1), by_name("htdemucs_ft")).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::ModelMissing);
    assert!(missing.hint.unwrap().contains("harmonixctl models pull htdemucs_ft"));
    let unknown = daemon.submit("x.wav", &blip(8000, 1), by_name("best")).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::InvalidRequest);
    let job = daemon.submit("x.wav", &blip(8000, 1), by_name("spectral")).unwrap();
    let job = daemon.finished(&job.id);
    assert!(job.state == JobState::Completed && job.events.is_empty(), "{:?}", job.events);
    let output = daemon.ctl(["doctor"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("harmonixctl models pull htdemucs_6s"));
}

/// The catalogue's htdemucs with bytes that are no weights.
fn stand_in(body: &[u8]) -> Site {
    let digest = sha256(body);
    let site = Site::new(|server| {
        model("htdemucs", &[member("m.th", &format!("sha256 = \"{digest}\""), &[server.url("/m.th")])])
    });
    site.server.put("/m.th", Served::file(body));
    site
}

/// What a job came to is decided when it is accepted.
#[test]
fn a_pull_does_not_change_jobs_that_were_accepted() {
    let mut site = stand_in(&weights(21));
    let first = site.daemon.submit("long.wav", long_song(), draft(Format::Flac16)).unwrap();
    let second = site.daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
    assert_eq!(site.ctl(&["pull", "htdemucs", "--accept-licence"]).0, Some(0));
    assert_ne!(site.daemon.show(&second.id).state, JobState::Completed, "it still waits for the first");
    site.daemon.crash_and_restart();
    for id in [first.id, second.id] {
        let job = site.daemon.finished(&id);
        assert_eq!((job.state, job.engine.as_deref()), (JobState::Completed, Some("spectral")));
    }
}

/// A worker that cannot use a model has its files looked at, and what is damaged is set aside.
#[test]
fn a_damaged_model_fails_its_job_and_is_set_aside() {
    let site = stand_in(&weights(22));
    assert_eq!(site.ctl(&["pull", "htdemucs", "--accept-licence"]).0, Some(0));
    let run = || {
        let job = site.daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap();
        let job = site.daemon.finished(&job.id);
        (job.state, job.error.map(|error| (error.kind, error.hint.unwrap_or_default())))
    };
    let (state, error) = run();
    let (kind, _) = error.expect("these bytes are no weights");
    assert_eq!(state, JobState::Failed);
    assert!(matches!(kind, ErrorKind::ModelCorrupt | ErrorKind::ModelMissing), "{kind}");
    let folder = site.daemon.models().join("htdemucs");
    assert_eq!(names(&folder), ["installed.json", "m.th"], "sound files stay");
    flip(&folder.join("m.th"));
    let (_, error) = run();
    let (kind, hint) = error.expect("an error");
    assert_eq!(kind, ErrorKind::ModelCorrupt);
    assert!(hint.contains("harmonixctl models pull htdemucs"), "{hint}");
    assert_eq!(names(&folder), ["installed.json", "m.th.damaged"]);
    // and the next job runs without it
    assert_eq!(run(), (JobState::Completed, None));
}
