//! Stems that are kept, so that the same input, model and settings are never computed twice.
//!
//! An entry is a folder under its key: the stems' spools, hard links of what a job computed, and `entry.json`, whose time
//! of modification is when it was last used; `uses` has a byte for each time. Keeping and taking cost no copy, and an entry can go at any time without
//! touching a job that uses it. There is no index: the folders are what is there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use harmonix_engine::durable;
use harmonix_ipc::CacheUsage;
use serde::{Deserialize, Serialize};

use crate::{folders::JobFolder, job::Separated};

/// Version of [`Entry`].
const VERSION: u32 = 1;

/// Has a byte for each time that an entry was used.
const USES: &str = "uses";

/// Marks a folder of stems whose spools belong to an entry too, and are never written to.
const SHARED: &str = "shared";

/// So many entries, the most used ones, go last …
const POPULAR: usize = 5;

/// … if they were used so often.
const OFTEN: u64 = 2;

/// An entry as the limit sees it.
struct Kept {
    dir: PathBuf,
    bytes: u64,
    used: SystemTime,
    uses: u64,
    popular: bool,
}

/// What is known of kept stems.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    v: u32,
    /// Bytes of each spool.
    bytes: u64,
    separated: Separated,
}

/// The stems that are kept.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Most bytes of all entries.
    limit: u64,
    /// Whoever removes entries.
    removing: Arc<Mutex<()>>,
}

impl Cache {
    /// The cache in a folder, which is made. What a crash left half done is removed.
    pub fn open(root: PathBuf, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        for entry in fs::read_dir(&root)? {
            let path = entry?.path();
            if path.extension().is_some() {
                fs::remove_dir_all(path)?;
            }
        }
        let cache = Self { root, limit, removing: Arc::default() };
        cache.shrink_to(limit)?;
        Ok(cache)
    }

    /// Keeps what a job computed, if it is not kept already and there is room for it at all.
    pub fn keep(&self, key: &str, folder: &JobFolder, separated: &Separated) -> io::Result<()> {
        let (dir, part) = (self.root.join(key), self.root.join(format!("{key}.part")));
        let spools = spools(separated, &folder.stems());
        let bytes = spools.first().map_or(Ok(0), |(_, spool)| Ok::<_, io::Error>(spool.metadata()?.len()))?;
        if dir.exists() || bytes * spools.len() as u64 > self.limit {
            return Ok(());
        }
        remove(&part)?;
        fs::create_dir(&part)?;
        let fill = || -> io::Result<()> {
            for (name, spool) in &spools {
                fs::hard_link(spool, part.join(name))?;
            }
            let entry = Entry { v: VERSION, bytes, separated: separated.clone() };
            durable::write_file(&part.join("entry.json"), &serde_json::to_vec(&entry)?)?;
            durable::publish(&part, &dir)
        };
        if let Err(error) = fill() {
            remove(&part)?;
            return Err(error);
        }
        self.shrink_to(self.limit)
    }

    /// Gives a job the stems under `key`, if they are kept.
    pub fn take(&self, key: &str, folder: &JobFolder) -> io::Result<Option<Separated>> {
        let stems = folder.stems();
        // of an earlier attempt; a worker would write into the entry's own spools
        if stems.join(SHARED).exists() {
            remove(&stems)?;
        }
        let dir = self.root.join(key);
        let Some(entry) = read(&dir)? else { return Ok(None) };
        let part = stems.with_extension("part");
        remove(&part)?;
        fs::create_dir(&part)?;
        for (name, spool) in spools(&entry.separated, &dir) {
            let linked = fs::hard_link(&spool, part.join(&name)).and_then(|()| Ok(spool.metadata()?.len()));
            match linked {
                Ok(bytes) if bytes == entry.bytes => {}
                // it went meanwhile, or somebody changed it
                Ok(_) | Err(_) => {
                    remove(&part)?;
                    return Ok(None);
                }
            }
        }
        File::create(part.join(SHARED))?;
        remove(&stems)?;
        durable::publish(&part, &stems)?;
        // when it was used: at worst it goes too early
        let _ = File::open(dir.join("entry.json")).and_then(|entry| entry.set_modified(SystemTime::now()));
        let uses = OpenOptions::new().append(true).create(true).open(dir.join(USES));
        let _ = uses.and_then(|mut uses| uses.write_all(b"."));
        Ok(Some(entry.separated))
    }

    /// What is kept.
    pub fn usage(&self) -> io::Result<CacheUsage> {
        let entries = self.entries()?;
        let bytes = entries.iter().map(|entry| entry.bytes).sum();
        let popular = entries.iter().filter(|entry| entry.popular).count();
        Ok(CacheUsage { entries: entries.len(), bytes, limit: self.limit, popular })
    }

    /// Removes what was not used for longest, popular entries last, until what is kept has at most so many bytes.
    pub fn shrink_to(&self, limit: u64) -> io::Result<()> {
        let _alone = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| (entry.popular, entry.used));
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for Kept { dir, bytes, .. } in entries {
            if total <= limit {
                break;
            }
            let gone = dir.with_extension("gone");
            fs::rename(&dir, &gone)?;
            remove(&gone)?;
            total -= bytes;
        }
        Ok(())
    }

    fn entries(&self) -> io::Result<Vec<Kept>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let dir = entry?.path();
            if dir.extension().is_some() {
                continue;
            }
            let used = fs::metadata(dir.join("entry.json")).and_then(|meta| meta.modified());
            let mut bytes = 0;
            for file in fs::read_dir(&dir)? {
                bytes += file?.metadata()?.len();
            }
            let uses = fs::metadata(dir.join(USES)).map_or(0, |uses| uses.len());
            let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
            entries.push(Kept { dir, bytes, used, uses, popular: false });
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.uses));
        entries.iter_mut().take(POPULAR).for_each(|entry| entry.popular = entry.uses >= OFTEN);
        Ok(entries)
    }
}

/// The entry in a folder; none if there is none that this version understands.
fn read(dir: &Path) -> io::Result<Option<Entry>> {
    match fs::read(dir.join("entry.json")) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok().filter(|entry: &Entry| entry.v == VERSION)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn spools(separated: &Separated, dir: &Path) -> Vec<(String, PathBuf)> {
    let name = |source: &String| format!("{source}.f32");
    separated.model.sources.iter().map(|source| (name(source), dir.join(name(source)))).collect()
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
