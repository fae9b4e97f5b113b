//! What the library knows: whose songs there are, and what was done lately. Pure: no actor, no file.

mod activity;
mod fold;
mod news;
#[cfg(test)]
mod tests;
mod track;

use std::collections::{BTreeMap, HashMap, HashSet};

use harmonix_ipc::{
    Activity, Deed, EditTrack, Error, ErrorKind, JobId, ListTracks, Result, Stats, Track, TrackId, TrackList,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::activity::Log;
pub use self::{
    fold::Words,
    news::{Completed, News},
};
use crate::{caller::Caller, store::Write};

/// Version of the stored records that this daemon writes. Every older one opens for ever.
const VERSION: u32 = 1;

/// What the keys of all tracks begin with.
pub const TRACKS: &str = "track/";

/// What the keys of the activity log begin with.
pub const ACTIVITY: &str = "activity/";

/// Most entries in one reply.
const PAGE: usize = 1000;

/// Entries in a reply that does not say how many.
const DEFAULT_PAGE: usize = 100;

/// A record as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    v: u32,
    #[serde(flatten)]
    record: T,
}

/// Songs and log of all users.
#[derive(Debug, Default)]
pub struct Library {
    tracks: BTreeMap<TrackId, Track>,
    /// The track of each job that holds files of one.
    links: HashMap<JobId, TrackId>,
    log: Log,
}

impl Library {
    /// Takes what the store holds under [`TRACKS`] and [`ACTIVITY`]. A record that cannot be read is skipped, and said.
    pub fn load(stored: Vec<(String, Vec<u8>)>) -> Self {
        let mut library = Self::default();
        for (key, bytes) in stored {
            if key.starts_with(TRACKS) {
                read(&key, &bytes).into_iter().for_each(|track| library.insert(track));
            } else {
                read(&key, &bytes).into_iter().for_each(|entry| library.log.load(&key, entry));
            }
        }
        library
    }

    fn insert(&mut self, track: Track) {
        for job in &track.jobs {
            self.links.insert(job.id.clone(), track.id.clone());
        }
        self.tracks.insert(track.id.clone(), track);
    }

    /// Takes in what happened to a job; returns what has to be stored for it.
    pub fn take(&mut self, news: News, at: f64) -> Vec<Write> {
        let mut writes = Vec::new();
        let mut about = self.links.get(&news.job).cloned();
        if let Some(completed) = news.completed {
            about = Some(completed.track());
            writes.push(self.link(*completed, at));
        }
        if matches!(news.deed, Deed::Deleted | Deed::Expired) {
            writes.extend(self.unlink(&news.job));
        }
        let News { deed, job, owner, name, .. } = news;
        writes.extend(self.log.add(Activity { at, owner, deed, job: Some(job), track: about, name }));
        writes
    }

    /// Makes tracks of completed jobs that have none, as in a store that is older than the library, and forgets jobs
    /// that are gone.
    pub fn reconcile(&mut self, completed: Vec<Completed>) -> Vec<Write> {
        let there: HashSet<_> = completed.iter().map(|completed| completed.job.id.clone()).collect();
        let gone: Vec<_> = self.links.keys().filter(|job| !there.contains(*job)).cloned().collect();
        let mut writes: Vec<_> = gone.iter().filter_map(|job| self.unlink(job)).collect();
        for completed in completed {
            if !self.links.contains_key(&completed.job.id) {
                let at = completed.at;
                writes.push(self.link(completed, at));
            }
        }
        writes
    }

    fn link(&mut self, completed: Completed, at: f64) -> Write {
        let id = completed.track();
        self.links.insert(completed.job.id.clone(), id.clone());
        let track = match self.tracks.remove(&id) {
            Some(track) => track::used(track, completed, at),
            None => track::new(id.clone(), completed, at),
        };
        let write = put(&track);
        self.tracks.insert(id, track);
        write
    }

    fn unlink(&mut self, job: &JobId) -> Option<Write> {
        let track = self.tracks.get_mut(&self.links.remove(job)?)?;
        track.jobs.retain(|known| known.id != *job);
        track.archived |= track.jobs.is_empty();
        Some(put(track))
    }

    /// The track, if it exists for the caller.
    pub fn seen(&self, caller: Caller, id: &TrackId) -> Result<&Track> {
        let track = self.tracks.get(id).filter(|track| caller.sees(track.owner));
        track.ok_or_else(|| {
            let shown: String = id.0.chars().filter(char::is_ascii_graphic).take(40).collect();
            Error::new(ErrorKind::NotFound, format!("no song {shown}"))
                .hint("`harmonixctl library` lists them")
        })
    }

    /// The track that a job's files are of.
    pub fn track_of(&self, job: &JobId) -> Option<&TrackId> {
        self.links.get(job)
    }

    /// Changes what is known of a track; returns it with what has to be stored.
    pub fn edit(&mut self, caller: Caller, edit: &EditTrack, at: f64) -> Result<(Track, Vec<Write>)> {
        let mut track = self.seen(caller, &edit.track)?.clone();
        let deed = track::edit(&mut track, edit, at)?;
        let mut writes = vec![put(&track)];
        let (owner, name, about) = (track.owner, track.name.clone(), Some(track.id.clone()));
        writes.extend(self.log.add(Activity { at, owner, deed, job: None, track: about, name }));
        self.tracks.insert(track.id.clone(), track.clone());
        Ok((track, writes))
    }

    /// Forgets a track whose jobs are gone; returns what has to be stored.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while it has jobs.
    pub fn forget(&mut self, caller: Caller, id: &TrackId, at: f64) -> Result<Vec<Write>> {
        let track = self.seen(caller, id)?;
        if let Some(job) = track.jobs.first() {
            let message = format!("song {id} has job {} meanwhile", job.id);
            return Err(Error::new(ErrorKind::Conflict, message).hint("purge it again"));
        }
        let (owner, name) = (track.owner, track.name.clone());
        self.tracks.remove(id);
        let mut writes = vec![Write::Delete(key(id))];
        let about = Some(id.clone());
        writes.extend(self.log.add(Activity {
            at,
            owner,
            deed: Deed::Purged,
            job: None,
            track: about,
            name,
        }));
        Ok(writes)
    }

    /// A page of the tracks that the caller sees, newest first.
    pub fn list(&self, caller: Caller, list: &ListTracks) -> TrackList {
        let words = Words::new(list.text.as_deref().unwrap_or_default());
        let tags: Vec<_> = list.tags.iter().map(|tag| fold::fold(tag)).collect();
        let mut found: Vec<_> = self
            .tracks
            .values()
            .filter(|track| caller.sees(track.owner) && track.archived == list.archived)
            .filter(|track| track.favourite || !list.favourite)
            .filter(|track| tags.iter().all(|tag| track.tags.iter().any(|has| fold::fold(has) == *tag)))
            .filter(|track| words.are_in(track::texts(track)))
            .collect();
        found.sort_by(|a, b| b.used_at.total_cmp(&a.used_at).then_with(|| b.id.cmp(&a.id)));
        let (page, total) = page(&found, list.limit, list.page);
        TrackList { tracks: page.iter().map(|track| (*track).clone()).collect(), total }
    }

    /// The newest entries of the log that the caller sees.
    pub fn activity(&self, caller: Caller, limit: Option<usize>) -> Vec<Activity> {
        self.log.newest(|owner| caller.sees(owner), limit.unwrap_or(DEFAULT_PAGE).min(PAGE))
    }

    /// Jobs that retention leaves alone.
    pub fn protected(&self) -> HashSet<JobId> {
        let favourites = self.tracks.values().filter(|track| track.favourite);
        favourites.flat_map(|track| track.jobs.iter().map(|job| job.id.clone())).collect()
    }

    /// Counts the tracks that the caller sees.
    pub fn count(&self, caller: Caller, stats: &mut Stats) {
        for track in self.tracks.values().filter(|track| caller.sees(track.owner)) {
            *(if track.archived { &mut stats.archived } else { &mut stats.tracks }) += 1;
            stats.favourites += usize::from(track.favourite);
        }
    }
}

/// A page of `all`, and how many there are.
pub fn page<T>(all: &[T], limit: Option<usize>, page: Option<usize>) -> (&[T], usize) {
    let limit = limit.unwrap_or(DEFAULT_PAGE).min(PAGE);
    let from = page.unwrap_or(1).saturating_sub(1).saturating_mul(limit).min(all.len());
    (&all[from..(from + limit).min(all.len())], all.len())
}

/// A name that people may give to a thing.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] when it is empty, too long, or no text.
pub fn check_name(name: &str) -> Result<()> {
    text(name, 1000, "a name")
}

fn text(text: &str, limit: usize, what: &str) -> Result<()> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > limit || text.chars().any(char::is_control) {
        let message = format!("{what} has 1 to {limit} characters and no control characters");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    Ok(())
}

fn key(id: &TrackId) -> String {
    format!("{TRACKS}{id}")
}

fn put(track: &Track) -> Write {
    Write::Put(key(&track.id), write(track))
}

fn write(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&Stored { v: VERSION, record }).unwrap_or_default()
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Option<T> {
    let stored = serde_json::from_slice::<Stored<T>>(bytes);
    match stored {
        Ok(Stored { v: 1..=VERSION, record }) => return Some(record),
        Ok(Stored { v, .. }) => {
            tracing::error!(key, version = v, "stored record is of another version, skipped");
        }
        Err(error) => tracing::error!(key, %error, "stored record skipped"),
    }
    None
}
