//! Watched folders as clients see them.

use serde::{Deserialize, Serialize};

use crate::{Error, Format, Mode, Quality};

/// Reply to `watches`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchList {
    /// In the order of the configuration.
    pub folders: Vec<WatchedFolder>,
}

/// A folder whose songs are separated as they are dropped there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchedFolder {
    /// Where songs are dropped.
    pub folder: String,
    /// Where their stems go.
    pub output: String,
    /// Preset of the jobs.
    pub quality: Quality,
    /// Which outputs are made.
    pub mode: Mode,
    /// Their encoding.
    pub format: Format,
    /// Folders in the folder too.
    pub recursive: bool,
    /// User id that the jobs belong to.
    pub owner: u32,
    /// The folder is there and can be read.
    pub present: bool,
    /// Songs that are there and are not taken yet: not complete, or their turn has not come.
    pub waiting: usize,
    /// Songs that are taken, and whose stems do not lie in the output folder yet.
    pub active: usize,
    /// Songs whose stems were delivered.
    pub delivered: usize,
    /// Songs that failed; why is in a file beside the stems of the others.
    pub failed: usize,
    /// What went wrong last with the folder itself, until it goes well again.
    pub error: Option<Error>,
}
