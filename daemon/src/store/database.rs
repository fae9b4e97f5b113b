//! sled, opened and looked through.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{
    Entries, Write,
    seal::{self, Seal, Witness},
};

/// An open database that holds what it has to hold.
pub(super) struct Database {
    db: sled::Db,
    /// sled's one file; new data is in it after `flush`.
    file: File,
    /// Where sled puts nodes that are too large for its log.
    blobs: PathBuf,
    /// Those of them that are durable.
    synced: HashSet<OsString>,
    seal: Seal,
    witness: Witness,
}

impl Database {
    /// Opens or creates the database in `dir` and reads all of it.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| unusable(&error))?;
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
        let mut database = Self {
            db,
            file,
            blobs: dir.join("blobs"),
            synced: HashSet::new(),
            seal: Seal::default(),
            witness,
        };
        database.seal = database.checked(known)?;
        Ok(database)
    }

    /// Compares what is there with what has to be there. `known` is how many commits there were at least; without that
    /// what is there is believed.
    fn checked(&self, known: Option<u64>) -> Result<Seal> {
        // sled reads a page when it is first used: what is damaged is to be known now
        let (mut sealed, mut found) = (None, 0);
        self.each(&mut |key, value| {
            match key {
                seal::KEY => sealed = Seal::from_bytes(value),
                _ => found ^= seal::digest(key.as_bytes(), value),
            }
            true
        })?;
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
        self.sync().map_err(|error| unusable(&error))?;
        self.seal = seal;
        self.witness.note(seal.commits);
        Ok(())
    }

    /// Makes what was flushed durable: the log, and nodes too large for it, which sled writes into files and does not sync.
    fn sync(&mut self) -> io::Result<()> {
        let mut large = HashSet::new();
        for entry in fs::read_dir(&self.blobs)? {
            let name = entry?.file_name();
            if !self.synced.contains(&name) {
                match File::open(self.blobs.join(&name)) {
                    Ok(file) => file.sync_all()?,
                    // it was of a node that is written anew already
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            large.insert(name);
        }
        if large != self.synced {
            durable::sync_dir(&self.blobs)?;
            self.synced = large;
        }
        self.file.sync_data()
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

    /// Hands every record to `each` until it says no.
    pub(super) fn each(&self, each: &mut dyn FnMut(&str, &[u8]) -> bool) -> Result<()> {
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(|error| failed(&error))?;
            if !each(&String::from_utf8_lossy(&key), &value) {
                break;
            }
        }
        Ok(())
    }

    /// Compares what is there with what was committed: how many commits there were.
    pub(super) fn verify(&mut self) -> Result<u64> {
        let known = (self.seal.commits > 0).then_some(self.seal.commits);
        let seal = self.checked(known)?;
        if seal != self.seal {
            return Err(damaged().cause("the database does not hold what was committed last"));
        }
        Ok(seal.commits)
    }
}

/// What is there is not what was committed.
pub(super) fn damaged() -> Error {
    Error::new(ErrorKind::Internal, "the store is damaged").hint(
        "`harmonixd --store-export FILE` saves what can be read, `harmonixd --store-import FILE --replace` makes a store of \
         it, or of a backup; backups lie in `backups` in the state directory",
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
