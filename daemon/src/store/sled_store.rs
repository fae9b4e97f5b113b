//! The store on sled.
//!
//! sled's `flush` hands pages to the kernel without waiting for the disk (`sync_file_range`), so each commit adds an
//! `fdatasync` of the database file; `FileExt` by path, since sled keeps its own handle private.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{Store, Write};

/// A [`Store`] in a folder of its own.
pub struct SledStore {
    db: sled::Db,
    /// sled's one file; new data is in it after `flush`.
    file: File,
}

impl SledStore {
    /// Opens or creates the store in `dir`. Fails with [`ErrorKind::Conflict`] when another process has it open, with
    /// [`ErrorKind::Internal`] when it is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|error| unusable(&error))?;
        // sled may panic on a damaged file
        let db =
            catch_unwind(AssertUnwindSafe(|| sled::Config::new().path(dir).cache_capacity(8 << 20).open()))
                .map_err(|_| {
                    Error::new(ErrorKind::Internal, "the store is damaged")
                        .hint("move it away to start afresh")
                })?
                .map_err(|error| match error {
                    sled::Error::Io(error)
                        if error.kind() == io::ErrorKind::WouldBlock
                            || error.kind() == io::ErrorKind::Other =>
                    {
                        Error::new(ErrorKind::Conflict, "another harmonixd has the store open").cause(error)
                    }
                    other => Error::new(ErrorKind::Internal, "the store cannot be opened").cause(other),
                })?;
        db.flush().map_err(|error| failed(&error))?;
        let file = File::open(dir.join("db")).map_err(|error| unusable(&error))?;
        let sync = || -> io::Result<()> {
            file.sync_all()?;
            durable::sync_dir(dir)?;
            dir.parent().map_or(Ok(()), durable::sync_dir)
        };
        sync().map_err(|error| unusable(&error))?;
        Ok(Self { db, file })
    }
}

impl Store for SledStore {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let mut changes = sled::Batch::default();
        for write in batch {
            match write {
                Write::Put(key, value) => changes.insert(key.as_bytes(), value.as_slice()),
                Write::Delete(key) => changes.remove(key.as_bytes()),
            }
        }
        self.db.apply_batch(changes).map_err(|error| failed(&error))?;
        self.db.flush().map_err(|error| failed(&error))?;
        self.file.sync_data().map_err(|error| unusable(&error))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.db.get(key).map_err(|error| failed(&error))?.map(|value| value.to_vec()))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let entry = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = entry.map_err(|error| failed(&error))?;
            Ok((String::from_utf8_lossy(&key).into_owned(), value.to_vec()))
        };
        self.db.scan_prefix(prefix).map(entry).collect()
    }
}

fn failed(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => unusable(error),
        other => Error::new(ErrorKind::Internal, "the store failed").cause(other),
    }
}

fn unusable(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the store cannot be read or written", error)
}
