//! One watched folder: looks, takes, delivers.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use harmonix_ipc::{Error, ErrorKind, JobId, JobOptions, JobState, Result, WatchedFolder, names::Base};
use tokio::{io::AsyncReadExt, sync::broadcast::error::RecvError, time::MissedTickBehavior};

use super::Feed;
use crate::{
    actors::{
        Slot, compute,
        jobs::{Accept, Get, JobsActor, Parts, Reserve},
        library::Commit,
    },
    caller::Caller,
    job::{new_id, now},
    store::Write,
    upload::{Upload, too_large},
    watch::{Content, Delivery, Fate, Folder, Looks, Notices, Stage, Stamp, Taken, is_song, open_file},
};

/// Most songs of a folder that are under way at once: a full folder leaves room in the queue for others.
const AHEAD: usize = 8;

/// Seconds after which a file that is gone is forgotten: if it came back then, it would be taken again.
const FORGET: f64 = 90.0 * 86_400.0;

/// The keeper of a folder.
pub(super) struct Keeper {
    folder: Folder,
    jobs: Slot<JobsActor>,
    parts: Parts,
    limit: u64,
    every: Duration,
    looks: Looks,
    notices: Option<Notices>,
    ledger: Ledger,
    /// Paths that the last look has found.
    there: HashSet<String>,
    troubles: Troubles,
    shown: Rc<RefCell<WatchedFolder>>,
}

/// What does not go well, and is tried again.
#[derive(Default)]
struct Troubles {
    folder: Option<Error>,
    taking: Option<Error>,
    delivering: Option<Error>,
}

/// Files that were taken.
#[derive(Default)]
struct Ledger {
    taken: HashMap<String, Taken>,
    stamps: HashMap<Stamp, String>,
    paths: HashMap<String, String>,
    /// Those that are not done.
    pending: BTreeSet<String>,
}

impl Ledger {
    fn put(&mut self, taken: Taken) {
        self.remove(&taken.id.clone());
        let id = taken.id.clone();
        if taken.superseded && taken.is_done() {
            return;
        }
        if !taken.superseded {
            self.stamps.insert(taken.stamp, id.clone());
            self.paths.insert(taken.path.clone(), id.clone());
        }
        if !taken.is_done() {
            self.pending.insert(id.clone());
        }
        self.taken.insert(id, taken);
    }

    fn remove(&mut self, id: &str) {
        if let Some(before) = self.taken.remove(id) {
            unlist(&mut self.stamps, &before.stamp, id);
            unlist(&mut self.paths, &before.path, id);
            self.pending.remove(id);
        }
    }

    fn at(&self, path: &str) -> Option<&Taken> {
        self.taken.get(self.paths.get(path)?)
    }

    fn with(&self, stamp: &Stamp) -> Option<&Taken> {
        self.taken.get(self.stamps.get(stamp)?)
    }

    /// The same file under a name that is gone, if it was renamed and touched between two looks.
    fn moved(&self, taken: &Taken, there: &HashSet<String>) -> Option<&Taken> {
        let (inode, size) = (taken.stamp.inode, taken.stamp.size);
        let same =
            |old: &&Taken| old.stamp.inode == inode && old.stamp.size == size && !there.contains(&old.path);
        self.taken.values().find(same)
    }

    fn count(&self, fate: Fate) -> usize {
        self.taken.values().filter(|taken| taken.stage == Stage::Done(fate)).count()
    }
}

/// Removes an entry that leads to `id`.
fn unlist<K: std::hash::Hash + Eq>(map: &mut HashMap<K, String>, key: &K, id: &str) {
    if map.get(key).is_some_and(|there| there == id) {
        map.remove(key);
    }
}

impl Keeper {
    /// The keeper of `folder`, with what was taken from it before.
    pub(super) fn new(folder: &Folder, feed: &Feed, taken: &[Taken]) -> Self {
        let settings = &folder.settings;
        let own = rustix::process::geteuid().as_raw();
        let shown = WatchedFolder {
            folder: settings.folder.display().to_string(),
            output: settings.output().display().to_string(),
            quality: settings.quality,
            mode: settings.mode,
            format: settings.format,
            recursive: settings.recursive,
            owner: settings.owner.unwrap_or(own),
            present: true,
            ..WatchedFolder::default()
        };
        let mut ledger = Ledger::default();
        let ours = text_of(&settings.folder);
        taken.iter().filter(|taken| taken.folder == ours).for_each(|taken| ledger.put(taken.clone()));
        let notices = Notices::new()
            .inspect_err(
                |error| tracing::warn!(%error, "no notices from the kernel: folders are only looked at"),
            )
            .ok();
        Self {
            folder: folder.clone(),
            jobs: feed.jobs.clone(),
            parts: feed.parts.clone(),
            limit: feed.limit,
            every: feed.every,
            looks: Looks::default(),
            notices,
            ledger,
            there: HashSet::new(),
            troubles: Troubles::default(),
            shown: Rc::new(RefCell::new(shown)),
        }
    }

    /// What clients see of it.
    pub(super) fn shown(&self) -> Rc<RefCell<WatchedFolder>> {
        Rc::clone(&self.shown)
    }

    /// Keeps the folder for ever.
    pub(super) async fn run(mut self) {
        let mut ended = self.parts.ended.subscribe();
        let mut tick = tokio::time::interval(self.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let heard = async {
                match &mut self.notices {
                    Some(notices) => notices.hear(&mut self.looks).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = tick.tick() => {
                    self.settle_all().await;
                    self.look().await;
                }
                heard = heard => match heard {
                    Ok(true) => self.look().await,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "no notices from the kernel any more");
                        self.notices = None;
                    }
                },
                job = ended.recv() => match job {
                    Ok(job) => {
                        let of_job = |id: &&String| self.ledger.taken[*id].job.as_ref() == Some(&job);
                        if let Some(id) = self.ledger.pending.iter().find(of_job).cloned() {
                            self.settle(&id).await;
                            // there is room for the next
                            self.look().await;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.settle_all().await,
                    Err(RecvError::Closed) => return,
                },
            }
            self.show();
        }
    }

    fn show(&self) {
        let mut shown = self.shown.borrow_mut();
        shown.waiting = self.looks.len();
        shown.active = self.ledger.pending.len();
        shown.delivered = self.ledger.count(Fate::Delivered);
        shown.failed = self.ledger.count(Fate::Failed);
        let Troubles { folder, taking, delivering } = &self.troubles;
        shown.present = folder.as_ref().is_none_or(|error| error.kind == ErrorKind::Denied);
        shown.error = delivering.as_ref().or(folder.as_ref()).or(taking.as_ref()).cloned();
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<()> {
        self.parts.library.call(Commit(writes)).await?
    }

    /// Looks at what is there, and takes what is complete.
    async fn look(&mut self) {
        let Some(files) = self.list().await else { return };
        let there: HashSet<_> = files.iter().map(|(path, stamp)| (text_of(path), *stamp)).collect();
        if let Err(error) = self.follow_renames(&files, &there).await {
            self.troubles.taking = Some(error);
            return;
        }
        self.there = there.into_iter().map(|(path, _)| path).collect();
        let new = files.into_iter().filter(|(_, stamp)| self.ledger.with(stamp).is_none()).collect();
        let mut complete = self.looks.look(new);
        complete.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.troubles.taking = None;
        for (path, stamp) in complete {
            if self.ledger.pending.len() >= AHEAD {
                break;
            }
            if let Err(error) = self.take(&path, stamp).await {
                tracing::warn!(error.kind = %error.kind, causes = ?error.causes, "a song of a watched folder is not taken yet");
                let later = !matches!(error.kind, ErrorKind::AudioLoad);
                self.troubles.taking = Some(error);
                if later {
                    break;
                }
            }
        }
        self.show();
    }

    /// The songs that are there; none if the folder is not.
    async fn list(&mut self) -> Option<Vec<(PathBuf, Stamp)>> {
        let folder = self.folder.clone();
        let list = || {
            let folder = folder.clone();
            compute(move || {
                let listed = folder.songs.list(&|below| folder.enters(below));
                listed.map_err(|error| {
                    Error::io(ErrorKind::NotFound, "the watched folder cannot be read", &error)
                })
            })
        };
        let mut listing = list().await;
        if let (Ok(listed), Some(notices)) = (&listing, &mut self.notices)
            && !notices.knows(&listed.folders)
        {
            if let Err(error) = notices.watch(&folder.songs.path(), &listed.folders) {
                tracing::warn!(%error, "the kernel does not tell of every folder: they are looked at from time to time");
            }
            // what came between the first look and the kernel's promise
            listing = list().await;
        }
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => {
                if self.troubles.folder.is_none() {
                    tracing::warn!(causes = ?error.causes, "a watched folder is gone");
                }
                self.looks = Looks::default();
                self.troubles.folder = Some(error);
                return None;
            }
        };
        if self.troubles.folder.take().is_some_and(|error| error.kind == ErrorKind::NotFound) {
            tracing::info!("a watched folder is back");
        }
        if listing.links.iter().any(|link| is_song(link)) {
            let error =
                Error::new(ErrorKind::Denied, "a symbolic link in the watched folder is not followed");
            self.troubles.folder = Some(error.hint("put the song itself there"));
        }
        Some(listing.files.into_iter().filter(|(path, _)| is_song(path)).collect())
    }

    /// Files that were taken under another name get their new one; those that are gone for long are forgotten.
    async fn follow_renames(
        &mut self,
        files: &[(PathBuf, Stamp)],
        there: &HashSet<(String, Stamp)>,
    ) -> Result<()> {
        let mut changed = Vec::new();
        for (path, stamp) in files {
            let path = text_of(path);
            if let Some(known) = self.ledger.with(stamp)
                && known.path != path
                && !there.contains(&(known.path.clone(), *stamp))
            {
                let known = known.clone();
                if let Some(before) = self.ledger.at(&path) {
                    changed.push(Taken { superseded: true, ..before.clone() });
                }
                changed.push(Taken { path, ..known });
            }
        }
        let there: HashSet<_> = there.iter().map(|(path, _)| path).collect();
        let old =
            |taken: &&Taken| taken.is_done() && now() - taken.at > FORGET && !there.contains(&taken.path);
        let forgotten: Vec<_> = self.ledger.taken.values().filter(old).cloned().collect();
        if changed.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        self.commit(changed.iter().map(Taken::write).chain(forgotten.iter().map(Taken::forget)).collect())
            .await?;
        forgotten.iter().for_each(|taken| self.ledger.remove(&taken.id));
        changed.into_iter().for_each(|taken| self.ledger.put(taken));
        Ok(())
    }

    /// Makes a job of a file. Fails where it may go better later.
    async fn take(&mut self, path: &Path, stamp: Stamp) -> Result<()> {
        let (songs, place) = (self.folder.songs.clone(), path.to_owned());
        let opened = compute(move || {
            let open = || -> io::Result<_> {
                let file = open_file(songs.open()?, &place)?;
                Ok((Stamp::of_file(&file)?, file))
            };
            Ok(open())
        });
        let (found, file) = match opened.await? {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Error::io(
                    ErrorKind::AudioLoad,
                    "a song in the watched folder cannot be read",
                    &error,
                ));
            }
        };
        if found != stamp {
            // it goes on changing: the next look sees it
            return Ok(());
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let settings = &self.folder.settings;
        let mut taken = Taken::new(new_id()?.0, text_of(&settings.folder), text_of(path), name, stamp);
        if stamp.size > self.limit {
            return self.refuse(path, taken, too_large(stamp.size, self.limit)).await;
        }
        let options = JobOptions {
            quality: settings.quality,
            mode: settings.mode,
            format: settings.format,
            ..JobOptions::default()
        };
        let caller = Caller { uid: self.shown.borrow().owner, admin: false };
        let reserved = match self.jobs.call(Reserve(caller, options)).await? {
            Err(error) if matches!(error.kind, ErrorKind::InvalidRequest | ErrorKind::ModelMissing) => {
                return self.refuse(path, taken, error).await;
            }
            reserved => reserved?,
        };
        let place = self.parts.folders.job(&reserved.id);
        let accept =
            Accept { reserved, caller, name: taken.name.clone(), source: String::new(), with: Vec::new() };
        let mut upload = Upload::begin(self.jobs.clone(), place, accept, self.limit).await?;
        if !copy(file, &mut upload, stamp).await? {
            // it begins anew, as what it is then
            self.looks.forget(path);
            return Ok(());
        }
        let digest = upload.digest();
        let before = self.ledger.at(&taken.path).cloned();
        let same = |known: &&Taken| known.blake3.as_ref() == Some(&digest);
        let known =
            before.as_ref().filter(same).or_else(|| self.ledger.moved(&taken, &self.there).filter(same));
        if let Some(known) = known.cloned() {
            // the same content: somebody touched it, or it was copied back
            drop(upload);
            let superseded = before.filter(|before| before.id != known.id);
            let superseded = superseded.map(|before| Taken { superseded: true, ..before });
            let touched = Taken { stamp, path: taken.path, ..known };
            self.commit(superseded.iter().chain([&touched]).map(Taken::write).collect()).await?;
            superseded.into_iter().chain([touched]).for_each(|taken| self.ledger.put(taken));
        } else {
            taken.blake3 = Some(digest);
            let before = before.map(|before| Taken { superseded: true, ..before });
            let with = |job: &JobId| {
                taken.job = Some(job.clone());
                before.iter().chain([&taken]).map(Taken::write).collect()
            };
            let job = upload.finish_with(with).await?;
            tracing::info!(job = %job.id, "song of a watched folder taken");
            before.into_iter().chain([taken]).for_each(|taken| self.ledger.put(taken));
        }
        self.looks.forget(path);
        Ok(())
    }

    /// It never becomes a job; why is delivered in the place of stems.
    async fn refuse(&mut self, path: &Path, taken: Taken, error: Error) -> Result<()> {
        let before = self.ledger.at(&taken.path).map(|before| Taken { superseded: true, ..before.clone() });
        let taken = Taken { refused: Some(error), ..taken };
        let id = taken.id.clone();
        let all: Vec<_> = before.into_iter().chain([taken]).collect();
        self.commit(all.iter().map(Taken::write).collect()).await?;
        all.into_iter().for_each(|taken| self.ledger.put(taken));
        self.looks.forget(path);
        self.settle(&id).await;
        Ok(())
    }

    async fn settle_all(&mut self) {
        for id in self.ledger.pending.clone() {
            self.settle(&id).await;
        }
        if self.ledger.pending.is_empty() {
            self.troubles.delivering = None;
        }
    }

    /// Delivers what has come of a file, if its job has ended.
    async fn settle(&mut self, id: &str) {
        let Some(taken) = self.ledger.taken.get(id).cloned() else { return };
        match self.deliver(taken).await {
            Ok(true) => self.troubles.delivering = None,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error.kind = %error.kind, causes = ?error.causes, "not delivered yet");
                self.troubles.delivering = Some(error);
            }
        }
        self.show();
    }

    async fn deliver(&mut self, mut taken: Taken) -> Result<bool> {
        let base = Base::new(OsStr::new(&taken.name));
        let id = taken.id.clone();
        let undelivered = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
                _ => ErrorKind::Conflict,
            };
            Error::io(kind, "stems cannot be written to the output folder", &error)
                .hint("make the folder writable for the daemon, and make room in it; it is tried again")
        };
        if taken.stage == Stage::Taken {
            let Some((fate, contents)) = self.outcome(&taken).await? else { return Ok(false) };
            if fate == Fate::Dropped {
                taken.stage = Stage::Done(fate);
                self.commit(vec![taken.write()]).await?;
                self.ledger.put(taken);
                return Ok(true);
            }
            let (outputs, contents): (Vec<_>, Vec<_>) = contents.into_iter().unzip();
            let outputs: Vec<_> = outputs.into_iter().flatten().collect();
            let delivery = Delivery { id: id.clone(), base: base.clone(), outputs: outputs.clone() };
            let to = self.folder.stems.clone();
            let number = compute(move || {
                delivery.prepare(&to, &contents).map_err(|error| {
                    delivery.give_up(&to);
                    undelivered(error)
                })
            })
            .await?;
            taken.stage = Stage::Publishing { number, fate, outputs };
            self.commit(vec![taken.write()]).await?;
            self.ledger.put(taken.clone());
            crate::fault::strike("publishing");
        }
        let Stage::Publishing { number, fate, outputs } = taken.stage.clone() else { return Ok(true) };
        let delivery = Delivery { id, base, outputs };
        let to = self.folder.stems.clone();
        compute(move || delivery.publish(&to, number).map_err(undelivered)).await?;
        taken.stage = Stage::Done(fate);
        self.commit(vec![taken.write()]).await?;
        tracing::info!(job = ?taken.job.as_ref().map(|job| &job.0), ?fate, "delivered to a watched folder's output");
        self.ledger.put(taken);
        Ok(true)
    }

    /// How a file's job ended, and what is to be delivered; none while it goes on.
    async fn outcome(&self, taken: &Taken) -> Result<Option<(Fate, Vec<Part>)>> {
        let failed =
            |error: &Error| Some((Fate::Failed, vec![(None, Content::Text(words(&taken.name, error)))]));
        let Some(id) = &taken.job else {
            return Ok(taken.refused.as_ref().map_or(Some((Fate::Dropped, Vec::new())), failed));
        };
        let caller = Caller { uid: self.shown.borrow().owner, admin: true };
        let job = match self.jobs.call(Get(caller, id.clone())).await? {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Some((Fate::Dropped, Vec::new()))),
            job => job?,
        };
        Ok(match job.state {
            JobState::Cancelled => Some((Fate::Dropped, Vec::new())),
            JobState::Failed => {
                let unknown = || Error::new(ErrorKind::Internal, "the job failed without a reason");
                failed(&job.error.clone().unwrap_or_else(unknown))
            }
            JobState::Completed => {
                let out = self.parts.folders.job(id).out();
                let extension = job.options.format.extension();
                let stems = job.stems.iter().map(|(stem, file)| (stem.as_str(), extension, file));
                let manifest = job.manifest.iter().map(|file| ("manifest", "json", file));
                let part = |(stem, extension, file): (&str, &str, &String)| {
                    (Some((stem.to_owned(), extension.to_owned())), Content::File(out.join(file)))
                };
                Some((Fate::Delivered, stems.chain(manifest).map(part).collect()))
            }
            _ => None,
        })
    }
}

/// Stem and extension of a file that is delivered, if it is an output, and what it holds.
type Part = (Option<(String, String)>, Content);

/// Copies a file into a job's folder. False if it changed meanwhile.
async fn copy(file: std::fs::File, upload: &mut Upload, stamp: Stamp) -> Result<bool> {
    let unreadable = |error: io::Error| {
        Error::io(ErrorKind::AudioLoad, "a song in the watched folder cannot be read", &error)
    };
    let mut file = tokio::fs::File::from_std(file);
    let mut data = vec![0; 256 * 1024];
    let mut left = stamp.size;
    while left > 0 {
        let room = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match file.read(&mut data[..room]).await.map_err(unreadable)? {
            0 => return Ok(false),
            count => {
                upload.write(&data[..count]).await?;
                left -= count as u64;
            }
        }
    }
    let file = file.into_std().await;
    Ok(Stamp::of_file(&file).map_err(unreadable)? == stamp)
}

/// What stands in the place of stems that could not be made.
fn words(name: &str, error: &Error) -> String {
    let mut text = format!("{name}\nkind: {}\nmessage: {}\n", error.kind, error.message);
    error.causes.iter().for_each(|cause| text += &format!("caused by: {cause}\n"));
    error.hint.iter().for_each(|hint| text += &format!("hint: {hint}\n"));
    text
}

/// A path as text; where it is no UTF-8, with escapes.
fn text_of(path: &Path) -> String {
    path.to_str().map_or_else(|| path.as_os_str().as_encoded_bytes().escape_ascii().to_string(), Into::into)
}
