//! Songs and shorthand for the tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use harmonix_ipc::{Format, JobId, JobOptions, Quality};
use harmonix_tests::{
    Signal, decode,
    fixtures::{SampleFormat, Tags, wav},
    synth,
};

/// A synthesised piece as a 24-bit WAV.
pub(crate) fn song(seconds: f64) -> Vec<u8> {
    wav(&synth::song(seconds, 1).mixture(), SampleFormat::I24, &Tags::default())
}

/// A piece that plays long enough to be interrupted: several segments. Made once for all tests.
pub(crate) fn long_song() -> &'static [u8] {
    static SONG: OnceLock<Vec<u8>> = OnceLock::new();
    SONG.get_or_init(|| {
        let verse = synth::song(25.0, 2).mixture();
        let song = Signal { samples: verse.samples.repeat(4), ..verse };
        wav(&song, SampleFormat::I16, &Tags::default())
    })
}

/// A second of noise, for when the content does not matter.
pub(crate) fn blip(rate: u32, channels: usize) -> Vec<u8> {
    wav(&noise(rate, channels, 1.0), SampleFormat::I24, &Tags::default())
}

/// Noise with a rhythm, as a signal.
pub(crate) fn noise(rate: u32, channels: usize, seconds: f64) -> Signal {
    let mut signal = synth::generators::noise(rate, channels, seconds, 0.25, 5);
    signal.add(&synth::generators::sine(rate, channels, seconds, 220.0, 0.25));
    signal
}

/// Draft quality in that format, computed whatever was computed before.
pub(crate) fn draft(format: Format) -> JobOptions {
    JobOptions { quality: Quality::Draft, format, fresh: true, ..JobOptions::default() }
}

/// Decodes every `<name>_<stem>.<ext>` of a folder: stem → signal.
pub(crate) fn stems_in(dir: &Path) -> BTreeMap<String, Signal> {
    let mut stems = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wav" || e == "flac") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let stem = name.rsplit('_').next().unwrap().to_owned();
            stems.insert(stem, decode::decode(&path).unwrap());
        }
    }
    stems
}

/// What is there of a job that failed: its input, for when it is tried again.
pub(crate) fn only_source(job: &JobId) -> Vec<String> {
    vec![job.0.clone(), format!("{job}/source")]
}

/// Says past the capture of a test's output what this machine does not allow to test.
pub(crate) fn not_tested(what: &str) {
    let _ =
        std::io::Write::write_all(&mut std::io::stderr(), format!("\n*** NOT TESTED: {what}\n").as_bytes());
}

/// The library that shifts the clock of a program, where it is installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?.map_while(Result::ok).map(|entry| entry.path());
    places.map(|place| place.join("faketime/libfaketime.so.1")).find(|library| library.exists())
}
