//! What is installed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use harmonix_engine::{durable, protocol};
use harmonix_ipc::{Error, ErrorKind, FileState, Result};

use super::{
    Catalogue, Entry, Member,
    digest::{self, Expected},
    record::{Agreed, Kept, Record, storage},
};
use crate::job::{Shelf, Shelved};

/// What an upload's file in the folder of models begins with.
const INCOMING: &str = ".import-";

/// The models of this daemon. Clones share it.
#[derive(Clone)]
pub struct ModelStore(Arc<Inner>);

struct Inner {
    catalogue: Catalogue,
    dir: PathBuf,
    proxy: String,
    records: Mutex<BTreeMap<String, Record>>,
    /// Models that are being changed, with what is being done.
    held: Mutex<BTreeMap<String, &'static str>>,
    stopping: AtomicBool,
}

/// The right to change a model; given back when it is dropped.
pub struct Hold {
    store: ModelStore,
    entry: Entry,
}

impl ModelStore {
    /// The models of a catalogue whose files lie in `dir`; looks which of them are there. `proxy` is as in the
    /// configuration.
    pub fn open(dir: PathBuf, catalogue: Catalogue, proxy: String) -> Result<Self> {
        let open = || -> io::Result<()> {
            fs::create_dir_all(&dir)?;
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(INCOMING) {
                    fs::remove_file(entry.path())?;
                }
            }
            dir.parent().map_or(Ok(()), durable::sync_dir)
        };
        open().map_err(|error| {
            Error::io(ErrorKind::Config, "cache_dir cannot hold models", &error)
                .hint("set cache_dir to a folder that this user may write to")
        })?;
        let ids = catalogue.all().iter().map(|entry| entry.id.clone());
        let records = ids.map(|id| (id.clone(), Record::read(&dir.join(id)))).collect();
        Ok(Self(Arc::new(Inner {
            catalogue,
            dir,
            proxy,
            records: Mutex::new(records),
            held: Mutex::default(),
            stopping: AtomicBool::new(false),
        })))
    }

    /// Ends pulls; what they have stays for the next one.
    pub fn stop(&self) {
        self.0.stopping.store(true, Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.0.stopping.load(Relaxed)
    }

    pub(super) fn proxy(&self) -> &str {
        &self.0.proxy
    }

    /// What can be named.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// The model of that id: [`ErrorKind::NotFound`], with the list, if there is none.
    pub fn entry(&self, id: &str) -> Result<&Entry> {
        self.0.catalogue.get(id).ok_or_else(|| {
            let shown: String = id.chars().filter(char::is_ascii_graphic).take(40).collect();
            let ids: Vec<_> = self.0.catalogue.all().iter().map(|entry| entry.id.as_str()).collect();
            Error::new(ErrorKind::NotFound, format!("no model {shown}"))
                .hint(format!("one of {}", ids.join(", ")))
        })
    }

    /// What planning has to know.
    pub fn shelf(&self) -> Shelf {
        let shelved = |entry: &Entry| Shelved {
            id: entry.id.clone(),
            sources: entry.sources.clone(),
            blends: entry.members.iter().map(|member| member.blend.clone()).collect(),
            installed: self.record(&entry.id, |record| is_installed(entry, record)),
        };
        Shelf::new(self.0.catalogue.all().iter().map(shelved).collect())
    }

    /// What a worker needs to load a model: [`ErrorKind::ModelMissing`] if it is not installed.
    pub fn weights(&self, id: &str) -> Result<protocol::Model> {
        let missing = || not_installed(id);
        let entry = self.0.catalogue.get(id).ok_or_else(missing)?;
        let member = |member: &Member| {
            let sha256 = self.record(id, |record| present(member, record).map(|kept| kept.sha256.clone()));
            let file = self.folder(id).join(&member.file);
            Ok(protocol::Member { file, sha256: sha256.ok_or_else(missing)?, blend: member.blend.clone() })
        };
        let members = entry.members.iter().map(member).collect::<Result<_>>()?;
        let (id, sources) = (entry.id.clone(), entry.sources.clone());
        Ok(protocol::Model { id, architecture: entry.architecture, sources, members })
    }

    /// Takes the right to change a model: [`ErrorKind::Conflict`] while somebody else has it,
    /// [`ErrorKind::InvalidRequest`] for the built-in engine. `doing` is what others are told, e.g. `pulled`.
    pub fn hold(&self, id: &str, doing: &'static str) -> Result<Hold> {
        let entry = self.entry(id)?.clone();
        if entry.members.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, format!("{id} is built in: it has no files")));
        }
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doing) = held.get(id) {
            return Err(Error::new(ErrorKind::Conflict, format!("the model {id} is being {doing} already"))
                .hint("try again when that has ended"));
        }
        held.insert(id.to_owned(), doing);
        Ok(Hold { store: self.clone(), entry })
    }

    /// Reads what is known of a model's files.
    pub(super) fn record<T>(&self, id: &str, read: impl FnOnce(&Record) -> T) -> T {
        match self.records().get(id) {
            Some(record) => read(record),
            None => read(&Record::default()),
        }
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the files of a model lie.
    pub(super) fn folder(&self, id: &str) -> PathBuf {
        self.0.dir.join(id)
    }

    /// Where an upload lies until it is known what it is.
    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        self.0.dir.join(format!("{INCOMING}{name}"))
    }
}

impl Hold {
    /// The model.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    pub(super) fn store(&self) -> &ModelStore {
        &self.store
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.store.folder(&self.entry.id)
    }

    pub(super) fn record(&self) -> Record {
        self.store.record(&self.entry.id, Clone::clone)
    }

    /// The digest that a member's file has to have.
    pub(super) fn expected(&self, member: &Member) -> Expected {
        expected(member, &self.record())
    }

    /// Makes sure that the licence was accepted: by `uid` now, or by anybody before. Writes to the disk.
    pub(super) fn consent(&self, uid: u32, accept: bool) -> Result<()> {
        let licence = &self.entry.licence;
        if is_agreed(&self.entry, &self.record()) {
            return Ok(());
        }
        if !accept {
            let id = &self.entry.id;
            return Err(Error::new(ErrorKind::Denied, format!("the licence of {id} has not been accepted"))
                .hint(format!(
                    "{}: {} ({}) — accept it with --accept-licence",
                    licence.name, licence.text, licence.url
                )));
        }
        let agreed = Agreed { uid, at: crate::job::now(), text: digest::of_text(&licence.text) };
        tracing::info!(model = self.entry.id, uid, "licence accepted");
        self.change(|record| record.consent = Some(agreed))
    }

    /// Changes the record: on disk first, then for everybody.
    pub(super) fn change(&self, change: impl FnOnce(&mut Record)) -> Result<()> {
        let mut record = self.record();
        change(&mut record);
        record.write(&self.folder())?;
        self.store.records().insert(self.entry.id.clone(), record);
        Ok(())
    }

    /// Gives a file that lies ready, durable and with that digest, its name, and notes it.
    pub(super) fn install(
        &self,
        member: &Member,
        ready: &Path,
        sha256: String,
        bytes: u64,
        from: String,
    ) -> Result<()> {
        let place = self.folder().join(&member.file);
        let publish = || -> io::Result<()> {
            fs::create_dir_all(self.folder())?;
            durable::publish(ready, &place)
        };
        publish().map_err(|error| storage(&error))?;
        remove_file(&damaged(&place))?;
        let kept = Kept {
            name: member.file.clone(),
            sha256,
            bytes,
            from,
            at: crate::job::now(),
            state: FileState::Present,
        };
        tracing::info!(model = self.entry.id, file = member.file, bytes, "file of a model installed");
        self.change(|record| record.put(kept))
    }

    /// Removes everything of the model but that its licence was accepted.
    pub fn remove(&self) -> Result<()> {
        let (id, folder) = (&self.entry.id, self.folder());
        let names = || -> io::Result<Vec<PathBuf>> {
            match fs::read_dir(&folder) {
                Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        };
        let files: Vec<_> = names()
            .map_err(|error| storage(&error))?
            .into_iter()
            .filter(|path| path.file_name().is_none_or(|name| name != super::record::NAME))
            .collect();
        if files.is_empty() && self.record().files.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, format!("the model {id} is not installed")));
        }
        // not installed first, then not there: never the other way
        self.change(|record| record.files.clear())?;
        files.iter().try_for_each(|path| remove_file(path))?;
        durable::sync_dir(&folder).map_err(|error| storage(&error))?;
        tracing::info!(model = id, "model removed");
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.store.0.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry.id);
    }
}

/// The digest that a member's file has to have.
pub(super) fn expected(member: &Member, record: &Record) -> Expected {
    Expected::of(member, record.file(&member.file).map(|kept| kept.sha256.as_str()))
}

/// A member's file, if it is there and still is what the catalogue says.
pub(super) fn present<'a>(member: &Member, record: &'a Record) -> Option<&'a Kept> {
    let is_there =
        |kept: &&Kept| kept.state == FileState::Present && Expected::catalogue(member).allows(&kept.sha256);
    record.file(&member.file).filter(is_there)
}

/// Whether every file of the model is there.
pub(super) fn is_installed(entry: &Entry, record: &Record) -> bool {
    entry.members.iter().all(|member| present(member, record).is_some())
}

/// Whether these terms were accepted.
pub(super) fn is_agreed(entry: &Entry, record: &Record) -> bool {
    let text = digest::of_text(&entry.licence.text);
    record.consent.as_ref().is_some_and(|agreed| agreed.text == text)
}

/// Where a damaged file is set aside.
pub(super) fn damaged(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    name.into()
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(storage(&error)),
        _ => Ok(()),
    }
}

/// Digests of a model's files, in the bag's order.
pub fn digests(model: &protocol::Model) -> Vec<String> {
    model.members.iter().map(|member| member.sha256.clone()).collect()
}

/// What a model that is needed and not there is refused with.
pub(crate) fn not_installed(id: &str) -> Error {
    Error::new(ErrorKind::ModelMissing, format!("the model {id} is not installed"))
        .hint(format!("`harmonixctl models pull {id}` installs it"))
}
