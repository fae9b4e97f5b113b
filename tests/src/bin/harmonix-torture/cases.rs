//! Songs and settings, and what comes out of each when nobody disturbs it.

use std::{collections::BTreeMap, fs};

use harmonix_ipc::{Format, Job, JobOptions, JobState, Mode, Quality};
use harmonix_tests::{
    Signal,
    fixtures::{SampleFormat, Tags, wav},
    harness::Daemon,
    synth::{self, generators},
};
use serde_json::Value;

use crate::Told;

/// A song with what is to be done with it.
pub(crate) struct Case {
    /// The input's name; tells the case of a job whose submission was never answered.
    pub(crate) name: String,
    /// The input.
    pub(crate) bytes: Vec<u8>,
    /// What is to be done.
    pub(crate) options: JobOptions,
    /// How often it is chosen.
    pub(crate) weight: usize,
}

/// The files of a job, by name.
pub(crate) type Outputs = BTreeMap<String, Vec<u8>>;

/// Songs from a third of a second to two segments, at different rates, formats and settings.
pub(crate) fn all() -> Vec<Case> {
    let piece = |seconds: f64| synth::song(seconds, 7).mixture();
    let tone = |rate, channels, seconds| {
        let mut tone = generators::noise(rate, channels, seconds, 0.2, 3);
        tone.add(&generators::sine(rate, channels, seconds, 220.0, 0.3));
        tone
    };
    // the first one may be answered from what was computed before; the others are computed each time
    let cached = |format| JobOptions { quality: Quality::Draft, format, ..JobOptions::default() };
    let draft = |format| JobOptions { fresh: true, ..cached(format) };
    let (i16, i24, f32) = (SampleFormat::I16, SampleFormat::I24, SampleFormat::F32);
    let mut cases = Vec::new();
    let mut add = |weight, song: Signal, sample, options| {
        let name = format!("case-{}.wav", cases.len());
        cases.push(Case { name, bytes: wav(&song, sample, &Tags::default()), options, weight });
    };
    add(4, piece(0.3), i16, cached(Format::Flac16));
    add(4, piece(0.4), i16, draft(Format::Flac16));
    add(4, tone(22_050, 1, 0.7), i24, draft(Format::Wav24));
    add(3, tone(48_000, 2, 0.8), f32, draft(Format::Wav32f));
    add(3, piece(1.5), i16, JobOptions { mode: Mode::Karaoke, ..draft(Format::Flac24) });
    add(3, tone(96_000, 1, 0.6), f32, JobOptions { normalize: true, ..draft(Format::Flac24) });
    add(2, tone(8_000, 2, 3.0), i16, JobOptions { raw: true, ..draft(Format::Wav16) });
    let some = Some(vec!["drums".into(), "vocals".into()]);
    add(2, piece(1.0), i24, JobOptions { stems: some, ..draft(Format::Flac16) });
    // two segments: there is a checkpoint to go on from
    add(1, tone(8_000, 1, 40.0), i16, JobOptions { preview: true, ..draft(Format::Flac16) });
    cases
}

/// A fifth of a second, computed each time.
pub(crate) fn small() -> Case {
    let song = generators::noise(8_000, 1, 0.2, 0.3, 9);
    Case {
        name: "small.wav".into(),
        bytes: wav(&song, SampleFormat::I16, &Tags::default()),
        options: JobOptions {
            quality: Quality::Draft,
            format: Format::Flac16,
            fresh: true,
            ..JobOptions::default()
        },
        weight: 1,
    }
}

/// Runs each case once on a daemon that nobody disturbs.
pub(crate) fn undisturbed(cases: &[Case]) -> Told<Vec<Outputs>> {
    let daemon = Daemon::start();
    let run = |case: &Case| {
        let job = daemon
            .submit(&case.name, &case.bytes, case.options.clone())
            .map_err(|error| format!("{} is refused: {error}", case.name))?;
        let job = daemon.finished(&job.id);
        if job.state != JobState::Completed {
            return Err(format!("{} is {} undisturbed: {:?}", case.name, job.state, job.error));
        }
        outputs(&daemon, &job)
    };
    cases.iter().map(run).collect()
}

/// The files of a completed job as they lie in the state directory; the manifest without what may differ.
pub(crate) fn outputs(daemon: &Daemon, job: &Job) -> Told<Outputs> {
    let out = daemon.state().join("jobs").join(&job.id.0).join("out");
    let mut files = Outputs::new();
    for name in job.stems.values().chain(&job.manifest) {
        let bytes = fs::read(out.join(name))
            .map_err(|error| format!("{name} of completed job {} cannot be read: {error}", job.id))?;
        let bytes = if job.manifest.as_ref() == Some(name) { comparable(&bytes)? } else { bytes };
        files.insert(name.clone(), bytes);
    }
    if job.stems.is_empty() || job.manifest.is_none() {
        return Err(format!("completed job {} lists no outputs or no manifest", job.id));
    }
    Ok(files)
}

/// A manifest without the job's id.
pub(crate) fn comparable(manifest: &[u8]) -> Told<Vec<u8>> {
    let mut value: Value =
        serde_json::from_slice(manifest).map_err(|error| format!("a manifest is not JSON: {error}"))?;
    value["job"] = Value::Null;
    serde_json::to_vec(&value).map_err(|error| error.to_string())
}

/// What differs between two sets of files, if anything does.
pub(crate) fn difference(found: &Outputs, expected: &Outputs) -> Option<String> {
    let names = |outputs: &Outputs| outputs.keys().cloned().collect::<Vec<_>>();
    if names(found) != names(expected) {
        return Some(format!("it has the files {:?} instead of {:?}", names(found), names(expected)));
    }
    let differs = |(name, bytes): (&String, &Vec<u8>)| (expected[name] != *bytes).then(|| name.clone());
    found.iter().find_map(differs).map(|name| format!("{name} differs from that of an undisturbed run"))
}
