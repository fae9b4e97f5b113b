//! sled, opened and looked through.

use std::{collections::BTreeMap, fs::File, io, path::Path};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{
    Write,
    seal::{self, Seal, Witness},
};

/// Records with their keys.
type Entries = Vec<(String, Vec<u8>)>;

/// An open database that holds what it has to hold.
pub(super) struct Database {
    db: sled::Db,
    /// sled's one file; new data is in it after `flush`.
    file: File,
    seal: Seal,
    witness: Witness,
}

impl Database {
    /// Opens or creates the database in `dir` and reads all of it.
    pub(super) fn open(dir: &Path) -> Result<Self> {
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
        let (witness, known) = Witness::open(dir).map_err(|error| unusable(&error))?;
        let mut database = Self { db, file, seal: Seal::default(), witness };
        database.seal = database.checked(known)?;
        Ok(database)
    }

    /// Compares what is there with what has to be there. `known` is how many commits there were at least; without that
    /// what is there is believed.
    fn checked(&self, known: Option<u64>) -> Result<Seal> {
        // sled reads a page when it is first used: what is damaged is to be known now
        let records = self.scan("")?;
        let sealed = records.iter().find(|(key, _)| key == seal::KEY);
        let sealed = sealed.and_then(|(_, value)| Seal::from_bytes(value));
        let parts = records.iter().filter(|(key, _)| key != seal::KEY);
        let found = parts.fold(0, |all, (key, value)| all ^ seal::digest(key.as_bytes(), value));
        let here = sealed.unwrap_or_default();
        match known {
            Some(known) if here.commits < known => {
                Err(damaged().cause(format!("{} of {known} commits are missing", known - here.commits)))
            }
            Some(_) if here.records != found => {
                Err(damaged().cause("records are missing or of an older state"))
            }
            _ => Ok(Seal { records: found, ..here }),
        }
    }

    /// Applies all writes or none, durably.
    pub(super) fn commit(&mut self, batch: &[Write]) -> Result<()> {
        let mut last = BTreeMap::new();
        for write in batch {
            match write {
                Write::Put(key, value) => last.insert(key, Some(value)),
                Write::Delete(key) => last.insert(key, None),
            };
        }
        let mut seal = Seal { commits: self.seal.commits + 1, ..self.seal };
        let mut changes = sled::Batch::default();
        for (key, value) in last {
            let key = key.as_bytes();
            if let Some(before) = self.db.get(key).map_err(|error| failed(&error))? {
                seal.records ^= seal::digest(key, &before);
            }
            match value {
                Some(value) => {
                    seal.records ^= seal::digest(key, value);
                    changes.insert(key, value.as_slice());
                }
                None => changes.remove(key),
            }
        }
        changes.insert(seal::KEY, seal.to_bytes());
        self.db.apply_batch(changes).map_err(|error| failed(&error))?;
        self.db.flush().map_err(|error| failed(&error))?;
        self.file.sync_data().map_err(|error| unusable(&error))?;
        self.seal = seal;
        self.witness.note(seal.commits);
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.db.get(key).map_err(|error| failed(&error))?.map(|value| value.to_vec()))
    }

    pub(super) fn scan(&self, prefix: &str) -> Result<Entries> {
        let entry = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = entry.map_err(|error| failed(&error))?;
            Ok((String::from_utf8_lossy(&key).into_owned(), value.to_vec()))
        };
        self.db.scan_prefix(prefix).map(entry).collect()
    }
}

/// What is there is not what was committed.
pub(super) fn damaged() -> Error {
    Error::new(ErrorKind::Internal, "the store is damaged").hint(
        "move the state directory away to start afresh: outputs lie in its jobs/*/out; or remove store/commits in it to go \
         on with the jobs that can be read, and lose the others",
    )
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
