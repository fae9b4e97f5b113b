//! Spools: audio at rest between stages, as headerless interleaved little-endian `f32` files.
//!
//! They are read and written at positions, not mapped: memory use stays flat whatever the length, and a
//! truncated file is an error instead of a signal.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::EngineError;

const SAMPLE: u64 = size_of::<f32>() as u64;

/// Reads frames anywhere in a spool.
#[derive(Debug)]
pub struct SpoolReader {
    file: File,
    path: PathBuf,
    channels: usize,
    frames: u64,
}

impl SpoolReader {
    /// Opens the spool at `path`, whose frames have `channels` samples.
    pub fn open(path: &Path, channels: usize) -> Result<Self, EngineError> {
        let context = || format!("open spool {}", path.display());
        let file = File::open(path).map_err(|e| EngineError::io(context(), e))?;
        let bytes = file.metadata().map_err(|e| EngineError::io(context(), e))?.len();
        Ok(Self { file, path: path.to_owned(), channels, frames: bytes / (SAMPLE * channels as u64) })
    }

    /// Length in frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Samples per frame.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Fills `out` (interleaved, a whole number of frames) from frame `start` on. What lies before the
    /// first or after the last frame reads as zero.
    pub fn read(&self, start: i64, out: &mut [f32]) -> Result<(), EngineError> {
        let wanted = (out.len() / self.channels) as i64;
        let from = start.clamp(0, self.frames as i64);
        let to = (start + wanted).clamp(from, self.frames as i64);
        let head = (from - start).clamp(0, wanted) as usize * self.channels;
        let body = (to - from) as usize * self.channels;
        out[..head].fill(0.0);
        out[head + body..].fill(0.0);
        let mut done = 0;
        let mut bytes = [0u8; 64 * 1024];
        while done < body {
            let take = (body - done).min(bytes.len() / SAMPLE as usize);
            let chunk = &mut bytes[..take * SAMPLE as usize];
            let at = (from as u64 * self.channels as u64 + done as u64) * SAMPLE;
            self.file
                .read_exact_at(chunk, at)
                .map_err(|e| EngineError::io(format!("read spool {}", self.path.display()), e))?;
            for (sample, raw) in out[head + done..].iter_mut().zip(chunk.as_chunks::<4>().0) {
                *sample = f32::from_le_bytes(*raw);
            }
            done += take;
        }
        Ok(())
    }
}

/// Appends frames to a spool.
#[derive(Debug)]
pub struct SpoolWriter {
    file: File,
    path: PathBuf,
    channels: usize,
    frames: u64,
    bytes: Vec<u8>,
}

impl SpoolWriter {
    /// Creates the spool at `path`, or continues it after its first `frames` frames (the rest is cut off).
    pub fn open(path: &Path, channels: usize, frames: u64) -> Result<Self, EngineError> {
        let length = frames * channels as u64 * SAMPLE;
        let open = || -> io::Result<File> {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            if file.metadata()?.len() < length {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "shorter than its checkpoint"));
            }
            file.set_len(length)?;
            Ok(file)
        };
        let file = open().map_err(|e| EngineError::io(format!("open spool {}", path.display()), e))?;
        Ok(Self { file, path: path.to_owned(), channels, frames, bytes: Vec::new() })
    }

    /// Appends interleaved samples, a whole number of frames.
    pub fn write(&mut self, samples: &[f32]) -> Result<(), EngineError> {
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
        self.file
            .write_all_at(&self.bytes, self.frames * self.channels as u64 * SAMPLE)
            .map_err(|e| EngineError::io(format!("write spool {}", self.path.display()), e))?;
        self.frames += (samples.len() / self.channels) as u64;
        Ok(())
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Makes everything written so far survive a power cut.
    pub fn sync(&self) -> Result<(), EngineError> {
        self.file.sync_data().map_err(|e| EngineError::io(format!("sync spool {}", self.path.display()), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_zero_outside_and_continues_after_a_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mix.f32");
        let mut writer = SpoolWriter::open(&path, 2, 0).unwrap();
        writer.write(&[1.0, -1.0, 2.0, -2.0, 3.0, -3.0]).unwrap();
        drop(writer);
        let mut writer = SpoolWriter::open(&path, 2, 2).unwrap();
        writer.write(&[4.0, -4.0]).unwrap();
        writer.sync().unwrap();
        let reader = SpoolReader::open(&path, 2).unwrap();
        let mut out = [9.0; 12];
        reader.read(-1, &mut out).unwrap();
        assert_eq!(out, [0.0, 0.0, 1.0, -1.0, 2.0, -2.0, 4.0, -4.0, 0.0, 0.0, 0.0, 0.0]);
        let mut far = [9.0; 4];
        reader.read(50, &mut far).unwrap();
        reader.read(-50, &mut out).unwrap();
        assert_eq!((far, out), ([0.0; 4], [0.0; 12]));
    }

    #[test]
    fn a_spool_shorter_than_its_checkpoint_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(SpoolWriter::open(&dir.path().join("x.f32"), 2, 5).is_err());
    }
}
