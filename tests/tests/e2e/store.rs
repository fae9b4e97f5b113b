//! [LIB-15] [LIB-16] [LIB-21] The store travels, is checked, is backed up, and opens whatever version wrote it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use harmonix_ipc::{
    Cancel, CheckStore, Client, ErrorKind, Fetch, Format, Job, JobId, JobState, ListJobs, QueuePause,
    QueueResume, StoreBackup, StoreImported, StoreReport,
};
use harmonix_tests::harness::{Daemon, Setup};
use harmonixd::store::{SledStore, Store, Write};
use serde_json::Value;

use crate::{
    access::{as_nobody, is_root},
    support::{blip, draft, faketime, not_tested},
};

/// A job record of the first version, as that version wrote it.
const RECORD_V1: &str = include_str!("../../../daemon/src/job/fixtures/record-v1.json");

/// All jobs in order of submission.
fn jobs(daemon: &Daemon) -> Vec<Job> {
    let mut jobs = daemon.client().call(ListJobs::default()).unwrap().jobs;
    jobs.reverse();
    jobs
}

fn job(daemon: &Daemon, id: &JobId) -> Job {
    jobs(daemon).into_iter().find(|job| job.id == *id).unwrap()
}

fn separated(daemon: &Daemon) -> Job {
    let job = daemon.submit("x.wav", &blip(11_025, 1), draft(Format::Flac16)).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job
}

/// A completed, a failed and a cancelled job, and one that waits in a queue that is held.
fn all_kinds(daemon: &Daemon) -> [Job; 4] {
    let completed = separated(daemon);
    let failed = daemon.submit("x.wav", b"no song", draft(Format::Flac16)).unwrap();
    let failed = daemon.finished(&failed.id);
    daemon.client().call(QueuePause {}).unwrap();
    let [cancelled, waiting] =
        [(); 2].map(|()| daemon.submit("x.wav", &blip(11_025, 1), draft(Format::Flac16)).unwrap());
    let cancelled = daemon.client().call(Cancel { job: cancelled.id }).unwrap();
    [completed, failed, cancelled, waiting]
}

/// `harmonixctl store …`, which has to succeed: its JSON.
fn ctl(daemon: &Daemon, arguments: &[&str]) -> Value {
    let output = daemon.ctl(["store", "--json"].iter().chain(arguments));
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same where it has to fail: the error.
fn refused(daemon: &Daemon, arguments: &[&str]) -> Value {
    let output = daemon.ctl(["store", "--json"].iter().chain(arguments));
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["error"].take()
}

/// `harmonixd --store-…` over the daemon's folders.
fn offline(daemon: &Daemon, arguments: &[&str]) -> Output {
    daemon.command().args(arguments).output().unwrap()
}

fn done(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

fn path(daemon: &Daemon, name: &str) -> (PathBuf, String) {
    let path = daemon.scratch().join(name);
    let text = path.display().to_string();
    (path, text)
}

/// The records of an export: all lines but the first and the last.
fn records(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

fn check(daemon: &Daemon, deep: bool) -> StoreReport {
    daemon.client().call(CheckStore { deep }).unwrap()
}

/// Export, everything gone but the folders of jobs, import: nothing differs, and what waited goes on.
#[test]
fn what_is_exported_comes_back_as_it_was() {
    let mut daemon = Daemon::start();
    let [completed, _, _, waiting] = all_kinds(&daemon);
    // a kind of record that this daemon does not know yet travels too
    daemon.stop();
    let later = Write::Put("later/kind".into(), b"\xff\x00 whatever".to_vec());
    SledStore::open(&daemon.state().join("store")).unwrap().commit(&[later]).unwrap();
    daemon.restart_with(&[]);

    let before = jobs(&daemon);
    let (file, name) = path(&daemon, "store.jsonl");
    let size = ctl(&daemon, &["export", "-o", &name])["bytes"].as_u64().unwrap();
    assert_eq!(fs::metadata(&file).unwrap().len(), size);
    let all = records(&file).len();
    let of = |kind: &str| {
        records(&file).iter().filter(|line| line.contains(&format!("{{\"key\":\"{kind}"))).count()
    };
    assert_eq!(["job/", "queue/", "later/", "track/"].map(of), [4, 1, 1, 1]);
    let printed = daemon.ctl(["store", "export"]);
    assert_eq!(records(&file).join("\n"), {
        let text = String::from_utf8(printed.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        lines[1..lines.len() - 1].join("\n")
    });
    assert_eq!(refused(&daemon, &["export", "-o", &name])["kind"], "conflict", "it is there already");

    // by the daemon that runs: into the store of one that has lost it
    daemon.stop();
    fs::remove_dir_all(daemon.state().join("store")).unwrap();
    daemon.restart_with(&[]);
    assert_eq!(jobs(&daemon), []);
    let imported: StoreImported = serde_json::from_value(ctl(&daemon, &["import", &name])).unwrap();
    assert_eq!((imported.records, imported.jobs), (all, 4));
    assert_eq!((imported.incomplete, imported.restarted), (vec![], vec![]));
    assert_eq!(jobs(&daemon), before);
    assert!(daemon.status().paused, "the queue is still held");
    assert_eq!(check(&daemon, true).problems, []);
    let (again, again_name) = path(&daemon, "again.jsonl");
    ctl(&daemon, &["export", "-o", &again_name]);
    assert_eq!(records(&again), records(&file));

    // by `harmonixd` while none runs
    daemon.stop();
    fs::remove_dir_all(daemon.state().join("store")).unwrap();
    assert!(
        done(&offline(&daemon, &["--store-import", &name]))
            .contains(&format!("{all} records imported, 4 of them jobs"))
    );
    let (third, third_name) = path(&daemon, "third.jsonl");
    assert!(
        done(&offline(&daemon, &["--store-export", &third_name])).contains(&format!("{all} records saved"))
    );
    assert_eq!(records(&third), records(&file));
    done(&offline(&daemon, &["--store-check", "--deep"]));
    daemon.restart_with(&[]);
    assert_eq!(jobs(&daemon), before);
    for output in completed.stems.keys() {
        let fetch = Fetch { job: completed.id.clone(), output: output.clone() };
        daemon.client().fetch(fetch, &mut std::io::sink()).unwrap();
    }
    daemon.client().call(QueueResume {}).unwrap();
    assert_eq!(daemon.finished(&waiting.id).state, JobState::Completed);
}

/// What the store holds is not written over by mistake; asked for, it is, while jobs run.
#[test]
fn an_import_over_jobs_has_to_be_asked_for() {
    let daemon = Daemon::start();
    let first = separated(&daemon);
    let (_, name) = path(&daemon, "store.jsonl");
    ctl(&daemon, &["export", "-o", &name]);
    let second = separated(&daemon);
    let error = refused(&daemon, &["import", &name]);
    assert_eq!(error["kind"], "conflict", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--replace"), "{error}");
    assert_eq!(jobs(&daemon).len(), 2);

    let long = daemon.submit("long.wav", crate::support::long_song(), draft(Format::Flac16)).unwrap();
    daemon.until(&long.id, |job| job.state == JobState::Separating);
    let imported: StoreImported =
        serde_json::from_value(ctl(&daemon, &["import", &name, "--replace"])).unwrap();
    assert_eq!((imported.jobs, imported.incomplete), (1, vec![]));
    let mut strays = vec![second.id.clone(), long.id.clone()];
    strays.sort();
    assert_eq!(imported.strays, strays, "results that nobody speaks of any more are put aside");
    assert_eq!(
        jobs(&daemon).into_iter().map(|job| job.id).collect::<Vec<_>>(),
        std::slice::from_ref(&first.id)
    );
    assert!(daemon.state().join("strays").join(&second.id.0).join("out").join("manifest.json").exists());
    // what was there before lies in a backup, and brings both back
    let backups: Vec<_> = backups(&daemon);
    let backup = daemon.state().join("backups").join(&backups[backups.len() - 1]);
    ctl(&daemon, &["import", &backup.display().to_string(), "--replace"]);
    assert_eq!(job(&daemon, &second.id).state, JobState::Completed);
    assert_eq!(daemon.finished(&long.id).state, JobState::Completed);
    assert_eq!(check(&daemon, true).problems, []);
}

/// No record promises a file that is not there.
#[test]
fn a_job_whose_files_are_elsewhere_says_so() {
    let mut daemon = Daemon::start();
    let [completed, failed, cancelled, waiting] = all_kinds(&daemon);
    let other = separated_while_held(&daemon);
    let (_, name) = path(&daemon, "store.jsonl");
    ctl(&daemon, &["export", "-o", &name]);
    daemon.stop();
    let folder = |job: &Job| daemon.state().join("jobs").join(&job.id.0);
    fs::remove_file(folder(&completed).join("out").join(&completed.stems["drums"])).unwrap();
    fs::remove_file(folder(&waiting).join("source")).unwrap();
    fs::remove_dir_all(daemon.state().join("store")).unwrap();
    let said = done(&offline(&daemon, &["--store-import", &name]));
    assert!(said.contains("failed, for their files are not here"), "{said}");
    daemon.restart_with(&[]);
    for lost in [&completed, &waiting] {
        let now = job(&daemon, &lost.id);
        let error = now.error.unwrap();
        assert_eq!((now.state, error.kind), (JobState::Failed, ErrorKind::NotFound));
        assert!(error.hint.is_some() && !error.causes.is_empty(), "{error:?}");
        assert!(now.stems.is_empty() && now.files.is_empty() && now.manifest.is_none());
    }
    assert!(daemon.state().join("strays").join(&completed.id.0).join("out").join("manifest.json").exists());
    for kept in [&failed, &cancelled, &other] {
        assert_eq!(job(&daemon, &kept.id).state, kept.state);
    }
    assert_eq!(check(&daemon, false).problems, []);
}

/// A job that is decoded and waits; its queue is held.
fn separated_while_held(daemon: &Daemon) -> Job {
    let job = daemon.submit("y.wav", &blip(11_025, 1), draft(Format::Flac16)).unwrap();
    assert_eq!(job.state, JobState::Queued);
    job
}

/// Every damage is found, named, and has a remedy.
#[test]
fn a_check_names_what_is_wrong() {
    let daemon = Daemon::start();
    let [whole, cut, changed, gone] = [(); 4].map(|()| separated(&daemon));
    let report = check(&daemon, true);
    assert_eq!((report.jobs, &report.problems), (4, &vec![]));
    assert!(report.commits > 0 && report.files > 4 * 4, "{report:?}");
    let folder = |job: &Job| daemon.state().join("jobs").join(&job.id.0).join("out");
    let file = |job: &Job| folder(job).join(&job.stems["bass"]);
    let bytes = fs::read(file(&cut)).unwrap();
    fs::write(file(&cut), &bytes[..bytes.len() / 2]).unwrap();
    let mut bytes = fs::read(file(&changed)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file(&changed), bytes).unwrap();
    fs::remove_dir_all(folder(&gone)).unwrap();

    let about = |report: &StoreReport| -> Vec<_> {
        report.problems.iter().map(|problem| problem.job.clone().unwrap()).collect()
    };
    assert_eq!(
        about(&check(&daemon, false)),
        [cut.id.clone(), gone.id.clone()],
        "the bytes are not looked at"
    );
    let report = check(&daemon, true);
    assert_eq!(about(&report), [cut.id, changed.id, gone.id]);
    assert!(report.problems.iter().all(|problem| problem.remedy.contains("submit the song again")));
    let output = daemon.ctl(["store", "check", "--deep"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("bytes instead of") && text.contains("its digest") && text.contains("remedy"),
        "{text}"
    );
    assert!(!text.contains(&whole.id.0));
}

/// An export that is not whole, or holds what no daemon writes, changes nothing.
#[test]
fn a_bad_export_changes_nothing() {
    let daemon = Daemon::start();
    separated(&daemon);
    let (file, name) = path(&daemon, "store.jsonl");
    ctl(&daemon, &["export", "-o", &name]);
    let sound = fs::read_to_string(&file).unwrap();
    let before = jobs(&daemon);
    let records = records(&file).len();
    let sealed = |body: String| {
        let digest = blake3(&body);
        format!("{body}{{\"end\":\"harmonix-store\",\"records\":{records},\"blake3\":\"{digest}\"}}\n")
    };
    let body: String = sound.lines().take(1 + records).map(|line| format!("{line}\n")).collect();
    assert_eq!(sealed(body.clone()), sound);
    let id = &before[0].id.0;
    // in the job's record, among those of other kinds
    let changed = |from: &str, to: &str| {
        let line = body.lines().find(|line| line.starts_with("{\"key\":\"job/")).unwrap();
        body.replacen(line, &line.replacen(from, to, 1), 1)
    };
    let bad = [
        ("empty", String::new()),
        ("another file", "{\"v\":1}\n".into()),
        ("cut off", sound[..sound.len() - 20].into()),
        ("without its end", body.clone()),
        ("changed", sound.replacen("x.wav", "y.wav", 1)),
        ("newer", sealed(body.replacen("\"version\":1", "\"version\":99", 1))),
        ("a newer record", sealed(changed("\\\"v\\\":1,", "\\\"v\\\":99,"))),
        ("no record", sealed(changed("\\\"v\\\":1,", ""))),
        ("another's place", sealed(body.replacen("job/000", "job/001", 1))),
        ("a way out", sealed(body.replace(id, "../../../tmp"))),
        ("a file's way out", sealed(body.replace("manifest.json", "../../store/db"))),
        ("the store's own", sealed(body.replacen("job/", "meta/", 1))),
    ];
    for (what, text) in bad {
        fs::write(&file, text).unwrap();
        let error = refused(&daemon, &["import", &name, "--replace"]);
        assert_eq!(error["kind"], "invalid_request", "{what}: {error}");
        assert!(error["hint"].is_string(), "{what}: {error}");
        assert_eq!(jobs(&daemon), before, "{what}");
    }
    assert_eq!(refused(&daemon, &["import", "nowhere.jsonl"])["kind"], "not_found");
    let left: Vec<_> =
        fs::read_dir(daemon.state().join("backups")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_some_and(|e| e == "jsonl")), "{left:?}");
    // and while the daemon runs, nobody else may
    for arguments in
        [vec!["--store-export", "-"], vec!["--store-check"], vec!["--store-import", &name, "--replace"]]
    {
        fs::write(&file, &sound).unwrap();
        let output = offline(&daemon, &arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("a harmonixd has the store open") && said.contains("hint"), "{said}");
    }
    assert_eq!(jobs(&daemon), before);
}

fn blake3(text: &str) -> String {
    harmonixd::store::dump::digest(text.as_bytes())
}

#[test]
fn the_store_is_the_administrators() {
    let daemon = Setup::new().config("socket.mode = \"0666\"").start();
    if !is_root() {
        return;
    }
    for verb in
        [&["store", "export", "-o", "/dev/null", "--force"][..], &["store", "check"], &["store", "backup"]]
    {
        let (code, reply) = as_nobody(&daemon, verb);
        assert_eq!((code, &reply["error"]["kind"]), (Some(1), &"denied".into()), "{verb:?}");
    }
}

/// Names of the backups, oldest first.
fn backups(daemon: &Daemon) -> Vec<String> {
    let entries = fs::read_dir(daemon.state().join("backups")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// [LIB-16] One a day, the last ten, and each brings everything back.
#[test]
fn a_backup_is_written_each_day_and_ten_are_kept() {
    let Some(library) = faketime() else {
        return not_tested("a backup a day: libfaketime is not installed");
    };
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    let day = |number: usize| {
        fs::write(clock.with_extension("new"), format!("+{number}d")).unwrap();
        fs::rename(clock.with_extension("new"), &clock).unwrap();
    };
    day(0);
    let mut daemon = Setup::new()
        .env("LD_PRELOAD", library.display().to_string())
        .env("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .start();
    assert_eq!(backups(&daemon), Vec::<String>::new(), "there is nothing yet");
    let job = daemon.submit("x.wav", b"no song", draft(Format::Flac16)).unwrap();
    let job = daemon.finished(&job.id);
    let wait_for = |number: u64| {
        // once it has its name: before that its time is not written yet
        let is_it =
            |name: &String| name.starts_with(&format!("store-{number:08}-")) && name.ends_with(".jsonl");
        while !backups(&daemon).iter().any(is_it) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    // the daemon that runs notices that days have gone by
    for number in 1..=12 {
        day(number);
        wait_for(number as u64);
    }
    // publishing ends with the oldest going
    let last = loop {
        let all = backups(&daemon);
        if all.len() == 10 && !all.iter().any(|name| name.ends_with(".part")) {
            break all;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(last[0].starts_with("store-00000003-") && last[9].starts_with("store-00000012-"), "{last:?}");
    // one on request, whatever the clock says
    day(0);
    let backup: StoreBackup = serde_json::from_value(ctl(&daemon, &["backup"])).unwrap();
    assert!(backup.name.starts_with("store-00000013-"), "{backup:?}");
    assert_eq!((backup.records, backup.kept), (3, 10), "a job, and two lines of the activity log");
    assert_eq!(backups(&daemon).last(), Some(&backup.name));

    daemon.stop();
    fs::remove_dir_all(daemon.state().join("store")).unwrap();
    let file = daemon.state().join("backups").join(&backup.name).display().to_string();
    done(&offline(&daemon, &["--store-import", &file]));
    daemon.restart_with(&[]);
    assert_eq!(jobs(&daemon), [job]);
}

#[test]
fn no_backups_are_kept_where_none_are_wanted() {
    let daemon = Setup::new().config("store.backups = 0").start();
    separated(&daemon);
    assert_eq!(refused(&daemon, &["backup"])["kind"], "conflict");
    assert_eq!(backups(&daemon), Vec::<String>::new());
}

/// A store as another version wrote it.
fn written(daemon: &Daemon, records: &[(&str, &[u8])]) {
    let mut store = SledStore::open(&daemon.state().join("store")).unwrap();
    let writes: Vec<_> =
        records.iter().map(|(key, value)| Write::Put((*key).into(), value.to_vec())).collect();
    store.commit(&writes).unwrap();
}

/// [LIB-21] Records of every version that there was, in a store that another version wrote.
#[test]
fn old_records_open_for_ever() {
    let mut daemon = Setup::new().prepare();
    let value: Value = serde_json::from_str(RECORD_V1).unwrap();
    let mut completed = value.clone();
    completed["job"]["state"] = "completed".into();
    completed["job"]["id"] = "1k3v9c0q2x7f".into();
    completed["seq"] = 8.into();
    let completed = serde_json::to_vec(&completed).unwrap();
    written(
        &daemon,
        &[
            ("job/00000000000000000007", RECORD_V1.as_bytes()),
            ("job/00000000000000000008", &completed),
            ("queue/held", b"true"),
        ],
    );
    daemon.try_launch().unwrap();
    let all = jobs(&daemon);
    assert_eq!(all.iter().map(|job| job.id.0.as_str()).collect::<Vec<_>>(), ["1k3v9c0q2x7e", "1k3v9c0q2x7f"]);
    assert_eq!(all[1].state, JobState::Completed);
    assert_eq!(all[1].stems["vocals"], "vocals.flac");
    assert_eq!(all[0].name, "song.flac");
    assert!(daemon.status().paused);
    // what this daemon makes of them is its own, and what was there is kept
    let kept = backups(&daemon);
    assert_eq!(kept.len(), 1, "a store of another version is backed up before it is changed");
    let old = records(&daemon.state().join("backups").join(&kept[0]));
    assert_eq!(old.len(), 3);
    let again: Value = serde_json::from_str(&old[0]).unwrap();
    assert_eq!(serde_json::from_str::<Value>(again["value"].as_str().unwrap()).unwrap(), value);
    daemon.crash_and_restart();
    assert_eq!(jobs(&daemon).len(), 2);
    assert_eq!(backups(&daemon).len(), 1, "the version is the same now");
}

/// A store of the time before stores knew what they have to hold.
#[test]
fn a_store_without_a_seal_opens() {
    let mut daemon = Setup::new().prepare();
    {
        let db = sled::open(daemon.state().join("store")).unwrap();
        db.insert("job/00000000000000000007", RECORD_V1).unwrap();
        db.flush().unwrap();
    }
    let (_, name) = path(&daemon, "old.jsonl");
    assert!(done(&offline(&daemon, &["--store-export", &name])).contains("1 records saved"));
    daemon.try_launch().unwrap();
    assert_eq!(jobs(&daemon).len(), 1);
    let new = separated(&daemon);
    daemon.crash_and_restart();
    assert_eq!(jobs(&daemon).len(), 2);
    assert_eq!(job(&daemon, &new.id).state, JobState::Completed);
    assert!(check(&daemon, false).problems.iter().all(|problem| problem.job != Some(new.id.clone())));
}

/// One of a later form is left alone, and so are files of jobs that cannot be read.
#[test]
fn what_is_newer_is_left_alone() {
    let mut daemon = Setup::new().prepare();
    written(&daemon, &[("meta/version", br#"{"store":99,"harmonixd":"9.0.0"}"#)]);
    let said = daemon.try_launch().unwrap_err();
    assert!(said.contains("harmonixd 9.0.0, which is newer") && said.contains("hint"), "{said}");
    assert_eq!(daemon.wait().code(), Some(1));

    let mut daemon = Setup::new().start();
    let mine = separated(&daemon);
    daemon.stop();
    let newer = RECORD_V1.replacen("\"v\": 1", "\"v\": 99", 1);
    written(&daemon, &[("job/00000000000000000007", newer.as_bytes())]);
    let out = daemon.state().join("jobs/1k3v9c0q2x7e/out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("vocals.flac"), b"precious").unwrap();
    daemon.restart_with(&[]);
    assert_eq!(jobs(&daemon), [mine]);
    assert!(out.join("vocals.flac").exists(), "the files of a job that cannot be read were removed");
    let report = check(&daemon, false);
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert!(report.problems[0].found.contains("version 99"), "{report:?}");
    assert!(Client::connect(&daemon.socket()).is_ok());
    let next = separated(&daemon);
    daemon.crash_and_restart();
    assert_eq!(job(&daemon, &next.id).state, JobState::Completed);
    assert_eq!(check(&daemon, false).problems.len(), 1, "the place of the record was given away");
}
