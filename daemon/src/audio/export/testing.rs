//! What the tests of this module read files with: programs and crates that share nothing with the writers.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Decodes all files with one run of ffmpeg, which must have nothing to complain about: interleaved integers,
/// aligned to the top of 32 bits.
pub(super) fn ffmpeg(paths: &[PathBuf]) -> Vec<Vec<i32>> {
    let dir = TempDir::new().unwrap();
    let raw = |index: usize| dir.path().join(index.to_string());
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]);
    for path in paths {
        command.arg("-i").arg(path);
    }
    for index in 0..paths.len() {
        command.args(["-map", &format!("{index}:a"), "-f", "s32le"]).arg(raw(index));
    }
    let run = command.output().expect("ffmpeg reads the files of these tests");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    let words =
        |bytes: Vec<u8>| bytes.as_chunks::<4>().0.iter().map(|raw| i32::from_le_bytes(*raw)).collect();
    (0..paths.len()).map(|index| words(std::fs::read(raw(index)).unwrap())).collect()
}

/// The samples of a WAV file, full scale at ±1.
pub(super) fn wav(path: &Path) -> Vec<f64> {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().map(|x| f64::from(x.unwrap())).collect(),
        hound::SampleFormat::Int => {
            let scale = f64::from(1u32 << (spec.bits_per_sample - 1));
            reader.samples::<i32>().map(|x| f64::from(x.unwrap()) / scale).collect()
        }
    }
}
