//! Watched folders: which songs are there and complete, what became of those that were taken, and how their stems get back.
//!
//! Everything here is reached from one of `library.roots` step by step, without following a symbolic link.

mod deliver;
mod looks;
mod notices;
mod record;
mod rooted;

use std::{
    io,
    path::{Path, PathBuf},
};

use harmonix_ipc::{Error, ErrorKind, Result};

pub(crate) use deliver::{Content, Delivery};
pub(crate) use looks::Looks;
pub(crate) use notices::Notices;
pub(crate) use record::{Fate, Stage, Taken};
pub(crate) use rooted::{Rooted, Stamp, open_file};

use crate::config::{self, Config};

/// Extensions of songs; a file of another name is none of ours. Names of partial downloads are not among them.
const SONGS: [&str; 39] = [
    "8svx", "aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "asf", "au", "bwf", "caf", "dff",
    "dsf", "dts", "eac3", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus",
    "ra", "rf64", "snd", "spx", "tak", "tta", "w64", "wav", "wave", "wma", "wv",
];

/// A watched folder of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// What is to be done.
    pub(crate) settings: config::Watch,
    /// Where songs are dropped.
    pub(crate) songs: Rooted,
    /// Where stems go.
    pub(crate) stems: Rooted,
    /// Outputs of all watched folders: what lies there is no song.
    outputs: Vec<PathBuf>,
}

impl Folder {
    /// Those of the configuration. Fails with [`ErrorKind::Config`], naming the key, where one is not there or is no
    /// folder.
    pub(crate) fn all(config: &Config) -> Result<Vec<Self>> {
        let unusable = |key: &str, path: &Path, error: &io::Error| {
            Error::io(ErrorKind::Config, format!("`{key}`: {} cannot be used", path.display()), error)
                .hint("make the folder, or name another one")
        };
        for root in &config.library.roots {
            let rooted = Rooted::new(root, Path::new(""));
            rooted.open().map_err(|error| unusable("library.roots", root, &error))?;
        }
        let outputs: Vec<_> = config.watch.iter().map(config::Watch::output).collect();
        let folder = |settings: &config::Watch| {
            let output = settings.output();
            let rooted = |key: &str, path: &Path| {
                let (root, below) = config.root_of(path).ok_or_else(|| {
                    unusable(key, path, &io::Error::other("it lies under none of `library.roots`"))
                })?;
                Ok::<_, Error>(Rooted::new(root, below))
            };
            let songs = rooted("watch.folder", &settings.folder)?;
            songs.open().map_err(|error| unusable("watch.folder", &settings.folder, &error))?;
            let stems = rooted("watch.output", &output)?;
            match stems.open() {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unusable("watch.output", &output, &error));
                }
                _ => {}
            }
            Ok(Self { settings: settings.clone(), songs, stems, outputs: outputs.clone() })
        };
        config.watch.iter().map(folder).collect()
    }

    /// Whether a folder in the folder is looked into.
    pub(crate) fn enters(&self, below: &Path) -> bool {
        self.settings.recursive
            && !is_hidden(below)
            && !self.outputs.contains(&self.settings.folder.join(below))
    }
}

/// Whether a file of that name is a song, and not one that is still on its way.
pub(crate) fn is_song(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    !is_hidden(path) && SONGS.iter().any(|song| song.eq_ignore_ascii_case(extension))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_song_from_what_is_on_its_way() {
        for song in ["a.wav", "a.FLAC", "in/b.c.mp3", "Mr. x.ogg"] {
            assert!(is_song(Path::new(song)), "{song}");
        }
        let others = [
            "a.wav.part",
            "a.mp3.crdownload",
            "a.flac.tmp",
            ".a.wav",
            ".a.wav.Xy3",
            "cover.jpg",
            "a",
            "wav",
            ".wav",
        ];
        for other in others {
            assert!(!is_song(Path::new(other)), "{other}");
        }
    }
}
