//! [LIB-03] [LIB-04] [LIB-05] [LIB-06] [LIB-19] Nothing is computed twice.

use harmonix_ipc::{Delete, ErrorKind, Format, Job, JobOptions, JobState, Mode, ShowCache};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
};

use crate::support;

/// Draft quality in that format; what was computed before will do.
fn draft(format: Format) -> JobOptions {
    JobOptions { fresh: false, ..support::draft(format) }
}

/// Noise of so many seconds.
fn noise(seconds: f64) -> Vec<u8> {
    wav(&support::noise(44_100, 2, seconds), SampleFormat::I16, &Tags::default())
}

/// Submits a song and waits for its end.
fn separated(daemon: &Daemon, name: &str, song: &[u8], options: JobOptions) -> Job {
    let job = daemon.submit(name, song, options).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job
}

/// Separations that the worker has computed.
fn computed(daemon: &Daemon) -> u64 {
    daemon.status().worker.map_or(0, |worker| worker.jobs)
}

fn digests(job: &Job) -> Vec<(String, String)> {
    job.files.iter().map(|file| (file.stem.clone(), file.blake3.clone())).collect()
}

fn is_cached(job: &Job) -> bool {
    job.events.iter().any(|event| event.kind == "cached")
}

fn outputs(daemon: &Daemon, job: &Job) -> Vec<Vec<u8>> {
    job.stems.keys().map(|stem| daemon.output(job, stem)).collect()
}

#[test]
fn the_same_request_is_answered_at_once_and_outlives_the_job_that_computed_it() {
    let daemon = Daemon::start();
    let song = noise(1.0);
    let first = separated(&daemon, "x.wav", &song, draft(Format::Flac24));
    let second = separated(&daemon, "x.wav", &song, draft(Format::Flac24));
    assert!(!is_cached(&first) && is_cached(&second), "{:?}", second.events);
    assert_eq!(computed(&daemon), 1);
    assert_eq!(digests(&first), digests(&second));
    assert_eq!((&second.engine, &second.input), (&first.engine, &first.input));
    let files = outputs(&daemon, &first);
    let manifest = |job: &Job| {
        let out = daemon.state().join("jobs").join(&job.id.0).join("out");
        std::fs::read_to_string(out.join(job.manifest.as_ref().unwrap())).unwrap()
    };
    assert_eq!(manifest(&second), manifest(&first).replace(&first.id.0, &second.id.0));
    daemon.client().call(Delete { job: first.id }).unwrap();
    assert_eq!(outputs(&daemon, &second), files);
}

#[test]
fn other_outputs_of_the_same_audio_are_encoded_and_not_computed() {
    let daemon = Daemon::start();
    let song = noise(1.0);
    separated(&daemon, "x.wav", &song, draft(Format::Flac24));
    let undisturbed = Daemon::start();
    let others = [
        draft(Format::Wav16),
        JobOptions { mode: Mode::Karaoke, ..draft(Format::Flac24) },
        JobOptions { stems: Some(vec!["drums".into()]), ..draft(Format::Flac24) },
        JobOptions { raw: true, ..draft(Format::Wav32f) },
    ];
    for options in others {
        let again = separated(&daemon, "other name.wav", &song, options.clone());
        assert!(is_cached(&again), "{options:?}");
        let alone = separated(&undisturbed, "other name.wav", &song, JobOptions { fresh: true, ..options });
        assert!(!is_cached(&alone));
        assert_eq!(digests(&again), digests(&alone));
    }
    assert_eq!(computed(&daemon), 1);
    assert_eq!(computed(&undisturbed), 4);
}

#[test]
fn what_would_change_the_stems_is_computed() {
    let daemon = Daemon::start();
    let song = noise(1.0);
    separated(&daemon, "x.wav", &song, draft(Format::Flac16));
    let others = [
        JobOptions { overlap: Some(0.5), ..draft(Format::Flac16) },
        JobOptions { normalize: true, ..draft(Format::Flac16) },
        JobOptions { fresh: true, ..draft(Format::Flac16) },
    ];
    for (before, options) in others.into_iter().enumerate() {
        let job = separated(&daemon, "x.wav", &song, options);
        assert!(!is_cached(&job), "{:?}", job.options);
        assert_eq!(computed(&daemon), before as u64 + 2);
    }
}

#[test]
fn two_requests_at_once_are_computed_once() {
    let daemon = Daemon::start();
    let song = noise(8.0);
    let jobs: Vec<_> = [Format::Flac16, Format::Wav16, Format::Flac16]
        .into_iter()
        .map(|format| daemon.submit("x.wav", &song, draft(format)).unwrap())
        .collect();
    let jobs: Vec<_> = jobs.iter().map(|job| daemon.finished(&job.id)).collect();
    assert!(jobs.iter().all(|job| job.state == JobState::Completed));
    assert_eq!(computed(&daemon), 1);
    assert_eq!(digests(&jobs[0]), digests(&jobs[2]));
}

#[test]
fn what_was_kept_survives_kill_and_goes_on_request() {
    let mut daemon = Daemon::start();
    let song = noise(1.0);
    let first = separated(&daemon, "x.wav", &song, draft(Format::Flac16));
    daemon.crash_and_restart();
    daemon.client().call(Delete { job: first.id.clone() }).unwrap();
    let usage = daemon.client().call(ShowCache {}).unwrap();
    assert_eq!(usage.entries, 1);
    assert!(usage.bytes > 0 && usage.bytes < usage.limit);
    let again = separated(&daemon, "x.wav", &song, draft(Format::Flac16));
    assert!(is_cached(&again));
    assert_eq!(digests(&again), digests(&first));
    assert_eq!(computed(&daemon), 0);

    daemon.client().call(Delete { job: again.id }).unwrap();
    let output = daemon.ctl(["cache", "clear", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(daemon.client().call(ShowCache {}).unwrap().entries, 0);
    let files = daemon.files();
    assert!(files.is_empty(), "{files:?}");
    let anew = separated(&daemon, "x.wav", &song, draft(Format::Flac16));
    assert!(!is_cached(&anew));
    assert_eq!(digests(&anew), digests(&first));
}

#[test]
fn kept_stems_stay_within_their_limit_and_the_last_used_stay() {
    let second = |more: u64| noise(2.0 + more as f64);
    // stems of 2 to 4 s, 1.4 MB a second
    let daemon = Setup::new().config("cache.max_bytes = 9_000_000").start();
    separated(&daemon, "a.wav", &second(0), draft(Format::Flac16));
    separated(&daemon, "b.wav", &second(1), draft(Format::Flac16));
    // used again, so b goes first
    assert!(is_cached(&separated(&daemon, "a.wav", &second(0), draft(Format::Wav16))));
    separated(&daemon, "c.wav", &second(2), draft(Format::Flac16));
    let usage = daemon.client().call(ShowCache {}).unwrap();
    assert!(usage.entries == 2 && usage.bytes <= 9_000_000, "{usage:?}");
    assert!(is_cached(&separated(&daemon, "a.wav", &second(0), draft(Format::Flac24))));
    assert!(!is_cached(&separated(&daemon, "b.wav", &second(1), draft(Format::Flac24))));

    let none = Setup::new().config("cache.max_bytes = 0").start();
    separated(&none, "a.wav", &second(0), draft(Format::Flac16));
    assert!(!is_cached(&separated(&none, "a.wav", &second(0), draft(Format::Wav16))));
    assert_eq!(none.client().call(ShowCache {}).unwrap().entries, 0);
}

/// [LIB-19] What was used often stays when something that was used later goes.
#[test]
fn popular_stems_go_last() {
    let daemon = Setup::new().config("cache.max_bytes = 9_000_000").start();
    let [often, once, new] = [2.0, 3.0, 2.5].map(noise);
    separated(&daemon, "often.wav", &often, draft(Format::Flac16));
    for format in [Format::Wav16, Format::Wav24] {
        assert!(is_cached(&separated(&daemon, "often.wav", &often, draft(format))));
    }
    separated(&daemon, "once.wav", &once, draft(Format::Flac16));
    assert!(is_cached(&separated(&daemon, "once.wav", &once, draft(Format::Wav16))));
    assert_eq!(daemon.client().call(ShowCache {}).unwrap().popular, 1);
    separated(&daemon, "new.wav", &new, draft(Format::Flac16));
    assert!(is_cached(&separated(&daemon, "often.wav", &often, draft(Format::Flac24))));
    assert!(!is_cached(&separated(&daemon, "once.wav", &once, draft(Format::Flac24))));
}

#[test]
fn a_job_that_failed_leaves_nothing_to_find() {
    let daemon = Daemon::start();
    let broken = b"RIFF\x24\x00\x00\x00WAVEfmt nonsense";
    for _ in 0..2 {
        let job = daemon.submit("x.wav", broken, draft(Format::Flac16)).unwrap();
        let job = daemon.finished(&job.id);
        assert_eq!(job.error.map(|error| error.kind), Some(ErrorKind::AudioLoad));
    }
    assert_eq!(daemon.client().call(ShowCache {}).unwrap().entries, 0);
}
