//! Inputs that are kept, jobs that run once more, and results that are verified.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use harmonix_ipc::{
    Again, Analyze, Cancel, Delete, Error, ErrorKind, Format, Job, JobId, JobOptions, JobState, ListJobs,
    QueuePause, QueueResume,
};
use harmonix_tests::harness::{Daemon, Setup};
use serde_json::Value;

use crate::{
    access,
    support::{blip, draft, only_source},
};

fn source(daemon: &Daemon, job: &JobId) -> PathBuf {
    daemon.state().join("jobs").join(&job.0).join("source")
}

fn ended(daemon: &Daemon, song: &[u8], options: JobOptions) -> Job {
    let job = daemon.submit("x.wav", song, options).unwrap();
    daemon.finished(&job.id)
}

fn once_more(daemon: &Daemon, job: &JobId, options: Option<JobOptions>) -> Result<Job, Error> {
    daemon.client().call(Again { job: job.clone(), options }).map_err(Error::from)
}

fn digests(job: &Job) -> Vec<(String, String)> {
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job.files.iter().map(|file| (file.stem.clone(), file.blake3.clone())).collect()
}

#[test]
fn an_input_is_kept_until_its_job_goes_unless_the_configuration_says_no() {
    let mut daemon = Daemon::start();
    let song = blip(22_050, 1);
    let first = ended(&daemon, &song, draft(Format::Flac16));
    let cached = ended(&daemon, &song, JobOptions { fresh: false, ..draft(Format::Flac16) });
    let failed = ended(&daemon, b"not a song", draft(Format::Flac16));
    assert!(cached.events.iter().any(|event| event.kind == "cached"), "{:?}", cached.events);
    daemon.crash_and_restart();
    daemon.finished(&first.id);
    for job in [&first, &cached] {
        assert_eq!(fs::read(source(&daemon, &job.id)).unwrap(), song);
    }
    assert_eq!(fs::read(source(&daemon, &failed.id)).unwrap(), b"not a song");
    daemon.client().call(Delete { job: first.id }).unwrap();
    assert_eq!(fs::read(source(&daemon, &cached.id)).unwrap(), song);

    assert!(daemon.stop().success());
    daemon.restart_with(&[("HARMONIX_LIBRARY_KEEP_SOURCES", "false")]);
    daemon.finished(&cached.id);
    assert!(!daemon.files().iter().any(|file| file.contains("source") || file.contains(&failed.id.0)));
    let fourth = ended(&daemon, &song, draft(Format::Flac16));
    assert!(!source(&daemon, &fourth.id).exists());
    let error = once_more(&daemon, &fourth.id, None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.hint.unwrap().contains("separate"));
}

#[test]
fn a_job_runs_once_more_from_the_input_that_was_kept() {
    let daemon = Setup::new().config("socket.mode = \"0666\"").env("HARMONIX_FAULT", "panic@1").start();
    let song = blip(22_050, 1);
    let failed = ended(&daemon, &song, draft(Format::Flac16));
    assert_eq!(failed.error.as_ref().map(|error| error.kind), Some(ErrorKind::Internal));
    assert_eq!(daemon.files(), only_source(&failed.id));
    // the cause is gone
    let mended = once_more(&daemon, &failed.id, None).unwrap();
    assert_eq!((&mended.name, &mended.options, mended.owner), (&failed.name, &failed.options, failed.owner));
    let mended = daemon.finished(&mended.id);
    let inode = |job: &Job| fs::metadata(source(&daemon, &job.id)).unwrap().ino();
    assert_eq!(inode(&mended), inode(&failed), "no copy");

    let output = daemon.ctl(["again", &failed.id.0, "--format", "wav16", "-i", "vocals", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let other = daemon.finished(&JobId(value["id"].as_str().unwrap().into()));
    assert_eq!((other.options.format, other.stems.len()), (Format::Wav16, 1));
    assert_eq!(other.options.quality, failed.options.quality);

    daemon.client().call(Delete { job: failed.id.clone() }).unwrap();
    let third = once_more(&daemon, &mended.id, Some(draft(Format::Flac16))).unwrap();
    assert_eq!(digests(&daemon.finished(&third.id)), digests(&mended));
    assert_eq!(once_more(&daemon, &failed.id, None).unwrap_err().kind, ErrorKind::NotFound);
    let impossible = JobOptions { stems: Some(vec!["kazoo".into()]), ..JobOptions::default() };
    assert_eq!(once_more(&daemon, &mended.id, Some(impossible)).unwrap_err().kind, ErrorKind::InvalidRequest);
    assert_eq!(daemon.ctl(["again", "nonsense"]).status.code(), Some(3));
    if access::is_root() {
        let (code, reply) = access::as_nobody(&daemon, &["again", &mended.id.0]);
        assert_eq!((code, reply["error"]["kind"].as_str()), (Some(3), Some("not_found")));
    }
}

#[test]
fn a_job_that_waits_runs_twice_and_a_cancelled_one_has_nothing_to_run_from() {
    let daemon = Setup::new().config("limits.active_jobs = 2").start();
    daemon.client().call(QueuePause {}).unwrap();
    let waiting = daemon.submit("x.wav", &blip(22_050, 1), draft(Format::Flac16)).unwrap();
    let second = once_more(&daemon, &waiting.id, None).unwrap();
    assert_eq!(once_more(&daemon, &waiting.id, None).unwrap_err().kind, ErrorKind::Busy);
    daemon.client().call(Cancel { job: waiting.id.clone() }).unwrap();
    assert_eq!(once_more(&daemon, &waiting.id, None).unwrap_err().kind, ErrorKind::Conflict);
    daemon.client().call(QueueResume {}).unwrap();
    assert_eq!(daemon.finished(&second.id).state, JobState::Completed);
}

fn verified(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = daemon.ctl([&["verify"], arguments, &["--json"]].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), value, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn jobs(daemon: &Daemon) -> usize {
    daemon.client().call(ListJobs::default()).unwrap().total
}

/// [BEY-13]
#[test]
fn a_result_is_verified_by_doing_it_again() {
    let daemon = Daemon::start();
    let options = JobOptions { seed: 7, normalize: true, ..draft(Format::Flac16) };
    let job = ended(&daemon, &blip(22_050, 2), options);
    let files = daemon.files();
    let (code, value, said) = verified(&daemon, &[&job.id.0]);
    assert_eq!((code, &value["equal"]), (Some(0), &Value::Bool(true)), "{value:#} {said}");
    let what: Vec<_> =
        value["results"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["decoded audio", "model", "drums", "bass", "other", "vocals"]);
    assert_eq!((jobs(&daemon), daemon.files()), (1, files), "nothing is left of the repetition");
    let output = daemon.ctl(["verify", &job.id.0]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("bit for bit"), "{output:?}");

    // one digest is another's, and another version wrote it
    let path = daemon.state().join("jobs").join(&job.id.0).join("out/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let digest = |stem: &str| &job.files.iter().find(|file| file.stem == stem).unwrap().blake3;
    let forged =
        text.replace(digest("drums"), digest("bass")).replace("\"harmonix\": \"", "\"harmonix\": \"0.0.9-");
    fs::write(&path, forged).unwrap();
    let (code, value, said) = verified(&daemon, &[&job.id.0]);
    assert_eq!((code, &value["equal"]), (Some(5), &Value::Bool(false)), "{value:#}");
    let unequal: Vec<_> = value["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["equal"] == false)
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(unequal, ["drums"]);
    assert!(said.contains("another version"), "{said}");
    assert_eq!(jobs(&daemon), 1);
}

/// [BEY-13] The song may come from the client; what has no manifest has nothing to verify.
#[test]
fn verifying_takes_the_song_from_the_client_where_it_was_not_kept() {
    let daemon = Setup::new().config("library.keep_sources = false").start();
    let song = blip(22_050, 1);
    let job = ended(&daemon, &song, draft(Format::Wav16));
    fs::write(daemon.scratch().join("renamed.wav"), &song).unwrap();
    fs::write(daemon.scratch().join("other.wav"), blip(22_050, 2)).unwrap();
    let (code, value, _) = verified(&daemon, &[&job.id.0]);
    assert_eq!((code, value["error"]["kind"].as_str()), (Some(1), Some("conflict")), "{value}");
    assert!(value["error"]["hint"].as_str().unwrap().contains("FILE"), "{value}");
    let (code, value, said) = verified(&daemon, &[&job.id.0, "renamed.wav"]);
    assert_eq!(code, Some(0), "{value:#} {said}");
    let (code, value, _) = verified(&daemon, &[&job.id.0, "other.wav"]);
    assert_eq!((code, &value["results"][0]["equal"]), (Some(5), &Value::Bool(false)), "{value:#}");
    assert_eq!(verified(&daemon, &[&job.id.0, "none.wav"]).0, Some(4));

    let analysed = ended(&daemon, &song, JobOptions { analysis: Analyze::Only, ..JobOptions::default() });
    assert_eq!(verified(&daemon, &[&analysed.id.0]).0, Some(1));
    let failed = ended(&daemon, b"not a song", draft(Format::Wav16));
    assert_eq!(verified(&daemon, &[&failed.id.0]).0, Some(4), "the failed job's own status");
    assert_eq!(verified(&daemon, &["nonsense"]).0, Some(3));
    assert_eq!(jobs(&daemon), 3);
}
