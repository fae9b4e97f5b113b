//! Watched folders, and whether they are where they may be.

use std::path::{Component, Path, PathBuf};

use harmonix_ipc::{Error, ErrorKind, Format, Mode, Quality, Result};
use serde::{Deserialize, Serialize};

use super::Config;

/// A table `[[watch]]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Where songs are dropped.
    pub folder: PathBuf,
    /// Where their stems go; see [`Self::output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
    /// Preset of the jobs.
    #[serde(default)]
    pub quality: Quality,
    /// Which outputs are made.
    #[serde(default)]
    pub mode: Mode,
    /// Their encoding.
    #[serde(default)]
    pub format: Format,
    /// Folders in the folder too.
    #[serde(default)]
    pub recursive: bool,
    /// User id that the jobs belong to; the daemon's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
}

impl Watch {
    /// Where stems go: `output`, or `stems` beside the folder.
    pub fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| self.folder.with_file_name("stems"))
    }
}

impl Config {
    /// The root that a path lies under, or is, and the rest of the path.
    pub fn root_of<'a>(&'a self, path: &'a Path) -> Option<(&'a Path, &'a Path)> {
        self.library.roots.iter().find_map(|root| Some((root.as_path(), path.strip_prefix(root).ok()?)))
    }
}

/// What a configuration says of watched folders, without a look at the disk.
///
/// Fails with [`ErrorKind::Config`]; the message names the key.
pub(super) fn check(config: &Config) -> Result<()> {
    let wrong = |key: &str, path: &Path, what: &str| {
        Err(Error::new(ErrorKind::Config, format!("`{key}`: {} {what}", path.display())))
    };
    if let Some(root) = config.library.roots.iter().find(|root| !is_plain(root)) {
        return wrong("library.roots", root, "is no absolute path without `..`");
    }
    for watch in &config.watch {
        let output = watch.output();
        for (key, path) in [("watch.folder", &watch.folder), ("watch.output", &output)] {
            if !is_plain(path) {
                return wrong(key, path, "is no absolute path without `..`");
            }
            if config.root_of(path).is_none() {
                return wrong(key, path, "lies under none of `library.roots`");
            }
        }
        if config.watch.iter().filter(|other| other.folder == watch.folder).count() > 1 {
            return wrong("watch.folder", &watch.folder, "is watched twice");
        }
        if config.watch.iter().any(|other| other.folder == output) {
            return wrong(
                "watch.output",
                &output,
                "is watched itself: what is made there would be taken again",
            );
        }
    }
    Ok(())
}

fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
