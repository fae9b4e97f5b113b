//! Songs on this side.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use harmonix_ipc::names::{Base, Bases};

use crate::failure::Failure;

/// A song to submit.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// `None` is standard input.
    path: Option<PathBuf>,
    /// Its file name.
    name: OsString,
    /// For people: the path as it was given.
    pub(crate) label: String,
    /// What its stems' names begin with.
    pub(crate) base: Base,
}

impl Input {
    /// The songs of a call, in its order.
    pub(crate) fn all(files: &[PathBuf], stdin: &str) -> Vec<Self> {
        let mut bases = Bases::default();
        let input = |path: &PathBuf| {
            let is_stdin = path == Path::new("-");
            let name =
                if is_stdin { OsStr::new(stdin) } else { path.file_name().unwrap_or(path.as_os_str()) };
            Self {
                path: (!is_stdin).then(|| path.clone()),
                name: name.to_owned(),
                label: if is_stdin { stdin.to_owned() } else { path.to_string_lossy().into_owned() },
                base: bases.claim(name),
            }
        };
        files.iter().map(input).collect()
    }

    /// Its name as the daemon is told.
    pub(crate) fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Opens it; its size if that is known.
    pub(crate) fn open(&self) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
        let Some(path) = &self.path else { return Ok((Box::new(io::stdin().lock()), None)) };
        let opened = File::open(path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok((file, metadata.is_file().then_some(metadata.len())))
        });
        let (file, size) = opened.map_err(|error| Failure::unreadable(&error))?;
        Ok((Box::new(file), size))
    }
}
