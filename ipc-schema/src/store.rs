//! What there is to say about the daemon's store.

use serde::{Deserialize, Serialize};

use crate::JobId;

/// Reply to `store_import`: what the store holds now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreImported {
    /// Records of all kinds.
    pub records: usize,
    /// Those of them that are jobs.
    pub jobs: usize,
    /// Jobs whose files are not all there: they are failed now and say so.
    pub incomplete: Vec<JobId>,
    /// Jobs whose finished stages are not all there: they begin again.
    pub restarted: Vec<JobId>,
    /// Folders of jobs that the import does not know, or knows without all their files; they were put aside into
    /// `strays` in the state directory.
    pub strays: Vec<JobId>,
}

/// Reply to `store_check`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Records of all kinds.
    pub records: usize,
    /// Those of them that are jobs.
    pub jobs: usize,
    /// Changes that were ever committed to the store.
    pub commits: u64,
    /// Files of jobs that were looked at.
    pub files: usize,
    /// The files were hashed; else their sizes were compared.
    pub deep: bool,
    /// What is wrong; nothing when empty.
    pub problems: Vec<StoreProblem>,
}

/// Something that is wrong with the store or with what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreProblem {
    /// The job that it is about; none if it is about the store itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What was seen.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

/// Reply to `store_backup`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreBackup {
    /// File name, in `backups` in the state directory.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Records in it.
    pub records: usize,
    /// Backups that are there now.
    pub kept: usize,
}
