//! Names for files only once they are whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use harmonix_ipc::{Error, ErrorKind, Result};

/// The files of one export: written as `<name>.part`, renamed together at the end, and removed altogether if that
/// end is not reached.
#[derive(Debug)]
pub(super) struct Publication {
    dest: PathBuf,
    names: Vec<String>,
    done: bool,
}

impl Publication {
    /// Clears what an earlier attempt left of the files `<stem>.<extension>` in `dest`.
    pub(super) fn prepare<'a>(
        dest: &Path,
        stems: impl Iterator<Item = &'a str>,
        extension: &str,
    ) -> Result<Self> {
        let names = stems.map(|stem| format!("{stem}.{extension}")).collect();
        let this = Self { dest: dest.to_owned(), names, done: false };
        if !dest.is_dir() {
            return Err(Error::new(ErrorKind::Internal, "the folder for the stems does not exist"));
        }
        this.remove().map_err(|e| failed(&e))?;
        Ok(this)
    }

    /// The name of the file `index`.
    pub(super) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Where the file `index` is while it is written.
    pub(super) fn part(&self, index: usize) -> PathBuf {
        self.dest.join(format!("{}.part", self.names[index]))
    }

    /// Gives all files their names and makes that durable.
    pub(super) fn publish(mut self) -> Result<()> {
        let rename = |index| fs::rename(self.part(index), self.dest.join(self.name(index)));
        let renamed = (0..self.names.len()).try_for_each(rename);
        renamed.and_then(|()| File::open(&self.dest)?.sync_all()).map_err(|e| failed(&e))?;
        self.done = true;
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        for index in 0..self.names.len() {
            for path in [self.part(index), self.dest.join(self.name(index))] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if !self.done {
            // What stays in spite of this is cleared by the next attempt.
            let _ = self.remove();
        }
    }
}

fn failed(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the stems could not be published", error)
}
