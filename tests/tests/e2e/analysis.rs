//! [ANA-01] [ANA-04] [ANA-08] [ANA-09] [ANA-11] [ANA-13] [ANA-15] [ANA-16] Tempo, key and the rest, from the real program.

use harmonix_ipc::{Analyze, ErrorKind, Format, Job, JobOptions, JobState, ListJobs};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
    synth,
};
use serde_json::Value;

use crate::support::{blip, draft, song};

fn only() -> JobOptions {
    JobOptions { analysis: Analyze::Only, ..draft(Format::Flac16) }
}

fn analysed(daemon: &Daemon, song: &[u8], options: JobOptions) -> Job {
    let job = daemon.submit("x.wav", song, options).unwrap();
    daemon.finished(&job.id);
    daemon.show(&job.id)
}

/// Clicks at 120 bpm for 20 s.
fn clicks() -> Vec<u8> {
    let mut signal = synth::generators::noise(44_100, 1, 20.0, 0.5, 3);
    for (at, sample) in signal.samples.iter_mut().enumerate() {
        *sample *= (-((at % 22_050) as f32) / 300.0).exp();
    }
    wav(&signal, SampleFormat::I16, &Tags::default())
}

#[test]
fn a_separated_song_has_its_analysis_and_lists_have_the_short_form() {
    let daemon = Daemon::start();
    let job = analysed(&daemon, &song(20.0), draft(Format::Flac16));
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    let analysis = job.analysis.unwrap();
    assert!((analysis["duration"].as_f64().unwrap() - 20.0).abs() < 0.01);
    let tempo = &analysis["tempo"];
    let (bpm, beats) = (tempo["bpm"].as_f64().unwrap(), tempo["beats"].as_array().unwrap());
    let spacing = 60.0 / bpm;
    let (first, second) = (beats[0].as_f64().unwrap(), beats[1].as_f64().unwrap());
    assert!((second - first - spacing).abs() < 0.05, "{bpm} {first} {second}");
    assert!(analysis["key"]["camelot"].is_string(), "{analysis:#}");
    assert!(analysis["loudness"]["true_peak_dbtp"].is_number());
    assert!(analysis["chords"].as_array().is_some_and(|chords| !chords.is_empty()));

    let listed = daemon.client().call(ListJobs::default()).unwrap().jobs.remove(0).analysis.unwrap();
    assert_eq!(listed["tempo"]["bpm"], tempo["bpm"]);
    assert_eq!(listed["tempo"]["beats"].as_array().map(Vec::len), Some(0));
    assert_eq!(listed["chords"].as_array().map(Vec::len), Some(0));
}

#[test]
fn analyze_alone_makes_no_stems_and_uses_no_device() {
    let daemon = Daemon::start();
    let job = analysed(&daemon, &clicks(), only());
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    assert!(job.stems.is_empty() && job.files.is_empty() && job.manifest.is_none());
    let tempo = &job.analysis.unwrap()["tempo"];
    assert!((tempo["bpm"].as_f64().unwrap() - 120.0).abs() < 0.12, "{tempo:#}");
    let beats: Vec<_> = tempo["beats"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    let off = |beat: &f64| (beat * 2.0 - (beat * 2.0).round()).abs() / 2.0;
    assert!(beats.len() > 35 && beats.iter().all(|beat| off(beat) < 0.005), "{beats:?}");
    assert!(daemon.status().worker.is_none());
    let id = &job.id.0;
    let kept = [id.clone(), format!("{id}/out"), format!("{id}/out/analysis.json"), format!("{id}/source")];
    assert_eq!(daemon.files(), kept);
}

#[test]
fn silence_has_no_tempo_and_no_key() {
    let daemon = Daemon::start();
    let silence = synth::generators::sine(44_100, 2, 5.0, 440.0, 0.0);
    let job = analysed(&daemon, &wav(&silence, SampleFormat::I16, &Tags::default()), only());
    let analysis = job.analysis.unwrap();
    for nothing in ["tempo", "key"] {
        assert_eq!(analysis[nothing], Value::Null, "{analysis:#}");
    }
    assert_eq!(analysis["loudness"]["integrated_lufs"], Value::Null);
}

#[test]
fn an_analysis_that_fails_costs_the_stems_nothing() {
    let daemon = Setup::new().env("HARMONIX_FAULT", "analysis@1").start();
    let job = analysed(&daemon, &blip(44_100, 2), draft(Format::Flac16));
    assert_eq!(job.state, JobState::Completed);
    assert_eq!(job.analysis.unwrap()["error"]["kind"], "internal");
    assert!(job.events.iter().any(|event| event.kind == "analysis"), "{:?}", job.events);

    let daemon = Setup::new().env("HARMONIX_FAULT", "analysis@1").start();
    let job = analysed(&daemon, &blip(44_100, 2), only());
    assert_eq!((job.state, job.error.map(|error| error.kind)), (JobState::Failed, Some(ErrorKind::Internal)));
    assert_eq!(daemon.files(), crate::support::only_source(&job.id));
}

#[test]
fn whoever_wants_no_analysis_gets_none_and_a_second_asking_is_answered_from_the_first() {
    let daemon = Daemon::start();
    let song = clicks();
    let without = JobOptions { analysis: Analyze::Without, ..draft(Format::Flac16) };
    assert_eq!(analysed(&daemon, &song, without).analysis, None);
    let again = || JobOptions { fresh: false, ..only() };
    let first = analysed(&daemon, &song, again());
    let second = analysed(&daemon, &song, again());
    assert!(second.events.iter().any(|event| event.kind == "cached"), "{:?}", second.events);
    assert_eq!(second.analysis, first.analysis);
}

#[test]
fn an_analyzer_or_a_daemon_that_dies_loses_no_job() {
    let daemon = Setup::new().env("HARMONIX_FAULT", "analyzer_actor@1").start();
    let job = analysed(&daemon, &blip(44_100, 2), draft(Format::Flac16));
    assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
    assert_eq!(job.analysis.unwrap()["error"]["kind"], "internal");
    // the actor was built anew
    assert!(analysed(&daemon, &clicks(), only()).analysis.unwrap()["tempo"]["bpm"].is_number());

    let mut daemon = Daemon::start();
    let again = daemon.submit("y.wav", &song(30.0), only()).unwrap();
    daemon.until(&again.id, |job| job.state == JobState::Analyzing || job.state.is_final());
    daemon.crash_and_restart();
    assert_eq!(daemon.finished(&again.id).state, JobState::Completed);
}

#[test]
fn instruments_are_named_with_their_method_and_nobody_plays_in_silence() {
    let named = |daemon: &Daemon, song: &[u8]| -> Vec<(String, String, f64)> {
        let analysis = analysed(daemon, song, only()).analysis.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let instruments = analysis["instruments"].as_array().unwrap().iter();
        instruments
            .map(|i| (text(&i["label"]), text(&i["method"]), i["confidence"].as_f64().unwrap()))
            .collect()
    };
    let silence = synth::generators::sine(44_100, 2, 5.0, 440.0, 0.0);
    let silence = wav(&silence, SampleFormat::I16, &Tags::default());
    let daemon = Setup::new().config("analysis.instrument_threshold = 0.0").start();
    assert_eq!(named(&daemon, &silence), []);
    let all = named(&daemon, &song(20.0));
    assert_eq!(all.len(), 11, "{all:?}");
    assert!(all.iter().all(|(_, method, p)| method == "classifier" && (0.0..=1.0).contains(p)), "{all:?}");
    assert!(all.windows(2).all(|two| two[0].2 >= two[1].2), "{all:?}");

    let daemon = Setup::new()
        .config("analysis.instruments = 'heuristic'\nanalysis.instrument_threshold = 0.0")
        .start();
    let rough = named(&daemon, &song(20.0));
    assert!(rough.iter().all(|(_, method, p)| method == "heuristic" && *p <= 0.6), "{rough:?}");
    assert!(rough.iter().any(|(label, _, _)| label == "drums"), "{rough:?}");
    let daemon = Setup::new().config("analysis.instruments = 'off'").start();
    assert_eq!(named(&daemon, &song(20.0)), []);
}

#[test]
fn the_client_tells_it_and_leaves_nothing() {
    let daemon = Daemon::start();
    let (a, b) = (daemon.scratch().join("a.wav"), daemon.scratch().join("b.txt"));
    let tsv = daemon.scratch().join("beats.tsv");
    std::fs::write(&a, clicks()).unwrap();
    std::fs::write(&b, "no song").unwrap();
    let output = daemon.ctl(["analyze".as_ref(), a.as_os_str(), "--beats".as_ref(), tsv.as_os_str()]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("120.0") && text.contains("bpm"), "{text}");
    let beats = std::fs::read_to_string(&tsv).unwrap();
    for line in beats.lines() {
        let (time, number) = line.split_once('\t').unwrap();
        assert_eq!(time.split_once('.').unwrap().1.len(), 3);
        assert!(time.parse::<f64>().is_ok() && number.parse::<u32>().is_ok_and(|number| number >= 1));
    }
    assert!(beats.lines().count() > 35);
    assert!(daemon.files().is_empty(), "{:?}", daemon.files());

    let output = daemon.ctl(["analyze".as_ref(), a.as_os_str(), b.as_os_str(), "--json".as_ref()]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let values: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(values[0]["analysis"]["tempo"]["beats"].as_array().is_some_and(|beats| beats.len() > 35));
    assert_eq!(values[1]["error"]["kind"], "unsupported_format");
    assert!(daemon.files().is_empty(), "{:?}", daemon.files());
}
