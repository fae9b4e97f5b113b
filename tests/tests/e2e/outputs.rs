//! The main job: a song in, exact stems out.

use std::fs;

use harmonix_ipc::{ErrorKind, Format, Job, JobOptions, JobState, Mode, Quality};
use harmonix_tests::{
    Signal, decode,
    fixtures::{self, SampleFormat, Tags, wav},
    harness::Daemon,
    metrics, synth,
};

use crate::support::{blip, draft, noise, song, stems_in};

#[test]
fn a_song_becomes_stems_with_everything_the_contract_names() {
    let daemon = Daemon::start();
    fs::write(daemon.scratch().join("Søng.wav"), song(12.0)).unwrap();
    let output = daemon.ctl(["separate", "Søng.wav", "-o", "stems", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let job: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(job["state"], "completed");
    assert_eq!(job["engine"], "spectral");
    assert_eq!(job["device"], "cpu");
    assert_eq!(job["quality"], "balanced");
    assert_eq!(job["mode"], "grouped");
    assert_eq!(job["progress"], 1.0);
    assert_eq!(job["input"]["sample_rate"], 44_100);
    assert!(
        job["analysis"]["loudness"]["integrated_lufs"].is_number()
            && job["lyrics"].is_null()
            && job["error"].is_null()
    );
    let fallback =
        job["events"].as_array().unwrap().iter().find(|event| event["kind"] == "fallback").unwrap();
    assert!(fallback["message"].as_str().unwrap().contains("htdemucs_ft"));

    let truth = synth::song(12.0, 1);
    for stem in ["drums", "bass", "other", "vocals"] {
        let path = job["stems"][stem].as_str().unwrap();
        assert!(path.ends_with(&format!("Søng_{stem}.flac")), "{path}");
        let audio = decode::decode(path.as_ref()).unwrap();
        assert_eq!(
            (audio.frames(), audio.sample_rate, audio.channels),
            (truth.mixture().frames(), 44_100, 2)
        );
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(job["manifest"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(manifest["engine"]["model"]["id"], "spectral");
    assert_eq!(manifest["instead_of"], "htdemucs_ft");
    assert_eq!(manifest["files"].as_array().unwrap().len(), 4);
}

#[test]
fn stems_are_better_than_the_mixture_on_a_known_song() {
    let daemon = Daemon::start();
    let job = daemon.submit("song.wav", &song(20.0), draft(Format::Wav32f)).unwrap();
    let job = daemon.finished(&job.id);
    let truth = synth::song(20.0, 1);
    let mixture = truth.mixture();
    for stem in &truth.stems {
        let path = daemon.scratch().join("stem.wav");
        fs::write(&path, daemon.output(&job, stem.name)).unwrap();
        let estimate = decode::decode(&path).unwrap();
        let quarter = mixture.clone().scaled(0.25);
        let (ours, plain) = (
            metrics::sdr(&stem.audio.samples, &estimate.samples),
            metrics::sdr(&stem.audio.samples, &quarter.samples),
        );
        assert!(ours > plain, "{}: {ours:.1} dB, a quarter of the mixture has {plain:.1}", stem.name);
    }
}

/// [SEP-17, BEY-01, BEY-02, ING-08]
#[test]
fn stems_sum_to_the_mixture_at_every_rate_and_channel_count() {
    let daemon = Daemon::start();
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
        for channels in [1, 2] {
            let mixture = noise(rate, channels, 1.5);
            for (format, sample, limit) in
                [(Format::Wav32f, SampleFormat::F32, -120.0), (Format::Flac24, SampleFormat::I24, -200.0)]
            {
                let source = wav(&mixture, sample, &Tags::default());
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("source.wav");
                fs::write(&path, &source).unwrap();
                let mixture = decode::decode(&path).unwrap();
                let job = daemon.submit("x.wav", &source, draft(format)).unwrap();
                let job = daemon.finished(&job.id);
                assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
                let stems = fetch_all(&daemon, &job);
                let null = metrics::null(&mixture, &stems.iter().collect::<Vec<_>>());
                let null = null.unwrap_or_else(|| panic!("shape differs at {rate} Hz, {channels} channels"));
                assert!(null.peak <= limit, "{rate} Hz, {channels} channels, {format}: {null:?}");
                let sum = Signal::sum(&stems).unwrap();
                let lag = metrics::lag(&mixture.channel(0), &sum.channel(0)).unwrap();
                assert_eq!(lag.samples, 0);
            }
        }
    }
}

fn fetch_all(daemon: &Daemon, job: &Job) -> Vec<Signal> {
    let dir = tempfile::tempdir().unwrap();
    let decode = |stem: &String| {
        let path = dir.path().join(&job.stems[stem]);
        fs::write(&path, daemon.output(job, stem)).unwrap();
        decode::decode(&path).unwrap()
    };
    job.stems.keys().map(decode).collect()
}

/// [BEY-01]
#[test]
fn any_length_comes_back_exactly() {
    let daemon = Daemon::start();
    for frames in [1_usize, 1023, 44_100, 65_537] {
        let mut signal = noise(44_100, 2, 2.0);
        signal = signal.resized(frames);
        let job = daemon
            .submit("x.wav", &wav(&signal, SampleFormat::I16, &Tags::default()), draft(Format::Flac16))
            .unwrap();
        let job = daemon.finished(&job.id);
        assert_eq!(job.state, JobState::Completed, "{frames} frames: {:?}", job.error);
        assert!(job.files.iter().all(|file| file.frames == frames as u64));
        assert!(fetch_all(&daemon, &job).iter().all(|stem| stem.frames() == frames));
    }
}

/// [SEP-14]
#[test]
fn every_output_format_is_what_it_says() {
    let daemon = Daemon::start();
    for (format, codec) in [
        (Format::Wav16, "pcm_s16le"),
        (Format::Wav24, "pcm_s24le"),
        (Format::Wav32f, "pcm_f32le"),
        (Format::Flac16, "flac"),
        (Format::Flac24, "flac"),
    ] {
        let job = daemon.submit("x.wav", &blip(48_000, 2), draft(format)).unwrap();
        let job = daemon.finished(&job.id);
        let path = daemon.scratch().join(&job.stems["bass"]);
        fs::write(&path, daemon.output(&job, "bass")).unwrap();
        let probe = std::process::Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_entries",
                "stream=codec_name,sample_rate,channels",
                "-of",
                "csv=p=0",
            ])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), format!("{codec},48000,2"), "{format}");
    }
}

/// [SEP-03, SEP-05, SEP-04]
#[test]
fn modes_and_filters_make_exactly_the_outputs_that_were_asked_for() {
    let daemon = Daemon::start();
    fs::write(daemon.scratch().join("s.wav"), song(4.0)).unwrap();
    let run = |dir: &str, arguments: &[&str]| {
        let mut all = vec!["separate", "s.wav", "-q", "draft", "--format", "wav32f", "-o", dir];
        all.extend(arguments);
        let output = daemon.ctl(&all);
        assert!(output.status.success(), "{output:?}");
        stems_in(&daemon.scratch().join(dir))
    };
    let all = run("all", &[]);
    let karaoke = run("karaoke", &["-m", "karaoke"]);
    assert_eq!(karaoke.keys().collect::<Vec<_>>(), ["instrumental", "vocals"]);
    let backing = Signal::sum([&all["drums"], &all["bass"], &all["other"]]).unwrap();
    let apart = backing.samples.iter().zip(&karaoke["instrumental"].samples).map(|(a, b)| (a - b).abs());
    assert!(apart.fold(0.0, f32::max) <= 1e-6);
    assert_eq!(karaoke["vocals"], all["vocals"]);

    assert_eq!(run("two", &["-i", "vocals,drums"]).keys().collect::<Vec<_>>(), ["drums", "vocals"]);

    let output = daemon.ctl([
        "separate",
        "s.wav",
        "-m",
        "per_instrument",
        "-i",
        "bass,guitar",
        "-o",
        "each",
        "--json",
    ]);
    let job: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(job["unavailable"], serde_json::json!(["guitar"]));
    assert_eq!(stems_in(&daemon.scratch().join("each")).keys().collect::<Vec<_>>(), ["bass"]);
}

/// [ING-16, ING-09]
#[test]
fn a_preview_is_half_a_minute_at_draft_quality() {
    let daemon = Daemon::start();
    let source = wav(&noise(22_050, 1, 60.0), SampleFormat::I16, &Tags::default());
    let options = JobOptions { preview: true, quality: Quality::Studio, ..JobOptions::default() };
    let job = daemon.submit("x.wav", &source, options).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!((job.quality, job.state), (Quality::Draft, JobState::Completed));
    assert!(job.files.iter().all(|file| file.frames == 30 * 22_050));
}

/// [ING-09]
#[test]
fn a_normalised_input_peaks_at_minus_three_decibels() {
    let daemon = Daemon::start();
    let quiet = noise(44_100, 2, 1.0).scaled(0.1);
    let source = wav(&quiet, SampleFormat::F32, &Tags::default());
    let options = JobOptions { normalize: true, ..draft(Format::Wav32f) };
    let job = daemon.submit("x.wav", &source, options).unwrap();
    let sum = Signal::sum(&fetch_all(&daemon, &daemon.finished(&job.id))).unwrap();
    let peak = sum.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((peak - 0.70795).abs() < 1e-3, "{peak}");
}

/// Silence is valid: silent stems, not a failure.
#[test]
fn silence_gives_silent_stems() {
    let daemon = Daemon::start();
    let silence = wav(&Signal::silent(44_100, 2, 44_100), SampleFormat::I16, &Tags::default());
    let options = JobOptions { normalize: true, ..draft(Format::Flac16) };
    let job = daemon.submit("x.wav", &silence, options).unwrap();
    let job = daemon.finished(&job.id);
    assert_eq!(job.state, JobState::Completed);
    assert!(job.files.iter().all(|file| file.peak_dbfs.is_none() && file.frames == 44_100));
}

/// [BEY-09]
#[test]
fn tags_and_cover_travel_into_the_stems() {
    let daemon = Daemon::start();
    let path = daemon.scratch().join("tagged.flac");
    let tags = Tags::full();
    fixtures::write(&path, &noise(44_100, 2, 1.0), fixtures::Format::Flac, &tags).unwrap();
    let output = daemon.ctl(["separate", "tagged.flac", "-q", "draft", "-o", "."]);
    assert!(output.status.success(), "{output:?}");
    let probe = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format_tags:stream=codec_type", "-of", "json"])
        .arg(daemon.scratch().join("tagged_vocals.flac"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&probe.stdout);
    assert!(text.contains(&tags.artist) && text.contains(&tags.album), "{text}");
    assert!(text.contains("(vocals)") && text.contains("\"video\""), "{text}");
}

/// [CTL-01] Refusals come before a byte is sent, and say what would be right.
#[test]
fn what_cannot_be_made_is_refused_at_once() {
    let daemon = Daemon::start();
    for options in [
        JobOptions { stems: Some(vec!["guitar".into()]), ..JobOptions::default() },
        JobOptions { stems: Some(vec![]), ..JobOptions::default() },
        JobOptions { mode: Mode::Karaoke, stems: Some(vec!["drums".into()]), ..JobOptions::default() },
    ] {
        let error = daemon.submit("x.wav", &blip(8000, 1), options).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(error.hint.unwrap().contains("vocals"));
    }
    assert_eq!(daemon.files(), Vec::<String>::new());
}
