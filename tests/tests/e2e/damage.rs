//! A store whose files were damaged while the daemon was down.

use std::{
    fs,
    path::{Path, PathBuf},
};

use harmonix_ipc::{Fetch, Format, Job, JobState, ListJobs};
use harmonix_tests::{
    harness::{Daemon, Setup},
    rng::Rng,
};

use crate::support::{blip, draft};

/// Damages that are tried.
const ROUNDS: usize = 60;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    all.sort();
    all
}

/// Flips bits of what is not zero, cuts the file off, or removes it. Says what was done.
fn damage(store: &Path, rng: &mut Rng) -> String {
    let written = |file: &PathBuf| fs::read(file).unwrap().iter().any(|byte| *byte != 0);
    let all: Vec<_> = files(store).into_iter().filter(written).collect();
    let file = &all[rng.below(all.len())];
    let name = file.strip_prefix(store).unwrap().display();
    let mut bytes = fs::read(file).unwrap();
    match rng.below(10) {
        0 => {
            fs::remove_file(file).unwrap();
            return format!("{name} removed");
        }
        1..4 => bytes.truncate(rng.below(bytes.len())),
        _ => {
            let written: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
            let flips = 1 + rng.below(3) * rng.below(40);
            let places: Vec<_> = (0..flips).map(|_| written[rng.below(written.len())]).collect();
            places.iter().for_each(|at| bytes[*at] ^= 1 << rng.below(8));
            fs::write(file, &bytes).unwrap();
            return format!("{name}: bits flipped at {places:?}");
        }
    }
    fs::write(file, &bytes).unwrap();
    format!("{name} cut off to {} bytes", bytes.len())
}

/// What is there is right, and what is not was said to be lost.
fn honest(daemon: &Daemon, jobs: &[Job], log: &str, what: &str) {
    let list = daemon.client().call(ListJobs::default()).unwrap().jobs;
    for job in jobs {
        match list.iter().find(|found| found.id == job.id) {
            Some(found) => {
                assert_eq!((found.state, &found.stems), (job.state, &job.stems), "{what}");
                for output in found.stems.keys() {
                    let fetch = Fetch { job: job.id.clone(), output: output.clone() };
                    daemon.client().fetch(fetch, &mut std::io::sink()).expect(what);
                }
            }
            None => assert!(log.contains("ERROR"), "{what}: a job is lost without a word:\n{log}"),
        }
    }
}

/// Saves what can be read of a store that was refused, perhaps starts from that, and counts the jobs that are as they were.
fn rescued(daemon: &mut Daemon, jobs: &[Job], what: &str, start: bool) -> usize {
    let run = |arguments: &[&str]| {
        let output = daemon.command().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{what}: {arguments:?}: {}\n{said}",
            output.status
        );
        assert!(!said.contains("panicked"), "{what}: {said}");
        (output.status.code() == Some(0), said)
    };
    let file = daemon.scratch().join("rescued.jsonl");
    let _ = fs::remove_file(&file);
    let name = file.display().to_string();
    if !daemon.state().join("store/db").exists() {
        return 0;
    }
    let (is_whole, said) = run(&["--store-export", &name]);
    assert!(said.contains("records saved") && is_whole != said.contains("lost: "), "{what}: {said}");
    let text = fs::read_to_string(&file).unwrap();
    let found: Vec<Job> = text
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["value"].as_str().map(str::to_owned)
        })
        .filter_map(|record| {
            serde_json::from_value(serde_json::from_str::<serde_json::Value>(&record).unwrap()["job"].take())
                .ok()
        })
        .collect();
    assert!(
        found.iter().all(|job| jobs.iter().any(|known| known.id == job.id)),
        "{what}: jobs that there never were"
    );
    if is_whole {
        assert!(jobs.iter().all(|job| found.contains(job)), "{what}: it is not whole:\n{said}");
    }
    if start {
        run(&["--store-import", &name, "--replace"]);
        let before = daemon.log().len();
        daemon.try_launch().unwrap_or_else(|why| panic!("{what}: {why}"));
        let list = daemon.client().call(ListJobs::default()).unwrap().jobs;
        assert_eq!(list.len(), found.len(), "{what}");
        for id in list.iter().map(|job| &job.id) {
            let job = daemon.finished(id);
            let again = job.state == JobState::Completed || job.error.is_some();
            assert!(again, "{what}: {job:?}");
            for output in job.stems.keys() {
                let fetch = Fetch { job: job.id.clone(), output: output.clone() };
                daemon.client().fetch(fetch, &mut std::io::sink()).expect(what);
            }
        }
        assert!(daemon.stop().success());
        assert!(!daemon.log()[before..].contains("panicked"), "{what}");
    }
    jobs.iter().filter(|job| found.contains(job)).count()
}

#[test]
fn a_damaged_store_is_said_to_be_damaged() {
    let mut daemon = Setup::new().start();
    let song = blip(11_025, 1);
    let jobs: Vec<_> = (0..6)
        .map(|_| daemon.submit("x.wav", &song, draft(Format::Flac16)).unwrap().id)
        .map(|id| daemon.finished(&id))
        .collect();
    assert!(jobs.iter().all(|job| job.state == JobState::Completed));
    assert!(daemon.stop().success());
    let sound = daemon.scratch().join("sound");
    copy(&daemon.state(), &sound);
    let (mut opened, mut refused, mut saved) = (0, 0, 0);
    for round in 0..ROUNDS {
        fs::remove_dir_all(daemon.state()).unwrap();
        copy(&sound, &daemon.state());
        let what = damage(&daemon.state().join("store"), &mut Rng::new(round as u64));
        let before = daemon.log().len();
        match daemon.try_launch() {
            Ok(_) => {
                opened += 1;
                let log = daemon.log()[before..].to_owned();
                honest(&daemon, &jobs, &log, &what);
                assert!(daemon.stop().success(), "{what}");
            }
            Err(_) => {
                refused += 1;
                let status = daemon.wait();
                let said = daemon.log()[before..].to_owned();
                assert_eq!(status.code(), Some(1), "{what}: {status}\n{said}");
                assert!(said.contains("harmonixd: the store"), "{what}: it does not say why:\n{said}");
                assert!(
                    said.contains("harmonixd --store-export"),
                    "{what}: it does not say what to do:\n{said}"
                );
                saved += rescued(&mut daemon, &jobs, &what, refused % 4 == 0);
            }
        }
        let said = daemon.log()[before..].to_owned();
        assert!(!said.contains("panicked"), "{what}:\n{said}");
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused: the damages are of one kind");
    let all = refused * jobs.len();
    assert!(saved * 2 > all, "{saved} of {all} jobs were saved from {refused} stores that were refused");
}
