//! Audio files for tests, made by ffmpeg from a signal whose frames are known.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use harmonix_engine::Unwatched;
use harmonix_ipc::Result;

use super::{
    ingest::{IngestRequest, Ingested, MIX, SOURCE, ingest},
    limits::Limits,
};

/// The ffmpeg program; tests cannot do without it.
pub(super) fn ffmpeg() -> PathBuf {
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("ffmpeg")).find(|file| file.is_file())
    });
    found.expect("the tests of audio input make their fixtures with ffmpeg: install it")
}

/// A folder with a file to ingest and a folder to work in.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub(super) limits: Limits,
    pub(super) preview: Option<f64>,
    pub(super) normalize: bool,
    pub(super) ffmpeg: Option<PathBuf>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder, limits: Limits::default(), preview: None, normalize: false, ffmpeg: None }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    /// Encodes interleaved samples with these ffmpeg arguments into the file `name`.
    pub(super) fn encode(
        &self,
        name: &str,
        rate: u32,
        channels: usize,
        samples: &[f32],
        how: &[&str],
    ) -> PathBuf {
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let raw = self.write("raw", &bytes);
        let output = Command::new(ffmpeg())
            .args(["-nostdin", "-v", "error", "-y", "-f", "f32le", "-ar", &rate.to_string()])
            .args(["-ac", &channels.to_string(), "-i"])
            .arg(raw)
            .args(how)
            .arg(self.path(name))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        self.path(name)
    }

    pub(super) fn ingest(&self, source: &Path) -> Result<Ingested> {
        self.ingest_named(source, source.file_name().unwrap_or(OsStr::new("")))
    }

    pub(super) fn ingest_named(&self, source: &Path, name: &OsStr) -> Result<Ingested> {
        let request = IngestRequest {
            source,
            name,
            work: &self.path("work"),
            limits: &self.limits,
            preview: self.preview,
            normalize: self.normalize,
            ffmpeg: self.ffmpeg.as_deref(),
            model_rate: 44_100,
        };
        ingest(&request, &Unwatched)
    }

    /// Names of what lies in the work folder.
    pub(super) fn leftovers(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("work")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub(super) fn source(&self) -> Vec<f32> {
        spool(&self.path("work").join(SOURCE))
    }

    pub(super) fn mix(&self) -> Vec<f32> {
        spool(&self.path("work").join(MIX))
    }
}

fn spool(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len() % 4, 0);
    bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect()
}

/// `frames` frames of a signal without repetition: noise under 3 kHz whose level rises and falls, each channel its
/// own. Every sample is a multiple of 2⁻⁷, so that 8 bits hold it exactly.
pub(super) fn signal(rate: u32, channels: usize, frames: usize) -> Vec<f32> {
    let mut state = vec![[0.0f64; 2]; channels];
    let mut random = xorshift(channels as u64 + 1);
    let smooth = (-std::f64::consts::TAU * 1_500.0 / f64::from(rate)).exp();
    let mut samples = Vec::with_capacity(frames * channels);
    for frame in 0..frames {
        let swell = 0.6 + 0.4 * (frame as f64 / f64::from(rate) * 5.0).sin();
        for [first, second] in &mut state {
            let white = (random() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
            *first += (white - *first) * (1.0 - smooth);
            *second += (*first - *second) * (1.0 - smooth);
            samples.push(((*second * swell * 128.0 * 1.5).round().clamp(-120.0, 120.0) / 128.0) as f32);
        }
    }
    samples
}

/// A sequence of pseudo-random numbers that is the same in every run.
pub(super) fn xorshift(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
