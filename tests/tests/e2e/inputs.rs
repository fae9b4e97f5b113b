//! What comes in: every format, broken files, hostile names, limits.

use std::{collections::BTreeSet, fs, os::unix::ffi::OsStrExt};

use harmonix_ipc::{Client, ErrorKind, Format, JobOptions, JobState, Submit, frame};
use harmonix_tests::{
    decode,
    fixtures::{self, SampleFormat, Tags, hostile_names, malformed, wav},
    harness::{Daemon, Setup},
};

use crate::support::{blip, draft, noise};

/// [ING-01, ING-02, ING-10]
#[test]
fn every_input_format_comes_back_with_its_frames() {
    let daemon = Daemon::start();
    for format in fixtures::Format::ALL {
        let path = daemon.scratch().join(format!("x.{}", format.extension()));
        let signal = noise(48_000, 2, 1.25);
        fixtures::write(&path, &signal, format, &Tags::default()).unwrap();
        let job = daemon.submit(
            &format!("x.{}", format.extension()),
            &fs::read(&path).unwrap(),
            draft(Format::Flac24),
        );
        let job = daemon.finished(&job.unwrap().id);
        assert_eq!(job.state, JobState::Completed, "{format:?}: {:?}", job.error);
        let input = job.input.unwrap();
        assert_eq!((input.sample_rate, input.channels), (48_000, 2), "{format:?}");
        // as written and as read by ffmpeg, WMA lacks its first 2048 frames
        if format != fixtures::Format::Wma {
            assert_eq!(input.frames, signal.frames() as u64, "{format:?}");
        }
        assert!(job.files.iter().all(|file| file.frames == input.frames));
        let converted = matches!(format, fixtures::Format::Opus | fixtures::Format::Wma);
        assert_eq!(job.events.iter().any(|event| event.kind == "converted"), converted, "{format:?}");
    }
}

/// [ING-02, SEP-16] Without ffmpeg the refusal names the remedy.
#[test]
fn without_ffmpeg_other_formats_are_refused_by_name() {
    let daemon = Setup::new().config("ingest.ffmpeg = \"\"").start();
    let path = daemon.scratch().join("x.opus");
    fixtures::write(&path, &noise(48_000, 2, 1.0), fixtures::Format::Opus, &Tags::default()).unwrap();
    let job = daemon.submit("x.opus", &fs::read(&path).unwrap(), draft(Format::Flac24)).unwrap();
    let error = daemon.finished(&job.id).error.unwrap();
    assert_eq!(error.kind, ErrorKind::UnsupportedFormat);
    assert!(format!("{} {:?}", error.message, error.hint).to_lowercase().contains("opus"), "{error:?}");
    assert!(error.hint.unwrap().contains("ffmpeg"));
    let job = daemon.submit("x.wav", &blip(44_100, 2), draft(Format::Flac24)).unwrap();
    assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
}

/// [ING-03, ING-06, ING-18] Broken input fails with a kind that says so, or is read; nothing else, and nothing stays.
#[test]
fn broken_files_fail_cleanly() {
    let daemon = Daemon::start();
    let mut outcomes = BTreeSet::new();
    let sound = blip(44_100, 2);
    let mut all: Vec<_> =
        malformed::all().into_iter().map(|file| (file.name.to_owned(), file.bytes)).collect();
    all.extend((0..40).map(|seed| (format!("flipped{seed}.wav"), malformed::bit_flipped(&sound, 200, seed))));
    all.extend(
        (0..20).map(|part| (format!("cut{part}.wav"), malformed::truncated(&sound, f64::from(part) / 20.0))),
    );
    for (name, bytes) in all {
        let job = match daemon.submit(&name, &bytes, draft(Format::Wav16)) {
            Ok(job) => daemon.finished(&job.id),
            Err(error) => {
                assert!(bytes.is_empty() && error.kind == ErrorKind::AudioLoad, "{name}: {error}");
                continue;
            }
        };
        match (job.state, &job.error) {
            (JobState::Completed, None) => drop(outcomes.insert("read")),
            (JobState::Failed, Some(error)) => {
                let kinds = [ErrorKind::UnsupportedFormat, ErrorKind::AudioLoad, ErrorKind::TooLarge];
                assert!(kinds.contains(&error.kind), "{name}: {error:?}");
                outcomes.insert("refused");
            }
            other => panic!("{name}: {other:?}"),
        }
        daemon.client().call(harmonix_ipc::Delete { job: job.id }).unwrap();
        assert_eq!(daemon.files(), Vec::<String>::new(), "{name}");
    }
    assert_eq!(outcomes.len(), 2, "some are read, some refused");
}

/// [ING-03]
#[test]
fn a_text_is_no_song_whatever_its_name() {
    let daemon = Daemon::start();
    for name in ["notes.txt", "song.mp3", "song.wav", "song"] {
        let job = daemon
            .submit(name, b"just some text, again and again\n".repeat(50).as_slice(), draft(Format::Wav16))
            .unwrap();
        let error = daemon.finished(&job.id).error.unwrap();
        assert!(
            [ErrorKind::UnsupportedFormat, ErrorKind::AudioLoad].contains(&error.kind),
            "{name}: {error:?}"
        );
        assert!(!error.message.contains('/'), "no path in {:?}", error.message);
    }
}

/// [ING-05] Also when the client says nothing or something else about the size.
#[test]
fn an_input_over_the_limit_is_refused_while_it_comes_in() {
    let daemon = Setup::new().config("limits.upload_bytes = 1000000").start();
    let submit = |size| Submit { name: "x.wav".into(), size, options: JobOptions::default() };
    let mut sent = 0_u64;
    let mut endless = Counting { sent: &mut sent };
    let error =
        daemon.client().submit(submit(None), &mut endless).map_err(harmonix_ipc::Error::from).unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error:?}");
    assert!(error.message.contains("1000000"), "{error}");
    assert!(sent < 20_000_000, "{sent} bytes were taken");
    let declared = daemon.client().submit(submit(Some(1_000_001)), &mut std::io::empty());
    assert_eq!(declared.map_err(harmonix_ipc::Error::from).unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!((daemon.files(), daemon.status().active), (Vec::<String>::new(), 0));
}

/// Gives zeros for ever and counts them.
struct Counting<'a> {
    sent: &'a mut u64,
}

impl std::io::Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        *self.sent += buffer.len() as u64;
        Ok(buffer.len())
    }
}

/// [ING-04]
#[test]
fn the_duration_limit_says_both_numbers() {
    let daemon = Setup::new().config("limits.duration = 2").start();
    let run = |seconds| {
        let source = wav(&noise(8000, 1, seconds), SampleFormat::I16, &Tags::default());
        let job = daemon.submit("x.wav", &source, draft(Format::Wav16)).unwrap();
        daemon.finished(&job.id)
    };
    assert_eq!(run(2.0).state, JobState::Completed);
    let error = run(2.5).error.unwrap();
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.contains('2') && error.message.contains("2.5"), "{error}");
}

/// [ING-07]
#[test]
fn more_than_two_channels_are_mixed_down_and_said_so() {
    let daemon = Daemon::start();
    let source = wav(&noise(44_100, 6, 1.0), SampleFormat::I16, &Tags::default());
    let job = daemon.submit("x.wav", &source, draft(Format::Flac16)).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    assert!(job.files.iter().all(|file| file.channels == 2));
    assert!(job.events.iter().any(|event| event.kind == "downmixed" && event.message.contains('6')));
}

/// [ING-11, SEP-19, CTL-04] Names are the user's business: they come back, and never lead anywhere else.
#[test]
fn hostile_names_come_back_as_files_and_harm_nothing() {
    let daemon = Daemon::start();
    let source = blip(8000, 1);
    let names = hostile_names();
    let (inputs, outputs) = (daemon.scratch().join("in"), daemon.scratch().join("out"));
    fs::create_dir(&inputs).unwrap();
    for name in &names {
        fs::write(inputs.join(name), &source).unwrap();
    }
    let mut arguments: Vec<std::ffi::OsString> =
        ["separate", "-q", "draft", "--format", "wav16", "-i", "vocals", "-o", "out", "--json"]
            .map(Into::into)
            .into();
    arguments.extend(names.iter().map(|name| inputs.join(name).into_os_string()));
    let output = daemon.ctl(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Vec<_> = fs::read_dir(&outputs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let stems = made.iter().filter(|name| name.as_bytes().ends_with(b"_vocals.wav")).count();
    assert_eq!(stems, names.len(), "{made:?}");
    assert!(made.iter().all(|name| name.len() <= 255 && !name.as_bytes().starts_with(b"-")));
    assert!(made.iter().all(|name| decode::is_audio(&outputs.join(name)) || name.as_bytes().ends_with(b"_manifest.json")));
    let beside: BTreeSet<_> =
        fs::read_dir(daemon.scratch()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    // inside the daemon there are only its own names
    assert!(
        daemon
            .files()
            .iter()
            .all(|file| file.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._".contains(&b)))
    );
}

/// [ING-18] What is made on the way is gone at the end, whichever it is; what is kept goes with the job.
#[test]
fn nothing_temporary_outlives_a_job_or_a_restart() {
    let mut daemon = Daemon::start();
    let completed = daemon.submit("a.wav", &blip(44_100, 2), draft(Format::Flac16)).unwrap().id;
    let failed = daemon.submit("b.wav", b"not a song at all", draft(Format::Flac16)).unwrap().id;
    for (id, state) in [(&completed, JobState::Completed), (&failed, JobState::Failed)] {
        assert_eq!(daemon.finished(id).state, state);
    }
    let kept = |path: &String| {
        let (id, rest) = path.split_once('/').unwrap_or((path, ""));
        matches!(rest, "" | "source") || (id == completed.0 && rest.starts_with("out"))
    };
    assert!(daemon.files().iter().all(kept), "{:?}", daemon.files());
    // what a crash would leave of an upload and of work
    for left in [
        "0000nobodys/source.part",
        &format!("{completed}/work/stems/x"),
        &format!("{failed}/out/x.flac.part"),
    ] {
        let path = daemon.state().join("jobs").join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "left").unwrap();
    }
    daemon.crash_and_restart();
    assert_eq!(daemon.finished(&completed).state, JobState::Completed);
    assert!(daemon.files().iter().all(kept), "{:?}", daemon.files());
    for job in [completed.clone(), failed.clone()] {
        daemon.client().call(harmonix_ipc::Delete { job }).unwrap();
    }
    assert_eq!(daemon.files(), Vec::<String>::new());
}

/// [ING-18] An upload that breaks off, or is given up, leaves nothing and takes no place.
#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let daemon = Setup::new().config("limits.active_jobs = 1\nlimits.upload_idle = 0.5").start();
    let begin = || {
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).unwrap();
        let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
        frame::read_line(&mut reader, frame::REPLY_LIMIT).unwrap();
        std::io::Write::write_all(&mut stream, b"{\"command\":\"submit\",\"name\":\"x.wav\"}\n").unwrap();
        let ready = frame::read_line(&mut reader, frame::REPLY_LIMIT).unwrap().unwrap();
        assert!(String::from_utf8_lossy(&ready).contains("ready"), "{}", String::from_utf8_lossy(&ready));
        frame::write_frame(&mut stream, &[0; 1000]).unwrap();
        (stream, reader)
    };
    let gone = |what: &str| {
        while daemon.status().active > 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(daemon.files(), Vec::<String>::new(), "{what}");
    };
    drop(begin());
    gone("hung up");
    let (mut stream, mut reader) = begin();
    std::io::Write::write_all(&mut stream, &frame::ABORT.to_be_bytes()).unwrap();
    let reply = frame::read_line(&mut reader, frame::REPLY_LIMIT).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("given up"));
    gone("given up");
    let (_stream, mut reader) = begin();
    let reply = frame::read_line(&mut reader, frame::REPLY_LIMIT).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&reply).contains("no byte"), "a client that falls silent is cut off");
    gone("silent");
}

/// [ING-19, CTL-05] One bad file of three.
#[test]
fn a_batch_isolates_its_failures() {
    let daemon = Daemon::start();
    fs::write(daemon.scratch().join("a.wav"), blip(44_100, 2)).unwrap();
    fs::write(daemon.scratch().join("b.wav"), "not a song at all").unwrap();
    fs::write(daemon.scratch().join("c.wav"), blip(22_050, 1)).unwrap();
    let output = daemon.ctl(["separate", "a.wav", "b.wav", "c.wav", "-q", "draft", "-o", "out", "--json"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let jobs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let states: Vec<_> = jobs.as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["completed", "failed", "completed"]);
    let alone = daemon.ctl(["separate", "b.wav"]);
    assert_eq!(alone.status.code(), Some(4), "{alone:?}");
    assert_eq!(daemon.client().call(harmonix_ipc::ListJobs::default()).unwrap().total, 4);
    drop(Client::connect(&daemon.socket()));
}
