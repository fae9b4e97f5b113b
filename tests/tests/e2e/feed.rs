//! [BEY-08] Songs that are dropped into a watched folder are separated once, when they are complete.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use harmonix_ipc::{ErrorKind, Job, JobState, ListJobs, QueuePause, QueueResume, WatchedFolder, Watches};
use harmonix_tests::harness::{Daemon, Setup};
use tempfile::TempDir;

use crate::support::{blip, stems_in};

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A root with the folder `in`, watched, and its output `stems` beside it.
struct Feed {
    root: TempDir,
    daemon: Daemon,
}

impl Feed {
    fn prepare(config: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        let setup = Setup::new().config(&format!(
            "library.roots = [{:?}]\nlibrary.scan = 0.1\n{config}\n[[watch]]\nfolder = {:?}\nquality = \"draft\"\nformat = \"flac16\"",
            root.path(),
            root.path().join("in"),
        ));
        Self { root, daemon: setup.prepare() }
    }

    fn start(config: &str) -> Self {
        let mut feed = Self::prepare(config);
        feed.daemon.try_launch().unwrap();
        feed
    }

    fn song(&self, name: &str) -> PathBuf {
        self.root.path().join("in").join(name)
    }

    fn out(&self) -> PathBuf {
        self.root.path().join("stems")
    }

    /// Makes a song appear at once.
    fn drop(&self, name: &str, bytes: &[u8]) {
        let beside = self.root.path().join("beside");
        fs::write(&beside, bytes).unwrap();
        fs::rename(beside, self.song(name)).unwrap();
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let began = Instant::now();
        while !done() {
            let shown = || format!("{what}: {:?} {:?}\n{}", self.watched(), self.made(), self.daemon.log());
            assert!(began.elapsed() < PATIENCE, "{}", shown());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until nothing of these songs is under way.
    fn delivered(&self, names: &[&str]) {
        for name in names {
            self.until(name, || self.out().join(format!("{name}_manifest.json")).exists());
        }
        self.until("the records", || self.watched().active == 0);
    }

    fn watched(&self) -> WatchedFolder {
        loop {
            // a keeper that breaks down takes a question with it
            if let Ok(mut list) = self.daemon.client().call(Watches {}) {
                return list.folders.remove(0);
            }
        }
    }

    /// What lies in the output folder.
    fn made(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.out()).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn jobs(&self) -> Vec<Job> {
        self.daemon.client().call(ListJobs::default()).unwrap().jobs
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.jobs().into_iter().map(|job| job.name).collect();
        names.sort();
        names
    }
}

/// The files of songs that went well.
fn outputs(names: &[&str]) -> BTreeSet<String> {
    let of = |name: &&str| {
        let stems = ["bass", "drums", "other", "vocals"].map(|stem| format!("{name}_{stem}.flac"));
        stems.into_iter().chain([format!("{name}_manifest.json")])
    };
    names.iter().flat_map(of).collect()
}

#[test]
fn a_song_is_taken_once_it_is_complete_however_it_comes() {
    let mut feed = Feed::prepare("limits.upload_bytes = 400000");
    let song = blip(22_050, 1);
    fs::write(feed.song("early.wav"), &song).unwrap();
    fs::write(feed.song("cover.jpg"), &song).unwrap();
    feed.daemon.try_launch().unwrap();
    feed.delivered(&["early"]);

    // a slow copy; others come and go meanwhile, so it is looked at again and again
    let mut slow = File::create(feed.song("slow.wav")).unwrap();
    slow.write_all(&song[..30_000]).unwrap();
    fs::write(feed.song("browser.wav.part"), &song).unwrap();
    fs::write(feed.song(".rsync.wav"), &song).unwrap();
    File::create(feed.song("empty.wav")).unwrap();
    for name in ["one", "two"] {
        feed.drop(&format!("{name}.wav"), &song);
        feed.delivered(&[name]);
        slow.write_all(&song[30_000..30_100]).unwrap();
    }
    assert_eq!(feed.names(), ["early.wav", "one.wav", "two.wav"]);
    assert_eq!(feed.watched().waiting, 2, "the slow one, and the empty one");
    fs::write(feed.song("slow.wav"), &song).unwrap();
    drop(slow);
    fs::rename(feed.song("browser.wav.part"), feed.song("browser.wav")).unwrap();
    feed.delivered(&["slow", "browser"]);

    // what cannot be separated says why, and holds nobody up
    feed.drop("bad.wav", b"this is no song at all\n");
    feed.drop("large.wav", &vec![0; 400_001]);
    feed.drop("good.wav", &song);
    feed.delivered(&["good"]);
    for (name, kinds) in [("bad", &["unsupported_format", "audio_load"][..]), ("large", &["too_large"])] {
        let path = feed.out().join(format!("{name}.error.txt"));
        feed.until(name, || path.exists());
        let text = fs::read_to_string(&path).unwrap();
        assert!(kinds.iter().any(|kind| text.contains(&format!("kind: {kind}\n"))), "{text}");
        assert!(text.contains("message: ") && text.contains("hint: ") && !text.contains("/in/"), "{text}");
    }
    let mut expected = outputs(&["early", "one", "two", "slow", "browser", "good"]);
    expected.extend(["bad.error.txt".into(), "large.error.txt".into()]);
    assert_eq!(feed.made(), expected);
    feed.until("the records", || feed.watched().active == 0);
    let watched = feed.watched();
    assert_eq!((watched.delivered, watched.failed, watched.waiting, watched.present), (6, 2, 1, true));
    assert_eq!(watched.error, None);
    assert_eq!(feed.jobs().iter().filter(|job| job.name == "slow.wav").count(), 1);
    assert_eq!(stems_in(&feed.out())["vocals"].frames(), 22_050);
    let shown = feed.daemon.ctl(["watches"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("6 delivered, 2 failed"), "{shown:?}");
}

#[test]
fn nothing_is_taken_or_delivered_twice_whatever_is_killed() {
    let mut feed = Feed::prepare("");
    let song = blip(22_050, 1);
    let names = ["a", "b", "c", "d"];
    for name in names {
        fs::write(feed.song(&format!("{name}.wav")), &song).unwrap();
    }
    feed.daemon.try_launch().unwrap();
    // in the middle of the first, of its delivery, and of the others
    feed.until("a job", || !feed.jobs().is_empty());
    feed.daemon.crash_and_restart();
    for enough in [1, 6, 11] {
        feed.until("outputs", || feed.made().iter().filter(|name| !name.starts_with('.')).count() >= enough);
        feed.daemon.crash_and_restart();
    }
    feed.delivered(&names);
    assert_eq!(feed.made(), outputs(&names));
    assert_eq!(feed.names(), ["a.wav", "b.wav", "c.wav", "d.wav"]);

    // the folder's keeper itself breaks down when everything lies ready under unfinished names
    assert!(feed.daemon.stop().success());
    feed.daemon.restart_with(&[("HARMONIX_FAULT", "publishing@1")]);
    feed.drop("e.wav", &song);
    feed.delivered(&["e"]);
    assert_eq!(feed.made(), outputs(&["a", "b", "c", "d", "e"]));
    let actors = feed.daemon.status().actors;
    let watch = actors.iter().find(|actor| actor.name == "watch").unwrap();
    assert!(watch.alive && watch.restarts == 1, "{watch:?}");
    assert_eq!(feed.jobs().len(), 5);
}

#[test]
fn the_same_file_is_not_taken_again_and_a_changed_one_is() {
    let mut feed = Feed::start("");
    let song = blip(22_050, 1);
    feed.drop("a.wav", &song);
    feed.delivered(&["a"]);
    let taken = |feed: &Feed| feed.jobs().len();

    // renamed, touched, copied over by itself, and all that while the daemon is down
    fs::rename(feed.song("a.wav"), feed.song("b.wav")).unwrap();
    feed.drop("mark1.wav", &blip(8_000, 1));
    feed.delivered(&["mark1"]);
    File::open(feed.song("b.wav")).unwrap().set_modified(SystemTime::now()).unwrap();
    fs::write(feed.song("mark1.wav"), blip(8_000, 1)).unwrap();
    feed.drop("mark2.wav", &blip(8_000, 2));
    feed.delivered(&["mark2"]);
    feed.daemon.kill();
    fs::rename(feed.song("b.wav"), feed.song("c.wav")).unwrap();
    feed.daemon.try_launch().unwrap();
    feed.drop("mark3.wav", &blip(11_025, 1));
    feed.delivered(&["mark3"]);
    assert_eq!(taken(&feed), 4, "{:?}", feed.names());
    assert!(feed.made().is_superset(&outputs(&["a", "mark1", "mark2", "mark3"])));

    // the same name with another content is another song
    fs::write(feed.song("c.wav"), blip(11_025, 2)).unwrap();
    feed.delivered(&["c"]);
    fs::write(feed.song("c.wav"), blip(16_000, 2)).unwrap();
    feed.delivered(&["c (2)"]);
    assert_eq!(taken(&feed), 6, "{:?}", feed.names());
    assert_eq!(feed.made().len(), 5 * 6);
}

#[test]
fn a_symbolic_link_leads_nowhere() {
    let mut feed = Feed::prepare("");
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.wav"), blip(22_050, 1)).unwrap();
    symlink(outside.path().join("secret.wav"), feed.song("link.wav")).unwrap();
    symlink(outside.path(), feed.song("folder")).unwrap();
    feed.daemon.try_launch().unwrap();
    feed.drop("good.wav", &blip(22_050, 1));
    feed.delivered(&["good"]);
    assert_eq!(feed.names(), ["good.wav"]);
    let error = feed.watched().error.expect("it is said");
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("symbolic link"), "{error}");
    // nor may the output lead out
    feed.until("stems", || feed.watched().active == 0);
    fs::remove_dir_all(feed.out()).unwrap();
    symlink(outside.path(), feed.out()).unwrap();
    feed.drop("more.wav", &blip(8_000, 1));
    feed.until("a refusal", || {
        feed.watched().error.is_some_and(|error| error.message.contains("output folder"))
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_delivered_waits_and_a_folder_that_is_gone_comes_back() {
    let feed = Feed::start("");
    // somebody has put a file where the folder would be
    fs::write(feed.out(), "mine").unwrap();
    feed.drop("a.wav", &blip(22_050, 1));
    feed.until("an error", || feed.watched().error.is_some());
    let watched = feed.watched();
    let error = watched.error.unwrap();
    assert!(error.message.contains("output folder") && error.hint.is_some(), "{error:?}");
    assert!(!format!("{error:?}").contains(&feed.root.path().display().to_string()), "no path in {error:?}");
    assert_eq!((watched.active, watched.delivered), (1, 0));
    assert_eq!(fs::read_to_string(feed.out()).unwrap(), "mine");
    fs::remove_file(feed.out()).unwrap();
    feed.delivered(&["a"]);
    assert_eq!((feed.watched().error, feed.made()), (None, outputs(&["a"])));

    // as when a disk is taken out
    let away = feed.root.path().join("away");
    fs::rename(feed.root.path().join("in"), &away).unwrap();
    feed.until("gone", || !feed.watched().present);
    assert_eq!(feed.watched().error.unwrap().kind, ErrorKind::NotFound);
    fs::write(away.join("b.wav"), blip(8_000, 1)).unwrap();
    fs::rename(&away, feed.root.path().join("in")).unwrap();
    feed.delivered(&["b"]);
    feed.until("back", || feed.watched().present);
    feed.drop("c.wav", &blip(8_000, 2));
    feed.delivered(&["c"]);
    assert_eq!(feed.made(), outputs(&["a", "b", "c"]));
}

/// A job of the folder is a job like any other: somebody who cancels or deletes it wants no stems.
#[test]
fn folders_in_the_folder_count_if_asked_for_and_a_job_that_is_ended_delivers_nothing() {
    let feed = Feed::start("");
    feed.daemon.client().call(QueuePause {}).unwrap();
    fs::create_dir(feed.song("album")).unwrap();
    fs::write(feed.song("album/deep.wav"), blip(22_050, 1)).unwrap();
    feed.drop("a.wav", &blip(22_050, 1));
    feed.drop("b.wav", &blip(8_000, 1));
    feed.until("both", || feed.watched().active == 2);
    let id = |name: &str| feed.jobs().into_iter().find(|job| job.name == name).unwrap().id;
    feed.daemon.client().call(harmonix_ipc::Cancel { job: id("a.wav") }).unwrap();
    feed.daemon.client().call(harmonix_ipc::Delete { job: id("b.wav") }).unwrap();
    feed.daemon.client().call(QueueResume {}).unwrap();
    feed.until("the records", || feed.watched().active == 0);
    assert!(feed.made().is_empty(), "{:?}", feed.made());
    assert_eq!(feed.names(), ["a.wav"], "nothing is taken again, and no folder is entered");

    let below = Feed::start("");
    let text = |recursive: &str| {
        format!(
            "library.roots = [{:?}]\nlibrary.scan = 0.1\n[[watch]]\nfolder = {:?}\noutput = {:?}\nquality = \"draft\"\nmode = \"karaoke\"\n{recursive}",
            below.root.path(),
            below.root.path().join("in"),
            below.root.path().join("in/out")
        )
    };
    let inner = Setup::new().config(&text("recursive = true")).start();
    fs::create_dir(below.song("album")).unwrap();
    fs::write(below.song("album/deep.wav"), blip(22_050, 1)).unwrap();
    let manifest = below.song("out/deep_manifest.json");
    below.until("deep", || manifest.exists());
    below.until("the records", || inner.client().call(Watches {}).unwrap().folders[0].active == 0);
    let made = fs::read_dir(below.song("out")).unwrap().count();
    assert_eq!(made, 3, "what is made there is not taken again");
    let jobs = inner.client().call(ListJobs::default()).unwrap().jobs;
    assert_eq!(
        jobs.iter().map(|job| (job.name.as_str(), job.state)).collect::<Vec<_>>(),
        [("deep.wav", JobState::Completed)]
    );
}

#[test]
fn a_wrong_folder_is_an_error_of_the_configuration_that_names_the_key() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("in")).unwrap();
    fs::write(dir.path().join("stems"), "a file").unwrap();
    let with = |root: &Path, folder: &Path| {
        let text = format!("library.roots = [{root:?}]\n[[watch]]\nfolder = {folder:?}\n");
        let daemon = Setup::new().config(&text).prepare();
        ["--check-config", "--log=info"].map(|flag| {
            let output = daemon.command().arg(flag).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            String::from_utf8_lossy(&output.stderr).into_owned()
        })
    };
    let (root, inside) = (dir.path(), dir.path().join("in"));
    for text in with(root, &dir.path().join("nowhere")) {
        assert!(text.contains("`watch.folder`") && text.contains("nowhere"), "{text}");
    }
    for text in with(root, Path::new("/etc")) {
        assert!(text.contains("`watch.folder`") && text.contains("library.roots"), "{text}");
    }
    for text in with(&dir.path().join("none"), &dir.path().join("none/in")) {
        assert!(text.contains("`library.roots`"), "{text}");
    }
    for text in with(root, &inside) {
        assert!(text.contains("`watch.output`"), "{text}");
    }
}
