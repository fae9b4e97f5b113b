//! Reading any audio file for evaluation, by the programs `ffprobe` and `ffmpeg`: a decoder that shares no code with
//! the daemon's, so that one does not excuse the other.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, Output},
};

use serde::Deserialize;

use crate::{Error, Result, Signal};

/// Decodes the first audio stream of `path` at its own rate and with its own channels.
pub fn decode(path: &Path) -> Result<Signal> {
    let (sample_rate, channels) = probe(path)?;
    decode_as(path, sample_rate, channels)
}

/// Decodes the first audio stream of `path`, resampled and remixed where it is of another shape.
pub fn decode_as(path: &Path, sample_rate: u32, channels: usize) -> Result<Signal> {
    let output = run(Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file_url(path))
        .args(["-map", "0:a:0", "-f", "f32le", "-c:a", "pcm_f32le"])
        .args(["-ar", &sample_rate.to_string(), "-ac", &channels.to_string(), "-"]))?;
    let samples = output.stdout.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect();
    Ok(Signal { sample_rate, channels, samples })
}

/// Rate and channels of the first audio stream of `path`.
fn probe(path: &Path) -> Result<(u32, usize)> {
    #[derive(Deserialize)]
    struct Probe {
        streams: Vec<Stream>,
    }
    #[derive(Deserialize)]
    struct Stream {
        sample_rate: String,
        channels: usize,
    }
    let output = run(Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a:0", "-show_entries", "stream=sample_rate,channels"])
        .args(["-of", "json"])
        .arg(file_url(path)))?;
    let unusable = |why: &dyn std::fmt::Display| Error::input(format!("{}: {why}", path.display()));
    let found: Probe = serde_json::from_slice(&output.stdout).map_err(|e| unusable(&e))?;
    let stream = found.streams.first().ok_or_else(|| unusable(&"no audio stream"))?;
    Ok((stream.sample_rate.parse().map_err(|e| unusable(&e))?, stream.channels))
}

/// `path` as ffmpeg takes it literally, whatever it begins with or contains.
pub(crate) fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

/// Runs a program to its end; a missing program, a failure status or complaints without any output are errors.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Io {
        context: format!("run {program} (is it installed and on the PATH?)"),
        source,
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let message = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(Error::Program { program, message: format!("{} ({message})", output.status) })
}

/// True for a file name that audio commonly has.
#[must_use]
pub fn is_audio(path: &Path) -> bool {
    const KNOWN: [&str; 13] =
        ["wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "mp4", "aac", "aif", "aiff", "wma", "wv"];
    path.extension().and_then(OsStr::to_str).is_some_and(|e| KNOWN.contains(&e.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_audio_is_an_error_that_names_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("-text.wav");
        std::fs::write(&path, "not audio").unwrap();
        assert!(decode(&path).unwrap_err().to_string().contains("ffprobe failed"));
        assert!(is_audio(Path::new("A.FLAC")) && !is_audio(Path::new("notes.txt")));
    }
}
