//! The store on sled.
//!
//! sled's `flush` hands pages to the kernel without waiting for the disk (`sync_file_range`), so each commit adds an
//! `fdatasync` of the database file; `FileExt` by path, since sled keeps its own handle private.
//!
//! After an I/O error sled refuses everything for good, and on damaged files it panics. Therefore what fails closes the
//! database, and the next use opens it anew: from what is on disk, without what was refused.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use harmonix_ipc::{ErrorKind, Result};

use super::{
    Entries, Store, Write,
    caught::{caught, caught_silently},
    database::{Database, damaged},
    is_own,
    reserve::Reserve,
};

/// Tries to open the database while another process still lets go of its lock: a daemon that was killed, whose child was
/// just being started; or the one of this process that failed.
const TRIES: u32 = 100;

/// A [`Store`] in a folder of its own.
pub struct SledStore {
    dir: PathBuf,
    open: Option<Database>,
    reserve: Reserve,
}

impl SledStore {
    /// Opens or creates the store in `dir`. Fails with [`ErrorKind::Conflict`] when another process has it open, with
    /// [`ErrorKind::Internal`] when it is damaged or lacks something.
    pub fn open(dir: &Path) -> Result<Self> {
        let open = Some(patiently(dir)?);
        Ok(Self { dir: dir.to_owned(), open, reserve: Reserve::open(dir) })
    }

    /// Uses the database; closes it when that fails.
    fn with<T>(&mut self, act: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.again()?,
        };
        let result = caught(|| act(&mut open)).unwrap_or_else(|| Err(damaged()));
        if result.is_ok() {
            self.open = Some(open);
        } else {
            caught(|| drop(open));
        }
        result
    }

    fn again(&self) -> Result<Database> {
        tracing::warn!("the store is opened anew after a failure");
        patiently(&self.dir)
    }
}

/// Opens the database; waits for a while where somebody else has it open.
fn patiently(dir: &Path) -> Result<Database> {
    let mut tries = 0;
    loop {
        tries += 1;
        match caught_silently(|| Database::open(dir)).unwrap_or_else(|| Err(damaged())) {
            Err(error) if error.kind == ErrorKind::Conflict && tries < TRIES => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

impl Store for SledStore {
    fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let committed = match self.with(|open| open.commit(batch)) {
            Err(error) if error.kind == ErrorKind::DiskFull && self.reserve.release() => {
                tracing::warn!("the disk is full: the store uses its reserve");
                self.with(|open| open.commit(batch))
            }
            committed => committed,
        };
        if committed.is_ok() {
            self.reserve.hold();
        }
        committed
    }

    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        self.with(|open| open.get(key))
    }

    fn scan(&mut self, prefix: &str) -> Result<Entries> {
        self.with(|open| open.scan(prefix))
    }

    fn each(&mut self, each: &mut dyn FnMut(&str, &[u8]) -> Result<()>) -> Result<()> {
        // whoever takes the records may fail: that is not the database's fault
        let mut refused = Ok(());
        self.with(|open| {
            open.each(&mut |key, value| {
                refused = if is_own(key) { Ok(()) } else { each(key, value) };
                refused.is_ok()
            })
        })?;
        refused
    }

    fn verify(&mut self) -> Result<u64> {
        self.with(Database::verify)
    }
}
