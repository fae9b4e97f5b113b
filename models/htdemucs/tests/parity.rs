//! The same weights and audio through this crate and through the reference: see `reference/reference.py`.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::{collections::BTreeMap, fs, path::Path};

use harmonix_engine::{
    Layout, Separator, Task, TrackStats, Unwatched,
    protocol::{Architecture, Member, Model, Precision},
    separate_track,
    spool::SpoolReader,
};
use harmonix_htdemucs::{Array, Checkpoint, HtDemucs, Kind};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

#[path = "common/weights.rs"]
mod weights;

#[derive(Deserialize)]
struct Network {
    class: String,
    kwargs: Map<String, Value>,
    members: Vec<Part>,
    cases: Vec<Case>,
    shapes: BTreeMap<String, Vec<usize>>,
}

#[derive(Deserialize)]
struct Part {
    prefix: String,
    blend: Vec<f32>,
}

#[derive(Debug, Deserialize)]
struct Case {
    length: usize,
    overlap: f64,
    shifts: u32,
    seed: u64,
    step: usize,
}

fn weights(prefix: &str, shapes: &BTreeMap<String, Vec<usize>>) -> BTreeMap<String, Array> {
    let array = |(name, shape): (&String, &Vec<usize>)| {
        let bytes = to_bytes(&weights::values(prefix, name, shape));
        (name.clone(), Array { kind: Kind::F32, shape: shape.clone(), bytes })
    };
    shapes.iter().map(array).collect()
}

/// Interleaved.
fn signal(length: usize, channels: usize) -> Vec<f32> {
    let noise: Vec<f64> = weights::uniform("song", 2 * length).collect();
    let swell: Vec<f64> = weights::uniform("song swell", length / 500 + 2).map(f64::abs).collect();
    let sample = |frame: usize, channel: usize| {
        let at = frame as f64 / 500.0;
        let (low, part) = (at as usize, at - at.floor());
        (noise[channel * length + frame] * 0.5 * (swell[low] * (1.0 - part) + swell[low + 1] * part)) as f32
    };
    (0..length)
        .flat_map(|frame| (0..channels).map(move |channel| (frame, channel)))
        .map(|(f, c)| sample(f, c))
        .collect()
}

fn to_bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference"))
}

/// Writes the members' checkpoints and opens them as a bag.
fn model(network: &Network, dir: &Path) -> Model {
    let members = network.members.iter().enumerate().map(|(at, part)| {
        let tensors = weights(&part.prefix, &network.shapes);
        let checkpoint = Checkpoint { class: network.class.clone(), args: network.kwargs.clone(), tensors };
        let bytes = checkpoint.to_safetensors().unwrap();
        let file = dir.join(format!("{at}.safetensors"));
        fs::write(&file, &bytes).unwrap();
        Member { file, sha256: sha256(&bytes), blend: part.blend.clone() }
    });
    let sources = serde_json::from_value(network.kwargs["sources"].clone()).unwrap();
    Model { id: "test".into(), architecture: Architecture::Htdemucs, sources, members: members.collect() }
}

fn network(name: &str) -> Network {
    serde_json::from_slice(&fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

/// Stems of a case by the real driver, `[source][frame · channel]`.
fn separate(separator: &mut HtDemucs, case: &Case, dir: &Path) -> Vec<Vec<f32>> {
    let info = separator.info().clone();
    let mix = dir.join("mix.f32");
    fs::write(&mix, to_bytes(&signal(case.length, info.channels))).unwrap();
    let mix = SpoolReader::open(&mix, info.channels).unwrap();
    let stats = TrackStats { frames: case.length as u64, mean: 0.0, std: 1.0, peak: 1.0 };
    let layout = Layout { overlap: case.overlap, shifts: case.shifts, seed: case.seed };
    let stems = dir.join("stems");
    let key = format!("{case:?} {:?}", info.sources);
    let task = Task { mix: &mix, stats: &stats, layout: &layout, key: &key, dir: &stems };
    separate_track(separator, &task, &Unwatched, &mut |_| {}).unwrap();
    let read = |source: &String| samples(&fs::read(stems.join(format!("{source}.f32"))).unwrap());
    info.sources.iter().map(read).collect()
}

/// Signal to error in dB.
fn snr(expected: &[f32], found: &[f32]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let power = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
    let signal = power(&mut expected.iter().map(|e| f64::from(*e)));
    let error = power(&mut expected.iter().zip(found).map(|(e, f)| f64::from(*e) - f64::from(*f)));
    10.0 * (signal / error.max(1e-300)).log10()
}

/// Every `step`-th frame of a stem, channel by channel, as the vectors have them.
fn decimated(stem: &[f32], channels: usize, step: usize) -> Vec<f32> {
    (0..channels)
        .flat_map(|channel| stem.iter().skip(channel).step_by(channels).step_by(step).copied())
        .collect()
}

fn compare(name: &str, precision: Precision, at_least: f64) {
    let network = network(name);
    let expected = samples(&fs::read(folder().join(format!("{name}.f32"))).unwrap());
    let mut expected = expected.as_slice();
    let dir = tempfile::tempdir().unwrap();
    let mut separator = HtDemucs::open(&model(&network, dir.path()), &[], "cpu", precision).unwrap();
    let channels = separator.info().channels;
    for case in &network.cases {
        for (source, stem) in separate(&mut separator, case, dir.path()).iter().enumerate() {
            assert_eq!(stem.len(), case.length * channels);
            let found = decimated(stem, channels, case.step);
            let (here, rest) = expected.split_at(found.len());
            let snr = snr(here, &found);
            assert!(snr >= at_least, "{name}, source {source}, {case:?}: {snr:.1} dB");
            expected = rest;
        }
    }
    assert!(expected.is_empty());
}

#[test]
fn htdemucs_is_the_reference() {
    compare("htdemucs", Precision::F32, 90.0);
}

#[test]
fn htdemucs_with_six_sources_and_a_wider_bottom_is_the_reference() {
    compare("htdemucs_6s", Precision::F32, 90.0);
}

#[test]
fn hybrid_demucs_is_the_reference() {
    compare("hdemucs", Precision::F32, 90.0);
}

#[test]
fn unusual_arguments_are_the_reference() {
    compare("variant", Precision::F32, 90.0);
}

#[test]
fn a_bag_is_the_reference() {
    compare("bag_of_specialists", Precision::F32, 90.0);
    compare("bag_of_mixed", Precision::F32, 90.0);
}

#[test]
fn a_specialist_alone_gives_what_the_bag_gives() {
    let network = network("bag_of_specialists");
    let dir = tempfile::tempdir().unwrap();
    let model = model(&network, dir.path());
    let case = &network.cases[0];
    let whole = separate(&mut HtDemucs::open(&model, &[], "cpu", Precision::F32).unwrap(), case, dir.path());
    // the others are not needed, so not read
    for other in [0, 1, 3] {
        fs::remove_file(&model.members[other].file).unwrap();
    }
    let mut alone = HtDemucs::open(&model, &["other".into()], "cpu", Precision::F32).unwrap();
    assert_eq!(alone.info().sources, ["other"]);
    assert_eq!(separate(&mut alone, case, dir.path()), [whole[2].clone()]);
}

#[test]
fn the_fast_precision_is_near() {
    compare("htdemucs", Precision::Fast, 20.0);
}

/// A job that resumes computes a segment again and has to get the same bits, wherever its memory lies.
#[test]
fn the_same_input_gives_the_same_bits() {
    let network = network("htdemucs");
    let dir = tempfile::tempdir().unwrap();
    let model = model(&network, dir.path());
    let case = &network.cases[0];
    let mut first = None;
    let mut junk = Vec::new();
    for run in 0..10usize {
        junk.push(vec![0u8; 10_000 + 4_568 * run]);
        let mut separator = HtDemucs::open(&model, &[], "cpu", Precision::F32).unwrap();
        fs::remove_dir_all(dir.path().join("stems")).ok();
        let stems = separate(&mut separator, case, dir.path());
        assert!(*first.get_or_insert_with(|| stems.clone()) == stems, "run {run} differs");
        if run % 2 == 0 {
            junk.remove(0);
        }
    }
}
