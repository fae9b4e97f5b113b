//! The store on sled.
//!
//! sled's `flush` hands pages to the kernel without waiting for the disk (`sync_file_range`), so each commit adds an
//! `fdatasync` of the database file; `FileExt` by path, since sled keeps its own handle private.
//!
//! After an I/O error sled refuses everything for good, and on damaged files it panics. Therefore what fails closes the
//! database, and the next use opens it anew: from what is on disk, without what was refused.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{
    Store, Write,
    caught::{caught, caught_silently},
};

/// Tries to open the database anew while the one that failed still lets go of its lock.
const TRIES: u32 = 50;

/// A [`Store`] in a folder of its own.
pub struct SledStore {
    dir: PathBuf,
    open: Option<Database>,
}

struct Database {
    db: sled::Db,
    /// sled's one file; new data is in it after `flush`.
    file: File,
}

impl SledStore {
    /// Opens or creates the store in `dir`. Fails with [`ErrorKind::Conflict`] when another process has it open, with
    /// [`ErrorKind::Internal`] when it is damaged.
    pub fn open(dir: &Path) -> Result<Self> {
        let open = caught_silently(|| Database::open(dir)).unwrap_or_else(|| Err(damaged()))?;
        Ok(Self { dir: dir.to_owned(), open: Some(open) })
    }

    /// Uses the database; closes it when that fails.
    fn with<T>(&mut self, act: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.again()?,
        };
        let result = caught(|| act(&open)).unwrap_or_else(|| Err(damaged()));
        if result.is_ok() {
            self.open = Some(open);
        } else {
            caught(|| drop(open));
        }
        result
    }

    fn again(&self) -> Result<Database> {
        tracing::warn!("the store is opened anew after a failure");
        for _ in 0..TRIES {
            match caught_silently(|| Database::open(&self.dir)).unwrap_or_else(|| Err(damaged())) {
                Err(error) if error.kind == ErrorKind::Conflict => thread::sleep(Duration::from_millis(20)),
                other => return other,
            }
        }
        Err(Error::new(ErrorKind::Internal, "the store cannot be opened anew"))
    }
}

impl Database {
    fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|error| unusable(&error))?;
        // each commit flushes: a thread that does so in between would only meet errors that nobody hears of
        let config = sled::Config::new().path(dir).cache_capacity(8 << 20).flush_every_ms(None);
        let db = config.open().map_err(|error| match error {
            sled::Error::Io(error)
                if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::Other =>
            {
                Error::new(ErrorKind::Conflict, "another harmonixd has the store open").cause(error)
            }
            sled::Error::Io(error) => unusable(&error),
            other => damaged().cause(other),
        })?;
        db.flush().map_err(|error| failed(&error))?;
        let file = File::open(dir.join("db")).map_err(|error| unusable(&error))?;
        let sync = || -> io::Result<()> {
            file.sync_all()?;
            durable::sync_dir(dir)?;
            dir.parent().map_or(Ok(()), durable::sync_dir)
        };
        sync().map_err(|error| unusable(&error))?;
        let database = Self { db, file };
        // sled reads a page when it is first used: what is damaged is to be known now
        database.scan("")?;
        Ok(database)
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let entry = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = entry.map_err(|error| failed(&error))?;
            Ok((String::from_utf8_lossy(&key).into_owned(), value.to_vec()))
        };
        self.db.scan_prefix(prefix).map(entry).collect()
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
        self.with(|open| {
            open.db.apply_batch(changes).map_err(|error| failed(&error))?;
            open.db.flush().map_err(|error| failed(&error))?;
            open.file.sync_data().map_err(|error| unusable(&error))
        })
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        self.with(|open| Ok(open.db.get(key).map_err(|error| failed(&error))?.map(|value| value.to_vec())))
    }

    fn scan(&mut self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>> {
        self.with(|open| open.scan(prefix))
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Internal, "the store is damaged").hint("move it away to start afresh")
}

fn failed(error: &sled::Error) -> Error {
    match error {
        sled::Error::Io(error) => unusable(error),
        sled::Error::Corruption { .. } => damaged().cause(error),
        other => Error::new(ErrorKind::Internal, "the store failed").cause(other),
    }
}

fn unusable(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the store cannot be read or written", error)
}
