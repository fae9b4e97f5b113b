//! Filling the store with an export: all of it or nothing.
//!
//! What travels are records; the files that they speak of have to be here already. A job whose files are not says so
//! afterwards instead of promising them, and folders that no record speaks of any more are put aside, not removed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    fs, io,
    path::PathBuf,
    rc::Rc,
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, ImportStore, JobId, JobState, Result, StoreImported};
use tokio::{fs::File, io::AsyncWriteExt, sync::oneshot};

use super::files::{Files, is_tame, look};
use crate::{
    actors::{
        Slot, compute,
        jobs::{JobsActor, Leave, Parts},
        library::{LibraryActor, OnStore},
    },
    folders::Folders,
    job::{Record, new_id},
    store::{Entries, Store, Write, dump, dump::Dump, is_own},
};

/// An export that was found whole, ready to be taken over.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// With the bytes that they were read from.
    jobs: Vec<(Record, Vec<u8>)>,
    others: Entries,
}

impl Prepared {
    /// Looks at every record. [`ErrorKind::InvalidRequest`] if there is one that this daemon cannot read.
    pub(crate) fn new(dump: Dump) -> Result<Self> {
        let (jobs, others): (Vec<_>, Vec<_>) =
            dump.records.into_iter().partition(|(key, _)| key.starts_with(Record::PREFIX));
        let mut ids = HashSet::new();
        let read = |(key, bytes): (String, Vec<u8>)| {
            let unfit = |why: &str| {
                Error::new(ErrorKind::InvalidRequest, format!("record {key} cannot be taken: {why}"))
                    .hint("nothing was changed")
            };
            let record = Record::from_bytes(&bytes).map_err(|error| unfit(&error.message).cause(error))?;
            match () {
                () if record.key() != key => Err(unfit("it belongs elsewhere")),
                () if !is_tame(&record) => Err(unfit("it has an id or a file name that no job has")),
                () if !ids.insert(record.job.id.clone()) => Err(unfit("two jobs have the same id")),
                () => Ok((record, bytes)),
            }
        };
        Ok(Self { jobs: jobs.into_iter().map(read).collect::<Result<_>>()?, others })
    }

    /// What is to be stored, in the light of the files that are there, and folders to be put aside.
    pub(crate) fn settle(self, folders: &Folders) -> Result<Settled> {
        let mut imported = StoreImported {
            records: self.jobs.len() + self.others.len(),
            jobs: self.jobs.len(),
            ..Default::default()
        };
        let mut entries: BTreeMap<String, Vec<u8>> = self.others.into_iter().collect();
        let (mut known, mut returning) = (HashSet::new(), Vec::new());
        for (mut record, bytes) in self.jobs {
            let id = record.job.id.clone();
            // a store that was gone has left the folders of its jobs there
            let is_stray = !folders.job(&id).path().exists() && folders.stray(&id).path().exists();
            let folder = if is_stray { folders.stray(&id) } else { folders.job(&id) };
            let files = look(&record, &folder, false);
            if is_stray && !matches!(files, Files::Lost(_)) {
                returning.push(id.clone());
            }
            match files {
                Files::Whole(_) => {
                    known.insert(id);
                    entries.insert(record.key(), bytes);
                    continue;
                }
                Files::Restart(why) => {
                    let paused = record.job.state == JobState::Paused;
                    record.ingested = None;
                    record.separated = None;
                    record.job.state = if paused { JobState::Paused } else { JobState::Queued };
                    record.note("imported", format!("begins again: {why}"));
                    known.insert(id.clone());
                    imported.restarted.push(id);
                }
                Files::Lost(why) => {
                    lose(&mut record, why);
                    imported.incomplete.push(id);
                }
            }
            entries.insert(record.key(), record.to_bytes());
        }
        let unread =
            |error: io::Error| Error::io(ErrorKind::Internal, "the jobs' folders cannot be read", &error);
        let worth = |id: &JobId| {
            let folder = folders.job(id);
            folder.out().exists() || folder.source().exists()
        };
        imported.strays = folders.ids().map_err(unread)?;
        imported.strays.retain(|id| !known.contains(id) && worth(id));
        imported.strays.sort();
        Ok(Settled { entries, imported, returning })
    }
}

/// A job that nothing can complete.
fn lose(record: &mut Record, why: String) {
    let message = "the job's record was imported, and its files are not there";
    let error = Error::new(ErrorKind::NotFound, message).cause(why).hint("submit the song again");
    let job = &mut record.job;
    (job.stems, job.files, job.manifest) = Default::default();
    record.finish(JobState::Failed, Some(error));
}

/// What an import comes to.
#[derive(Debug)]
pub(crate) struct Settled {
    entries: BTreeMap<String, Vec<u8>>,
    imported: StoreImported,
    /// Folders that are put back from `strays`.
    returning: Vec<JobId>,
}

impl Settled {
    /// Puts all of it in the place of what the store holds. [`ErrorKind::Conflict`] when that are jobs, and they are not
    /// to be replaced.
    pub(crate) fn apply(
        self,
        store: &mut dyn Store,
        folders: &Folders,
        replace: bool,
    ) -> Result<StoreImported> {
        let mut old = Vec::new();
        store.each(&mut |key, _| {
            old.push(key.to_owned());
            Ok(())
        })?;
        let jobs = old.iter().filter(|key| key.starts_with(Record::PREFIX)).count();
        if jobs > 0 && !replace {
            return Err(occupied(jobs));
        }
        put_aside(folders, &self.imported.strays)?;
        put_back(folders, &self.returning)?;
        let gone = old.into_iter().filter(|key| !self.entries.contains_key(key) && !is_own(key));
        let gone: Vec<_> = gone.map(Write::Delete).collect();
        let writes: Vec<_> = gone
            .into_iter()
            .chain(self.entries.into_iter().map(|(key, value)| Write::Put(key, value)))
            .collect();
        store.commit(&writes)?;
        Ok(self.imported)
    }
}

/// A store is not written over by mistake.
pub(crate) fn occupied(jobs: usize) -> Error {
    Error::new(ErrorKind::Conflict, format!("the store holds {jobs} jobs")).hint(
        "export it first; `--replace` then puts what is imported in its place, and forgets what is not in it",
    )
}

/// Moves folders out of the way of the queue, which would remove them, into `strays`.
fn put_aside(folders: &Folders, ids: &[JobId]) -> Result<()> {
    let strays = folders.strays();
    let aside = || -> io::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&strays)?;
        for id in ids {
            let mut target = strays.join(&id.0);
            let mut number = 1;
            while target.exists() {
                number += 1;
                target = strays.join(format!("{id}-{number}"));
            }
            fs::rename(folders.job(id).path(), target)?;
        }
        durable::sync_dir(&strays)?;
        durable::sync_dir(folders.root())
    };
    aside().map_err(|error| Error::io(ErrorKind::Internal, "folders of jobs cannot be put aside", &error))
}

/// Moves folders of jobs that are known again back.
fn put_back(folders: &Folders, ids: &[JobId]) -> Result<()> {
    let back = |id: &JobId| durable::publish(folders.stray(id).path(), folders.job(id).path());
    ids.iter()
        .try_for_each(back)
        .map_err(|error| Error::io(ErrorKind::Internal, "folders of jobs cannot be put back", &error))
}

/// Puts the folders of all jobs aside: for a daemon whose store is gone.
pub(super) fn put_all_aside(folders: &Folders) -> Result<usize> {
    let unread =
        |error: io::Error| Error::io(ErrorKind::Internal, "the jobs' folders cannot be read", &error);
    let mut ids = folders.ids().map_err(unread)?;
    ids.retain(|id| folders.job(id).out().exists() || folders.job(id).source().exists());
    put_aside(folders, &ids)?;
    Ok(ids.len())
}

/// What waits to be taken over by the next queue.
pub(crate) struct Takeover {
    prepared: Prepared,
    replace: bool,
    done: oneshot::Sender<Result<StoreImported>>,
}

/// The place where it waits. It outlives the queue.
#[derive(Clone, Default)]
pub(crate) struct Incoming(Rc<RefCell<Option<Takeover>>>);

impl Incoming {
    fn put(&self, takeover: Takeover) -> Result<()> {
        match &mut *self.0.borrow_mut() {
            Some(_) => Err(Error::new(ErrorKind::Conflict, "another import is under way")),
            free => {
                *free = Some(takeover);
                Ok(())
            }
        }
    }

    /// Carries out what waits here, if anything does: by the queue that starts, before it reads its jobs.
    pub(crate) async fn settle(&self, library: &Slot<LibraryActor>, folders: &Folders) {
        let Some(Takeover { prepared, replace, done }) = self.0.take() else { return };
        let folders = folders.clone();
        let apply = move |store: &mut dyn Store| prepared.settle(&folders)?.apply(store, &folders, replace);
        let imported = library.run(OnStore::new(apply)).await.and_then(|imported| imported);
        if let Ok(imported) = &imported {
            tracing::info!(records = imported.records, jobs = imported.jobs, "store imported");
        }
        let _ = done.send(imported);
    }
}

/// An export on its way in from a client. Dropped before its end, nothing is left of it.
pub struct Import {
    jobs: Slot<JobsActor>,
    parts: Parts,
    replace: bool,
    path: PathBuf,
    file: File,
    bytes: u64,
    limit: u64,
}

impl Import {
    /// Begins an import of at most `limit` bytes.
    pub(crate) async fn begin(
        jobs: Slot<JobsActor>,
        parts: Parts,
        request: ImportStore,
        limit: u64,
    ) -> Result<Self> {
        if let Some(size) = request.size.filter(|size| *size > limit) {
            return Err(too_large(size, limit));
        }
        let path = parts.backups.incoming(&new_id()?);
        let place = path.clone();
        let create = move || fs::File::create_new(place).map_err(|error| unstored(&error));
        let file = File::from_std(compute(create).await?);
        Ok(Self { jobs, parts, replace: request.replace, path, file, bytes: 0, limit })
    }

    /// Most bytes that are taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes the next bytes: [`ErrorKind::TooLarge`] as soon as there are too many.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.bytes += data.len() as u64;
        if self.bytes > self.limit {
            return Err(too_large(self.bytes, self.limit));
        }
        self.file.write_all(data).await.map_err(|error| unstored(&error))
    }

    /// All bytes are there: looks whether they are a whole export, and lets a new queue begin with it. Running stages are
    /// stopped at their checkpoints for that; what the store held is backed up first.
    pub async fn finish(mut self) -> Result<StoreImported> {
        self.file.flush().await.map_err(|error| unstored(&error))?;
        let path = self.path.clone();
        let prepared = compute(move || {
            let file = fs::File::open(path).map_err(|error| unstored(&error))?;
            dump::read(&mut io::BufReader::new(file)).and_then(Prepared::new)
        })
        .await?;
        if self.replace {
            self.parts.backups.back_up(&self.parts.library).await?;
        }
        let (done, imported) = oneshot::channel();
        self.parts.incoming.put(Takeover { prepared, replace: self.replace, done })?;
        if let Err(refused) = self.jobs.renew(Leave { replace: self.replace }).await {
            self.parts.incoming.0.take();
            return Err(refused);
        }
        imported.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the queue broke off")))
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn too_large(size: u64, limit: u64) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the export has {size} bytes or more, the limit is {limit}"))
        .hint("raise limits.upload_bytes, or stop the daemon and use `harmonixd --store-import`")
}

fn unstored(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the import cannot be stored", error)
}
