//! [LIB-07] … [LIB-15] [LIB-20] [SEP-18] What a user has, and for how long.

use harmonix_ipc::{
    AskEstimate, Client, Command, Deed, Delete, EditTrack, Error, ErrorKind, Format, Job, JobOptions,
    JobState, ListActivity, ListJobs, ListTracks, PurgeTrack, QueuePause, Rename, ShowReport, ShowStats,
    ShowTrack, Track,
};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
};

use crate::{
    access::{as_nobody, is_root},
    support::{blip, draft, faketime, noise, not_tested},
};

fn refused<C: Command>(client: &mut Client, command: C) -> ErrorKind
where
    C::Reply: std::fmt::Debug,
{
    client.call(command).map_err(Error::from).unwrap_err().kind
}

fn completed(daemon: &Daemon, name: &str, song: &[u8], format: Format) -> Job {
    let options = JobOptions { fresh: false, ..draft(format) };
    let job = daemon.submit(name, song, options).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    job
}

fn songs(daemon: &Daemon, list: ListTracks) -> Vec<Track> {
    daemon.client().call(list).unwrap().tracks
}

fn names(tracks: &[Track]) -> Vec<&str> {
    tracks.iter().map(|track| track.name.as_str()).collect()
}

/// [LIB-07] [LIB-08] The same audio is the same song; it is archived with its last job and comes back with the next.
#[test]
fn a_song_is_what_its_jobs_are_of() {
    let mut daemon = Daemon::start();
    let song = blip(44_100, 2);
    let first = completed(&daemon, "Été.wav", &song, Format::Flac16);
    let retagged =
        wav(&noise(44_100, 2, 1.0), SampleFormat::I24, &Tags { title: "other".into(), ..Tags::default() });
    let second = completed(&daemon, "b.wav", &retagged, Format::Wav24);
    let tracks = songs(&daemon, ListTracks::default());
    assert_eq!(names(&tracks), ["Été.wav"]);
    assert_eq!(tracks[0].uses, 2);
    let ids: Vec<_> = tracks[0].jobs.iter().map(|job| job.id.clone()).collect();
    assert_eq!(ids, [first.id.clone(), second.id.clone()]);
    assert!(tracks[0].jobs.iter().all(|job| job.bytes > 0 && job.stems.len() == 4));

    daemon.crash_and_restart();
    assert_eq!(songs(&daemon, ListTracks::default()), tracks);
    let track = tracks[0].id.clone();
    let mut client = daemon.client();
    client.call(Delete { job: first.id }).unwrap();
    assert_eq!(client.call(ShowTrack { track: track.clone() }).unwrap().jobs.len(), 1);
    client.call(Delete { job: second.id }).unwrap();
    assert!(songs(&daemon, ListTracks::default()).is_empty());
    let archived = songs(&daemon, ListTracks { archived: true, ..ListTracks::default() });
    assert_eq!((names(&archived), archived[0].jobs.len()), (vec!["Été.wav"], 0));
    completed(&daemon, "again.wav", &song, Format::Flac16);
    assert_eq!(songs(&daemon, ListTracks::default())[0].uses, 3);
}

/// [LIB-10] [LIB-11] [LIB-08] Through the client, over a restart.
#[test]
fn songs_are_found_named_tagged_put_away_and_purged() {
    let mut daemon = Daemon::start();
    let job = completed(&daemon, "Straße nach Süden.wav", &blip(44_100, 2), Format::Flac16);
    completed(&daemon, "other.wav", &blip(22_050, 1), Format::Flac16);
    let before = daemon.files();
    let found = |daemon: &Daemon, words: &[&str]| -> Vec<String> {
        let output = daemon.ctl(["library", "list", "--json"].iter().chain(words));
        let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        list["tracks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|track| track["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(found(&daemon, &["STRASSE", "suden"]), ["Straße nach Süden.wav"]);
    assert!(found(&daemon, &["strasse", "nord"]).is_empty());

    let track =
        songs(&daemon, ListTracks { text: Some("süden".into()), ..ListTracks::default() })[0].id.clone();
    let ctl = |daemon: &Daemon, words: &[&str]| {
        let output = daemon.ctl(["library"].iter().chain(words));
        assert!(output.status.success(), "{output:?}");
    };
    ctl(&daemon, &["rename", &track.0, "../x"]);
    ctl(&daemon, &["tag", &track.0, "Käse", "live"]);
    ctl(&daemon, &["untag", &track.0, "live"]);
    ctl(&daemon, &["favourite", &track.0]);
    daemon.crash_and_restart();
    let tagged =
        songs(&daemon, ListTracks { tags: vec!["KASE".into()], favourite: true, ..ListTracks::default() });
    assert_eq!((names(&tagged), &tagged[0].file), (vec!["../x"], &"Straße nach Süden.wav".to_owned()));
    assert_eq!(tagged[0].tags, ["Käse"]);
    assert_eq!(daemon.files(), before, "a name moves no file");

    ctl(&daemon, &["archive", &track.0]);
    assert_eq!(found(&daemon, &[]), ["other.wav"]);
    ctl(&daemon, &["restore", &track.0]);
    assert_eq!(found(&daemon, &["x"]), ["../x"]);

    let mut client = daemon.client();
    assert_eq!(
        refused(&mut client, PurgeTrack { track: track.clone(), confirm: false }),
        ErrorKind::InvalidRequest
    );
    assert_eq!(daemon.ctl(["library", "purge", &track.0]).status.code(), Some(2));
    assert_eq!(daemon.files(), before);
    ctl(&daemon, &["purge", &track.0, "--yes"]);
    assert!(daemon.files().iter().all(|file| !file.contains(&job.id.0)), "{:?}", daemon.files());
    assert_eq!(refused(&mut client, ShowTrack { track: track.clone() }), ErrorKind::NotFound);
    assert_eq!(
        refused(&mut client, EditTrack { track, favourite: Some(true), ..EditTrack::default() }),
        ErrorKind::NotFound
    );
    assert_eq!(refused(&mut client, harmonix_ipc::Show { job: job.id }), ErrorKind::NotFound);
}

/// [LIB-09] [LIB-14] Newest first, in pages; the log forgets what is more than a hundred entries ago.
#[test]
fn lists_have_pages_and_the_log_an_end() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client();
    client.call(QueuePause {}).unwrap();
    let song = blip(8_000, 1);
    let jobs: Vec<_> = (0..60)
        .map(|at| daemon.submit(&format!("Song {at}.wav"), &song, draft(Format::Flac16)).unwrap().id)
        .collect();
    let page = |client: &mut Client, page| {
        let list =
            client.call(ListJobs { limit: Some(50), page: Some(page), ..ListJobs::default() }).unwrap();
        assert_eq!(list.total, 60);
        list.jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    let newest: Vec<_> = jobs.iter().rev().cloned().collect();
    assert_eq!(page(&mut client, 1), newest[..50]);
    assert_eq!(page(&mut client, 2), newest[50..]);
    assert!(page(&mut client, 3).is_empty());
    let text = Some("sONG 5".into());
    assert_eq!(client.call(ListJobs { text, ..ListJobs::default() }).unwrap().total, 15);

    for job in &jobs[..50] {
        client.call(Delete { job: job.clone() }).unwrap();
    }
    let log = client.call(ListActivity { limit: Some(1000) }).unwrap().entries;
    assert_eq!(log.len(), 100);
    assert!(log[..50].iter().all(|entry| entry.deed == Deed::Deleted));
    assert_eq!((log[99].deed, log[99].job.as_ref()), (Deed::Submitted, Some(&jobs[10])));
    daemon.crash_and_restart();
    assert_eq!(daemon.client().call(ListActivity { limit: Some(1000) }).unwrap().entries, log);
    assert_eq!(daemon.client().call(ListActivity { limit: Some(1) }).unwrap().entries, log[..1]);
}

/// [LIB-13] [LIB-11]
#[test]
fn a_report_counts_what_is_there() {
    let daemon = Daemon::start();
    let job = completed(&daemon, "a.wav", &blip(44_100, 2), Format::Flac24);
    let mut client = daemon.client();
    let renamed = client.call(Rename { job: job.id.clone(), name: "../Ö".into() }).unwrap();
    assert_eq!((renamed.name.as_str(), renamed.files.len()), ("../Ö", 4));
    let report = client.call(ShowReport { job: job.id.clone() }).unwrap();
    assert_eq!(report.job.name, "../Ö");
    assert_eq!(report.output_bytes, job.files.iter().map(|file| file.bytes).sum::<u64>());
    assert!(report.disk_bytes >= report.output_bytes);
    assert_eq!(report.duration, Some(1.0));
    assert_eq!(report.track, Some(songs(&daemon, ListTracks::default())[0].id.clone()));
    assert!(report.job.times.values().all(|seconds| *seconds > 0.0));
    let stages = [JobState::Ingesting, JobState::Analyzing, JobState::Separating, JobState::Exporting];
    assert_eq!(report.job.times.keys().copied().collect::<Vec<_>>(), stages);
    let stats = client.call(ShowStats {}).unwrap();
    assert_eq!(
        (stats.jobs[&JobState::Completed], stats.output_bytes, stats.tracks),
        (1, report.output_bytes, 1)
    );
    assert_eq!(
        refused(&mut client, Rename { job: job.id, name: "\u{1b}[2J".into() }),
        ErrorKind::InvalidRequest
    );
    let none = harmonix_ipc::JobId("none".into());
    assert_eq!(refused(&mut client, ShowReport { job: none.clone() }), ErrorKind::NotFound);
    assert_eq!(refused(&mut client, Rename { job: none, name: "x".into() }), ErrorKind::NotFound);
}

/// [SEP-18] A rule of thumb at first, then what the jobs took; kept over a restart.
#[test]
fn times_are_learned_from_jobs() {
    let mut daemon = Daemon::start();
    let ask = |daemon: &Daemon, duration| {
        daemon.client().call(AskEstimate { duration, options: draft(Format::Flac16) })
    };
    let guess = ask(&daemon, 4.0).unwrap();
    assert!(guess.runs == 0 && guess.seconds > 0.0, "{guess:?}");
    let song = wav(&noise(44_100, 2, 4.0), SampleFormat::I16, &Tags::default());
    let mut took = Vec::new();
    for _ in 0..4 {
        let job = daemon.submit("x.wav", &song, draft(Format::Flac16)).unwrap();
        let job = daemon.finished(&job.id);
        assert_eq!((job.state, job.remaining), (JobState::Completed, None));
        took.push(job.times.values().sum::<f64>());
    }
    let learned = ask(&daemon, 4.0).unwrap();
    let (least, most) =
        took.iter().fold((f64::MAX, 0.0_f64), |(least, most), took| (least.min(*took), most.max(*took)));
    assert_eq!(learned.runs, 4);
    assert!((least * 0.999..=most * 1.001).contains(&learned.seconds), "{learned:?} from {took:?}");
    assert!(ask(&daemon, 400.0).unwrap().seconds > learned.seconds);
    daemon.crash_and_restart();
    assert_eq!(ask(&daemon, 4.0).unwrap().seconds, learned.seconds);

    // a job that runs says how long it will
    let job = daemon.submit("x.wav", &song, draft(Format::Flac16)).unwrap();
    let running = daemon.until(&job.id, |job| job.state == JobState::Separating);
    assert!(running.remaining.is_some_and(|seconds| seconds > 0.0), "{running:?}");
    // what is answered from what is kept teaches nothing
    let job = daemon.submit("x.wav", &song, JobOptions { fresh: false, ..draft(Format::Wav16) }).unwrap();
    daemon.finished(&job.id);
    assert_eq!(ask(&daemon, 4.0).unwrap().runs, 5);
    for wrong in [0.0, -1.0] {
        assert_eq!(ask(&daemon, wrong).map_err(Error::from).unwrap_err().kind, ErrorKind::InvalidRequest);
    }
}

/// [LIB-20] The fourth job is refused at a quota of three; a failed one gives its place back.
#[test]
fn a_quota_is_kept() {
    let mut daemon = Setup::new().config("quota.jobs = 3").start();
    let song = blip(8_000, 1);
    daemon.client().call(QueuePause {}).unwrap();
    let jobs: Vec<_> =
        (0..3).map(|_| daemon.submit("x.wav", &song, draft(Format::Flac16)).unwrap().id).collect();
    assert_eq!(daemon.client().call(ShowStats {}).unwrap().quota_left, Some(0));
    let fourth = |daemon: &Daemon| daemon.submit("x.wav", &song, draft(Format::Flac16));
    assert_eq!(fourth(&daemon).unwrap_err().kind, ErrorKind::Quota);
    daemon.crash_and_restart();
    assert_eq!(fourth(&daemon).unwrap_err().kind, ErrorKind::Quota);
    daemon.client().call(harmonix_ipc::Cancel { job: jobs[0].clone() }).unwrap();
    let broken = daemon.submit("x.wav", b"RIFF....WAVEno song", draft(Format::Flac16)).unwrap();
    assert_eq!(fourth(&daemon).unwrap_err().kind, ErrorKind::Quota);
    daemon.client().call(harmonix_ipc::QueueResume {}).unwrap();
    assert_eq!(daemon.finished(&broken.id).state, JobState::Failed);
    fourth(&daemon).unwrap();
    assert_eq!(fourth(&daemon).unwrap_err().kind, ErrorKind::Quota);
    daemon.client().call(Delete { job: jobs[1].clone() }).unwrap();
    fourth(&daemon).unwrap();

    let bytes = Setup::new().config("quota.bytes = 1000").start();
    completed(&bytes, "x.wav", &song, Format::Flac16);
    assert_eq!(fourth(&bytes).unwrap_err().kind, ErrorKind::Quota);
}

/// What would leave too little of the disk is refused before it is computed, with both numbers, and leaves nothing.
#[test]
fn a_part_of_the_disk_stays_free() {
    let daemon = Setup::new().config("limits.free_bytes = 1_000_000_000_000_000_000").start();
    let job = daemon.submit("x.wav", &blip(8_000, 1), draft(Format::Flac16)).unwrap();
    let job = daemon.finished(&job.id);
    let error = job.error.unwrap();
    assert_eq!(error.kind, ErrorKind::DiskFull);
    assert!(error.message.contains("needs 2 MB more, 0 MB are free"), "{error:?}");
    assert_eq!(daemon.status().worker, None);
}

/// [LIB-15] Two days later the finished job is gone; the favourite's stays, and so does what waits.
#[test]
fn old_jobs_go_by_themselves() {
    let Some(library) = faketime() else {
        return not_tested("retention: libfaketime is not installed");
    };
    let mut daemon = Setup::new().config("retention.hours = 24.0").start();
    let old = completed(&daemon, "old.wav", &blip(8_000, 1), Format::Flac16);
    let kept = completed(&daemon, "kept.wav", &blip(11_025, 1), Format::Flac16);
    let track =
        songs(&daemon, ListTracks { text: Some("kept".into()), ..ListTracks::default() })[0].id.clone();
    daemon.client().call(EditTrack { track, favourite: Some(true), ..EditTrack::default() }).unwrap();
    daemon.client().call(QueuePause {}).unwrap();
    let waiting = daemon.submit("waiting.wav", &blip(8_000, 1), draft(Format::Flac16)).unwrap();
    daemon.stop();
    daemon.restart_with(&[]);
    assert_eq!(daemon.client().call(ListJobs::default()).unwrap().total, 3);
    daemon.stop();
    let clock = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME", "+2d"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    daemon.restart_with(&clock);
    // the stream ends with the job
    let watched = daemon.client().watch(harmonix_ipc::Watch { job: None }).unwrap();
    let mut jobs = harmonix_ipc::Jobs::default();
    for event in watched {
        jobs.apply(event.unwrap());
        if jobs.get(&old.id).is_none() {
            break;
        }
    }
    let left: Vec<_> = jobs.all().iter().map(|job| job.id.clone()).collect();
    assert_eq!(left, [kept.id, waiting.id]);
    assert!(daemon.files().iter().all(|file| !file.contains(&old.id.0)), "{:?}", daemon.files());
    let log = daemon.client().call(ListActivity::default()).unwrap().entries;
    assert_eq!((log[0].deed, log[0].job.as_ref()), (Deed::Expired, Some(&old.id)));
}

/// [LIB-20] To another user the song does not exist.
#[test]
fn strangers_see_nothing_of_a_library() {
    if !is_root() {
        return;
    }
    let daemon = Setup::new().config("socket.mode = \"0666\"").start();
    let job = completed(&daemon, "x.wav", &blip(8_000, 1), Format::Flac16);
    let track = songs(&daemon, ListTracks::default())[0].id.0.clone();
    let (code, reply) = as_nobody(&daemon, &["library"]);
    assert_eq!((code, &reply["total"]), (Some(0), &0.into()));
    let (_, log) = as_nobody(&daemon, &["activity"]);
    assert_eq!(log["entries"], serde_json::json!([]));
    let (_, stats) = as_nobody(&daemon, &["stats"]);
    assert_eq!((&stats["jobs"], &stats["tracks"]), (&serde_json::json!({}), &0.into()));
    for words in [
        &["library", "show", &track][..],
        &["library", "rename", &track, "mine"],
        &["library", "purge", &track, "--yes"],
        &["report", &job.id.0],
        &["rename", &job.id.0, "mine"],
    ] {
        let (code, reply) = as_nobody(&daemon, words);
        assert_eq!((code, &reply["error"]["kind"]), (Some(3), &"not_found".into()), "{words:?}");
    }
    assert_eq!(songs(&daemon, ListTracks::default())[0].name, "x.wav");
}
