//! What is known of a model's files here: `installed.json` beside them.

use std::{fs, io, path::Path};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, FileState, Result};
use serde::{Deserialize, Serialize};

/// Version of [`Record`] that this daemon writes.
const VERSION: u32 = 1;

/// Name of the file.
pub(super) const NAME: &str = "installed.json";

/// What is known of a model's files here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u32,
    /// Who accepted the licence.
    pub(super) consent: Option<Agreed>,
    /// Files that are there, or were until they were found damaged or missing.
    pub(super) files: Vec<Kept>,
}

/// That a licence was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreed {
    /// Kernel user id.
    pub(super) uid: u32,
    /// Seconds since the Unix epoch.
    pub(super) at: f64,
    /// sha256 of the text that was accepted: another text is asked for anew.
    pub(super) text: String,
}

/// A file that came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    /// The digest that it has to have from now on.
    pub(super) sha256: String,
    pub(super) bytes: u64,
    /// Where it came from, without query.
    pub(super) from: String,
    /// Seconds since the Unix epoch.
    pub(super) at: f64,
    pub(super) state: FileState,
}

impl Default for Record {
    fn default() -> Self {
        Self { v: VERSION, consent: None, files: Vec::new() }
    }
}

impl Record {
    /// Reads the record of the model in `dir`, and looks whether its files are there in their size. A model
    /// without a record, or with one that cannot be read, has no files.
    pub(super) fn read(dir: &Path) -> Self {
        let mut record = match fs::read(dir.join(NAME)).map(|bytes| serde_json::from_slice::<Self>(&bytes)) {
            Ok(Ok(record)) if record.v <= VERSION => record,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            other => {
                let why = match other {
                    Ok(Ok(record)) => format!("it is of version {}", record.v),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::warn!(why, "the record of a model cannot be read: it counts as not installed");
                Self::default()
            }
        };
        for file in record.files.iter_mut().filter(|file| file.state == FileState::Present) {
            file.state = match fs::metadata(dir.join(&file.name)) {
                Ok(meta) if meta.is_file() && meta.len() == file.bytes => FileState::Present,
                Ok(_) => FileState::Damaged,
                Err(_) => FileState::Missing,
            };
        }
        record
    }

    /// Writes the record durably.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let write = || -> io::Result<()> {
            if !dir.exists() {
                fs::create_dir_all(dir)?;
                dir.parent().map_or(Ok(()), durable::sync_dir)?;
            }
            let mut bytes = serde_json::to_vec_pretty(self)?;
            bytes.push(b'\n');
            durable::write_file(&dir.join(NAME), &bytes)
        };
        write().map_err(|error| storage(&error))
    }

    /// The file of that name.
    pub(super) fn file(&self, name: &str) -> Option<&Kept> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Takes a file in, in the place of what was known of it.
    pub(super) fn put(&mut self, file: Kept) {
        self.files.retain(|known| known.name != file.name);
        self.files.push(file);
    }
}

/// A failure of the models' folder.
pub(super) fn storage(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the folder of models cannot be read or written", error)
        .hint("look at cache_dir: `harmonixctl doctor`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = include_str!("fixtures/installed-v1.json");

    #[test]
    fn a_record_of_version_1_opens_and_its_files_are_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(NAME), V1).unwrap();
        fs::write(dir.path().join("a.th"), b"four").unwrap();
        fs::write(dir.path().join("b.th"), b"longer").unwrap();
        let record = Record::read(dir.path());
        assert_eq!(record.consent.as_ref().unwrap().uid, 1000);
        let states: Vec<_> = record.files.iter().map(|file| file.state).collect();
        assert_eq!(states, [FileState::Present, FileState::Damaged, FileState::Missing]);
    }

    #[test]
    fn what_was_written_reads_back_and_nonsense_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let agreed = Agreed { uid: 7, at: 1.5, text: "00".into() };
        let record = Record { consent: Some(agreed), ..Record::default() };
        record.write(&dir.path().join("m")).unwrap();
        assert_eq!(Record::read(&dir.path().join("m")), record);
        for nonsense in ["", "{", "{\"v\":99,\"consent\":null,\"files\":[]}"] {
            fs::write(dir.path().join(NAME), nonsense).unwrap();
            assert_eq!(Record::read(dir.path()), Record::default());
        }
    }
}
