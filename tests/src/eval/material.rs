use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Part, Source};
use crate::{Error, Result, Signal, decode, metrics::level};

/// A true stem.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What it holds.
    pub part: Part,
    /// Stereo.
    pub audio: Signal,
}

/// A song whose stems are known.
#[derive(Debug, Clone)]
pub struct Truth {
    /// The name of its folder.
    pub name: String,
    /// The sum of the references.
    pub mixture: Signal,
    /// Stems that sound and share no source, in the order of [`Source`].
    pub references: Vec<Reference>,
}

impl Truth {
    /// Sources that the song does not have.
    pub fn absent(&self) -> impl Iterator<Item = Source> + '_ {
        let present = |source| self.references.iter().any(|r| r.part.sources().any(|s| s == source));
        Source::ALL.into_iter().filter(move |&source| !present(source))
    }
}

/// `stems.toml` in a song's folder: what its files hold, where the names do not say it.
///
/// ```toml
/// [stems]
/// "take 3.wav" = "vocals"
/// "rhythm.wav" = "drums+bass"
/// "click.wav" = "ignore"
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    stems: BTreeMap<String, String>,
}

/// The song folders in `data`, or `data` itself when it holds audio files.
pub fn songs(data: &Path) -> Result<Vec<PathBuf>> {
    let entries = entries(data)?;
    if entries.iter().any(|path| decode::is_audio(path)) {
        return Ok(vec![data.to_owned()]);
    }
    let folders: Vec<PathBuf> = entries.into_iter().filter(|path| path.is_dir()).collect();
    if folders.is_empty() {
        return Err(Error::input(format!("{}: neither song folders nor audio files", data.display())));
    }
    Ok(folders)
}

/// Reads a song's stems as stereo at `sample_rate`, from `span.start` to `span.end` seconds (which may be infinite).
pub fn load(folder: &Path, sample_rate: u32, span: &Range<f64>) -> Result<Truth> {
    let map = map(folder)?;
    let mut references: Vec<Reference> = Vec::new();
    for path in entries(folder)?.iter().filter(|path| decode::is_audio(path)) {
        let Some(part) = part_of(path, &map)? else { continue };
        let audio = decode::decode_as(path, sample_rate, 2)?;
        join(&mut references, Reference { part, audio: excerpt(audio, span) });
    }
    let frames = references.iter().map(|r| r.audio.frames()).max().unwrap_or(0);
    if frames == 0 {
        return Err(Error::input(format!("{}: no stems", folder.display())));
    }
    for reference in &mut references {
        reference.audio.samples.resize(frames * 2, 0.0);
    }
    references.retain(|r| level(&r.audio.samples).rms.is_finite());
    references.sort_by(|a, b| a.part.cmp(&b.part));
    let silence = Signal::silent(sample_rate, 2, frames);
    let mixture = Signal::sum(references.iter().map(|r| &r.audio)).unwrap_or(silence);
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Ok(Truth { name, mixture, references })
}

fn excerpt(mut audio: Signal, span: &Range<f64>) -> Signal {
    let sample = |seconds: f64| {
        let frame = (seconds * f64::from(audio.sample_rate)).round() as usize; // saturates
        frame.min(audio.frames()) * audio.channels
    };
    let (start, end) = (sample(span.start), sample(span.end));
    audio.samples.truncate(end);
    audio.samples.drain(..start.min(end));
    audio
}

/// Adds a stem, together with those that share a source with it.
fn join(references: &mut Vec<Reference>, mut added: Reference) {
    while let Some(at) = references.iter().position(|r| r.part.overlaps(&added.part)) {
        let mut found = references.swap_remove(at);
        let frames = found.audio.frames().max(added.audio.frames());
        found.audio = found.audio.resized(frames);
        found.audio.add(&added.audio);
        added = Reference { part: found.part.union(&added.part), audio: found.audio };
    }
    references.push(added);
}

fn part_of(path: &Path, map: &Map) -> Result<Option<Part>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match map.stems.get(name.as_ref()).map(String::as_str) {
        Some("ignore") => Ok(None),
        Some(said) => said.parse().map(Some).map_err(|e| Error::input(format!("stems.toml, {name}: {e}"))),
        None => Ok(Part::guess(&path.file_stem().unwrap_or_default().to_string_lossy())),
    }
}

fn map(folder: &Path) -> Result<Map> {
    let path = folder.join("stems.toml");
    if !path.exists() {
        return Ok(Map::default());
    }
    let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    toml::from_str(&text).map_err(|e| Error::input(format!("{}: {e}", path.display())))
}

/// What a folder holds, sorted.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().map_err(Error::io("read", folder))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{SampleFormat, write_wav},
        synth::generators::{silence, sine},
    };

    #[test]
    fn files_become_disjoint_references() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, hertz: f64, seconds: f64| {
            let audio = sine(8000, 1, seconds, hertz, 0.2);
            write_wav(&dir.path().join(name), &audio, SampleFormat::F32).unwrap();
        };
        write("Kick Drum.wav", 60.0, 1.0);
        write("drums 2.wav", 900.0, 0.5);
        write("strings.wav", 500.0, 1.0);
        write("take 3.wav", 700.0, 1.0);
        write("click.wav", 1000.0, 1.0);
        write_wav(&dir.path().join("bass.wav"), &silence(8000, 1, 1.0), SampleFormat::F32).unwrap();
        let map = "[stems]\n'take 3.wav' = 'vocals'\n'click.wav' = 'ignore'\n";
        fs::write(dir.path().join("stems.toml"), map).unwrap();

        let truth = load(dir.path(), 8000, &(0.2..0.95)).unwrap();
        let parts: Vec<String> = truth.references.iter().map(|r| r.part.to_string()).collect();
        assert_eq!(parts, ["drums", "other", "vocals"]);
        assert_eq!(truth.absent().collect::<Vec<_>>(), [Source::Bass]);
        assert_eq!((truth.mixture.frames(), truth.mixture.channels), (6000, 2));
    }

    #[test]
    fn a_file_of_two_joins_both() {
        let reference =
            |part: &str| Reference { part: part.parse().unwrap(), audio: sine(8000, 2, 0.1, 100.0, 0.1) };
        let mut references = vec![reference("drums"), reference("vocals"), reference("bass")];
        join(&mut references, reference("drums+bass"));
        let mut parts: Vec<String> = references.iter().map(|r| r.part.to_string()).collect();
        parts.sort();
        assert_eq!(parts, ["drums+bass", "vocals"]);
    }
}
