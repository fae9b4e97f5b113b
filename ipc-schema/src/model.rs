//! Models as clients see them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a model can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelState {
    /// It needs no files.
    BuiltIn,
    /// Every file is there.
    Installed,
    /// A file was found damaged and set aside: pull or import it again.
    Damaged,
    /// Some files are there.
    Partial,
    /// No file is there.
    Missing,
}

impl ModelState {
    /// Jobs can run on it.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::BuiltIn | Self::Installed)
    }
}

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its name in commands and options.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// What it does: `separator`.
    pub kind: String,
    /// What computes it, e.g. `htdemucs`.
    pub architecture: String,
    /// Its stems, in its order.
    pub sources: Vec<String>,
    /// Whether it can be used.
    pub state: ModelState,
    /// Bytes of its files that are installed.
    pub bytes: u64,
    /// Name of its licence.
    pub licence: String,
}

/// Reply to `models`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// In the catalogue's order.
    pub models: Vec<ModelSummary>,
}

/// One model in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelDetails {
    /// What the list says of it.
    #[serde(flatten)]
    pub model: ModelSummary,
    /// On which terms it may be used.
    pub terms: Licence,
    /// Who accepted these terms here; null as long as nobody did.
    pub consent: Option<Consent>,
    /// Its files, in the bag's order.
    pub files: Vec<ModelFile>,
    /// What the caller should know, e.g. that a digest was pinned at the first pull.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    /// Its name.
    pub name: String,
    /// Where it can be read.
    pub url: String,
    /// What there is to know before one accepts.
    pub text: String,
}

/// That somebody accepted a licence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// Kernel user id.
    pub uid: u32,
    /// Seconds since the Unix epoch.
    pub at: f64,
}

/// How a file of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// There, with its digest when it was last looked at.
    Present,
    /// Not there.
    Missing,
    /// Its content does not have its digest; it was set aside.
    Damaged,
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for ModelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its name.
    pub name: String,
    /// The checkpoint's signature.
    pub signature: String,
    /// How it is.
    pub state: FileState,
    /// Its size, if it is known.
    pub bytes: Option<u64>,
    /// The digest that it has to have, 64 hexadecimal digits: of the catalogue, or pinned when it came first.
    pub sha256: Option<String>,
    /// How the digest has to begin, where the catalogue knows no more.
    pub sha256_prefix: Option<String>,
    /// The digest was pinned when the file came first, since the catalogue does not know it.
    pub pinned: bool,
    /// Where it came from, without query; `import` if a client sent it.
    pub from: Option<String>,
    /// When it came, in seconds since the Unix epoch.
    pub at: Option<f64>,
    /// Where it can be had.
    pub urls: Vec<String>,
}

/// How far a `model_pull` is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulling {
    /// The file that is downloaded.
    pub file: String,
    /// Which of the files that are missing it is, from 1.
    pub number: usize,
    /// How many files are missing.
    pub files: usize,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes of the file, once they are known.
    pub total: Option<u64>,
    /// Something that happened, e.g. that another address is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Reply to `model_verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReport {
    /// Every file that was looked at.
    pub files: Vec<VerifiedFile>,
}

/// A file that was hashed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedFile {
    /// Id of its model.
    pub model: String,
    /// Its name.
    pub name: String,
    /// How it is.
    pub state: FileState,
    /// Its digest as it is now; null if it is not there.
    pub sha256: Option<String>,
}
