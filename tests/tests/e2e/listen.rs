//! [BEY-12] Finished seconds of each output are readable while the job runs.

use std::thread;

use harmonix_ipc::{
    Analyze, Client, Error, ErrorKind, ExcerptHead, Format, JobId, JobOptions, JobState, Listen, Mode, Pause,
    QueuePause, QueueResume, Resume, client::ClientError,
};
use harmonix_tests::harness::Daemon;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{blip, draft, long_song};

/// As the model makes it, so that what was heard can be compared with what comes out in the end.
fn raw(mode: Mode) -> JobOptions {
    JobOptions { raw: true, mode, analysis: Analyze::Without, ..draft(Format::Wav32f) }
}

fn ask(job: &JobId, stem: &str) -> Listen {
    Listen { job: job.clone(), stem: stem.into(), from: None, follow: false }
}

fn listen(daemon: &Daemon, listen: Listen) -> Result<(ExcerptHead, Vec<u8>), Error> {
    let mut bytes = Vec::new();
    let head = daemon.client().listen(listen, &mut bytes, |_| {}).map_err(Error::from)?;
    Ok((head, bytes))
}

/// The samples of a WAV of 32-bit floats.
fn samples(wav: &[u8]) -> &[u8] {
    let data = wav.windows(4).position(|window| window == b"data").unwrap();
    let size = u32::from_le_bytes(wav[data + 4..][..4].try_into().unwrap());
    let rest = &wav[data + 8..];
    if size == u32::MAX { rest } else { &rest[..size as usize] }
}

fn floats(samples: &[u8]) -> impl Iterator<Item = f32> {
    samples.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample))
}

/// A job that is held in the middle of its separation, with something final.
fn held(daemon: &Daemon, options: JobOptions) -> JobId {
    let job = daemon.submit("x.wav", long_song(), options).unwrap();
    daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress >= 0.4);
    let held = daemon.client().call(Pause { job: job.id.clone() }).unwrap();
    assert_eq!(held.state, JobState::Paused, "the song is too short for this machine");
    job.id
}

#[test]
fn what_was_heard_early_is_what_comes_out_in_the_end() {
    let daemon = Daemon::start();
    let id = held(&daemon, raw(Mode::Grouped));
    let (head, early) = listen(&daemon, ask(&id, "vocals")).unwrap();
    let ExcerptHead { from, to, duration, sample_rate, channels, complete, .. } = head;
    assert_eq!((from, duration, sample_rate, channels, complete), (0.0, 100.0, 44_100, 2, false));
    assert!(to > 0.0 && to < 100.0, "{to}");
    assert_eq!(head.bytes, Some(early.len() as u64));
    assert_eq!(u32::from_le_bytes(early[4..8].try_into().unwrap()) as usize, early.len() - 8);
    let seconds = |samples: &[u8]| samples.len() as f64 / 8.0 / 44_100.0;
    assert_eq!(seconds(samples(&early)), to);
    // from some second on, and from the end on
    let (later, part) = listen(&daemon, Listen { from: Some(7.5), ..ask(&id, "vocals") }).unwrap();
    assert_eq!((later.from, later.to), (7.5, to));
    assert_eq!(samples(&part), &samples(&early)[(7.5 * 44_100.0) as usize * 8..]);
    let (_, nothing) = listen(&daemon, Listen { from: Some(to), ..ask(&id, "vocals") }).unwrap();
    assert_eq!(samples(&nothing), [0_u8; 0]);

    // somebody follows while the worker is killed and the job goes on from its checkpoint
    let followed = thread::scope(|scope| {
        let follow = |from| Listen { from, follow: true, ..ask(&id, "vocals") };
        let (whole, rest) = (follow(None), follow(Some(to)));
        let whole = scope.spawn(|| listen(&daemon, whole).unwrap());
        let rest = scope.spawn(|| listen(&daemon, rest).unwrap());
        daemon.client().call(Resume { job: id.clone() }).unwrap();
        daemon.until(&id, |job| job.state == JobState::Separating && job.progress >= 0.6);
        kill_process(Pid::from_raw(daemon.worker() as i32).unwrap(), Signal::KILL).unwrap();
        (whole.join().unwrap(), rest.join().unwrap())
    });
    let job = daemon.finished(&id);
    assert!(job.events.iter().any(|event| event.kind == "retried"), "{:?}", job.events);
    let output = daemon.output(&job, "vocals");
    let ((whole, all), (rest, tail)) = followed;
    assert_eq!((whole.bytes, whole.complete, rest.from), (None, false, to));
    assert_eq!(samples(&all), samples(&output));
    assert!(samples(&output).starts_with(samples(&early)));
    assert_eq!(samples(&tail), &samples(&output)[samples(&early).len()..]);

    // now it is the output itself
    let (head, now) = listen(&daemon, Listen { follow: true, ..ask(&id, "vocals") }).unwrap();
    assert_eq!((head.complete, head.name.as_str(), head.to), (true, "vocals.wav", 100.0));
    assert_eq!((head.bytes, now), (Some(output.len() as u64), output));
}

#[test]
fn an_output_that_is_a_sum_is_heard_as_one_and_by_the_client() {
    let daemon = Daemon::start();
    let id = held(&daemon, raw(Mode::Karaoke));
    let output = daemon.ctl(["listen", &id.0, "instrumental", "-o", "early.wav", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let to = value["to"].as_f64().unwrap();
    assert!(to > 0.0 && value["complete"] == false, "{value}");
    let again = daemon.ctl(["listen", &id.0, "instrumental", "-o", "early.wav"]);
    assert_eq!(again.status.code(), Some(1), "nothing is overwritten: {again:?}");
    let all = thread::scope(|scope| {
        let follow = |to: &'static str| {
            let id = &id.0;
            let daemon = &daemon;
            scope.spawn(move || daemon.ctl(["listen", id, "instrumental", "--follow", "-o", to]))
        };
        let (piped, filed) = (follow("-"), follow("all.wav"));
        daemon.client().call(Resume { job: id.clone() }).unwrap();
        let (piped, filed) = (piped.join().unwrap(), filed.join().unwrap());
        assert!(piped.status.success() && filed.status.success(), "{piped:?} {filed:?}");
        piped.stdout
    });
    let file = std::fs::read(daemon.scratch().join("all.wav")).unwrap();
    let early = std::fs::read(daemon.scratch().join("early.wav")).unwrap();
    assert_eq!(samples(&all), samples(&file));
    assert!(samples(&file).starts_with(samples(&early)));
    // a file knows its sizes in the end
    assert_eq!(u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize, file.len() - 8);
    let output = daemon.output(&daemon.finished(&id), "instrumental");
    let off =
        floats(samples(&file)).zip(floats(samples(&output))).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-6 && samples(&file).len() == samples(&output).len(), "{off}");
}

#[test]
fn what_cannot_be_heard_is_said_so() {
    let daemon = Daemon::start();
    let refused = |listen: Listen| {
        let error = self::listen(&daemon, listen).unwrap_err();
        (error.kind, error.hint.unwrap_or_default())
    };
    daemon.client().call(QueuePause {}).unwrap();
    let queued = daemon.submit("x.wav", &blip(22_050, 1), draft(Format::Flac16)).unwrap().id;
    let only = JobOptions { analysis: Analyze::Only, ..JobOptions::default() };
    let analysed = daemon.submit("x.wav", &blip(22_050, 1), only).unwrap().id;
    let failed = daemon.submit("x.wav", b"not a song", draft(Format::Flac16)).unwrap().id;
    for follow in [false, true] {
        assert_eq!(refused(Listen { follow, ..ask(&queued, "vocals") }).0, ErrorKind::Conflict);
        assert_eq!(refused(Listen { follow, ..ask(&analysed, "vocals") }).0, ErrorKind::Conflict);
    }
    let (kind, hint) = refused(ask(&queued, "kazoo"));
    assert!(kind == ErrorKind::NotFound && hint.contains("vocals"), "{hint}");
    assert_eq!(refused(ask(&JobId("nonsense".into()), "vocals")).0, ErrorKind::NotFound);
    for from in [-1.0, f64::MAX] {
        let kind = refused(Listen { from: Some(from), ..ask(&queued, "vocals") }).0;
        assert!([ErrorKind::InvalidRequest, ErrorKind::Conflict].contains(&kind), "{kind}");
    }
    let output = daemon.ctl(["listen", &queued.0, "vocals"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    // the client waits for the beginning, and the job that has just ended is heard as a whole
    let followed = thread::scope(|scope| {
        let followed = scope.spawn(|| daemon.ctl(["listen", &queued.0, "vocals", "--follow", "-o", "-"]));
        daemon.client().call(QueueResume {}).unwrap();
        followed.join().unwrap()
    });
    assert!(followed.status.success() && !followed.stdout.is_empty(), "{followed:?}");
    let completed = daemon.finished(&queued);
    let (head, whole) = listen(&daemon, ask(&completed.id, "vocals")).unwrap();
    assert!(head.complete && head.name == "vocals.flac");
    assert_eq!(whole, daemon.output(&completed, "vocals"));
    let (kind, _) = refused(Listen { from: Some(0.5), ..ask(&completed.id, "vocals") });
    assert_eq!(kind, ErrorKind::InvalidRequest);
    daemon.finished(&analysed);
    assert_eq!(refused(ask(&analysed, "vocals")).0, ErrorKind::Conflict);
    daemon.finished(&failed);
    assert_eq!(refused(ask(&failed, "vocals")).0, ErrorKind::Conflict);
}

/// Whoever follows a job that is ended hears why, over a connection that goes on.
#[test]
fn a_job_that_is_ended_ends_what_follows_it() {
    let daemon = Daemon::start();
    let id = held(&daemon, raw(Mode::Grouped));
    let mut client = Client::connect(&daemon.socket()).unwrap();
    let error = thread::scope(|scope| {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (client, id) = (&mut client, &id);
        let listener = scope.spawn(move || {
            let follow = Listen { follow: true, ..ask(id, "drums") };
            let heard = client.listen(follow, &mut std::io::sink(), |_| begun.send(()).unwrap());
            heard.map(drop).unwrap_err()
        });
        has_begun.recv().unwrap();
        daemon.client().call(harmonix_ipc::Cancel { job: id.clone() }).unwrap();
        listener.join().unwrap()
    });
    assert!(matches!(&error, ClientError::Refused(error) if error.kind == ErrorKind::Cancelled), "{error:?}");
    client.call(harmonix_ipc::Status {}).unwrap();
}
