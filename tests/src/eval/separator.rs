use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use super::Source;
use crate::{
    Error, Result, Signal,
    decode::{decode_as, run},
    fixtures::{SampleFormat, write_wav},
};

/// What a separation program made of a mixture.
#[derive(Debug)]
pub struct Separation {
    /// Wall-clock time of the program.
    pub seconds: f64,
    /// A stem per source, of the mixture's length.
    pub stems: BTreeMap<Source, Signal>,
    /// Frames that the program's files had more (or, negative, fewer) than the mixture; the worst of all.
    pub frames_off: i64,
}

/// Runs `command` on `mixture`, written as 32-bit float WAV to a temporary folder.
///
/// `command` is a line for `sh`, in which `{input}` and `{output}`, unquoted, stand for the file to read and the
/// folder to write to. Stems are taken from `NAME.wav` or `<anything>_NAME.wav` anywhere in that folder; files of
/// `guitar` and `piano` count as part of `other`.
pub fn separate(command: &str, mixture: &Signal) -> Result<Separation> {
    let dir = tempfile::tempdir().map_err(Error::io("make", Path::new("a temporary folder")))?;
    let (input, output) = (dir.path().join("mixture.wav"), dir.path().join("stems"));
    write_wav(&input, mixture, SampleFormat::F32)?;
    fs::create_dir(&output).map_err(Error::io("make", &output))?;
    let line = command.replace("{input}", "\"$1\"").replace("{output}", "\"$2\"");
    let started = Instant::now();
    run(Command::new("sh").args(["-c", &line, "sh"]).arg(&input).arg(&output))?;
    let seconds = started.elapsed().as_secs_f64();

    let mut files = Vec::new();
    find_files(&output, &mut files).map_err(Error::io("read", &output))?;
    let (mut stems, mut frames_off) = (BTreeMap::new(), 0i64);
    for source in Source::ALL {
        let names: &[&str] =
            if source == Source::Other { &["other", "guitar", "piano"] } else { &[source.name()] };
        let mut sum = Signal::silent(mixture.sample_rate, mixture.channels, mixture.frames());
        let mut found = files.iter().filter(|file| names.iter().any(|name| is_stem(file, name))).peekable();
        if found.peek().is_none() {
            return Err(Error::input(format!("the separator wrote no file for {}", source.name())));
        }
        for file in found {
            let stem = decode_as(file, mixture.sample_rate, mixture.channels)?;
            let off = stem.frames() as i64 - mixture.frames() as i64;
            frames_off = if off.abs() > frames_off.abs() { off } else { frames_off };
            sum.add(&stem);
        }
        stems.insert(source, sum);
    }
    Ok(Separation { seconds, stems, frames_off })
}

fn is_stem(file: &Path, name: &str) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_wav = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"));
    is_wav && (stem == name || stem.ends_with(&format!("_{name}")))
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find_files(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::generators::sine;

    #[test]
    fn runs_a_program_and_reads_its_stems() {
        let tone = sine(8000, 2, 0.5, 300.0, 0.3);
        let copy = "mkdir {output}/x && for s in drums bass piano; do cp {input} {output}/x/a_$s.wav; done; cp {input} {output}/other.wav; cp {input} {output}/vocals.wav";
        let found = separate(copy, &tone).unwrap();
        assert_eq!(found.stems[&Source::Vocals], tone);
        assert_eq!(found.stems[&Source::Other], tone.clone().scaled(2.0));
        assert_eq!(found.frames_off, 0);
    }

    #[test]
    fn a_failure_or_a_missing_stem_is_an_error() {
        let tone = sine(8000, 2, 0.1, 300.0, 0.3);
        let error = |command| separate(command, &tone).unwrap_err().to_string();
        assert!(error("echo broken >&2; exit 3").contains("broken"));
        assert!(error("cp {input} {output}/bass.wav").contains("drums"));
    }
}
