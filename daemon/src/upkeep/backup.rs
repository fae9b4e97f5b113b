//! Backups: exports beside the store, one a day and one before anything that changes all of it.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Seek},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, JobId, Result, StoreBackup};

use crate::{
    actors::{
        Slot, compute,
        jobs::Parts,
        library::{LibraryActor, OnStore},
    },
    job::{new_id, now},
    store::{Store, dump},
};

/// A backup is as old as this at most.
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// How often it is asked whether one is due; that costs no look at the disk.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Where backups lie, and how many.
#[derive(Debug, Clone)]
pub struct Backups {
    dir: PathBuf,
    keep: usize,
}

/// A backup: its number, and its file.
type Numbered = (u64, PathBuf);

impl Backups {
    /// The backups in a folder, which is made. What a crash left half done is removed.
    pub fn open(dir: PathBuf, keep: usize) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self { dir, keep })
    }

    /// A file for something that is on its way in.
    pub(crate) fn incoming(&self, id: &JobId) -> PathBuf {
        self.dir.join(format!("incoming-{id}.part"))
    }

    /// An open file that has no name any more: it goes with whoever reads it.
    fn scratch(&self, id: &JobId) -> io::Result<File> {
        let path = self.dir.join(format!("export-{id}.part"));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(path)?;
        Ok(file)
    }

    /// Every record as it is now, in a file without a name: it is at its beginning, and has so many bytes.
    pub(crate) async fn export(&self, library: &Slot<LibraryActor>) -> Result<(File, u64)> {
        let (backups, id) = (self.clone(), new_id()?);
        let export = move |store: &mut dyn Store| {
            let unwritten =
                |error: io::Error| Error::io(ErrorKind::Internal, "the export cannot be written", &error);
            let mut out = BufWriter::with_capacity(BUFFER, backups.scratch(&id).map_err(unwritten)?);
            dump::write(store, &mut out)?;
            let mut file = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
            let bytes = file.stream_position().map_err(unwritten)?;
            file.rewind().map_err(unwritten)?;
            Ok((file, bytes))
        };
        library.run(OnStore::new(export)).await?
    }

    /// Writes a backup, through the thread that owns the store. Nothing happens where none are kept, or for a store that
    /// holds nothing.
    pub(crate) async fn back_up(&self, library: &Slot<LibraryActor>) -> Result<Option<StoreBackup>> {
        let backups = self.clone();
        let write = move |store: &mut dyn Store| backups.write(store);
        let Some(written) = library.run(OnStore::new(write)).await?? else { return Ok(None) };
        let backups = self.clone();
        compute(move || backups.publish(written)).await.map(Some)
    }

    /// The same where no thread owns the store yet.
    pub(crate) fn back_up_now(&self, store: &mut dyn Store) -> Result<Option<StoreBackup>> {
        self.write(store)?.map(|written| self.publish(written)).transpose()
    }

    /// Writes the file; it is not durable yet, and has no name.
    fn write(&self, store: &mut dyn Store) -> Result<Option<Written>> {
        let mut is_empty = true;
        store.each(&mut |_, _| {
            is_empty = false;
            Ok(())
        })?;
        if self.keep == 0 || is_empty {
            return Ok(None);
        }
        let number = self.list().map_err(|error| failed(&error))?.last().map_or(0, |(number, _)| *number) + 1;
        let path = self.dir.join(format!("store-{number:08}-{}.jsonl", stamp(now())));
        let part = path.with_extension("part");
        let file = File::create(&part).map_err(|error| failed(&error))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        let records = dump::write(store, &mut out).inspect_err(|_| drop(fs::remove_file(&part)))?;
        let file = out.into_inner().map_err(|error| failed(error.error()))?;
        Ok(Some(Written { file, part, path, records }))
    }

    /// Makes it durable, gives it its name, and lets the oldest go.
    fn publish(&self, written: Written) -> Result<StoreBackup> {
        let Written { file, part, path, records } = written;
        let publish = || -> io::Result<StoreBackup> {
            file.sync_all()?;
            let bytes = file.metadata()?.len();
            durable::publish(&part, &path)?;
            let all = self.list()?;
            let (old, kept) = all.split_at(all.len().saturating_sub(self.keep));
            old.iter().try_for_each(|(_, path)| fs::remove_file(path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(StoreBackup { name, bytes, records, kept: kept.len() })
        };
        let backup =
            publish().map_err(|error| failed(&error)).inspect_err(|_| drop(fs::remove_file(&part)))?;
        tracing::info!(backup = backup.name, records, kept = backup.kept, "store backed up");
        Ok(backup)
    }

    /// Every backup, oldest first: by number, which no clock can turn back.
    fn list(&self) -> io::Result<Vec<Numbered>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            all.extend(number(&path).map(|number| (number, path)));
        }
        all.sort();
        Ok(all)
    }

    /// When the next one is due. A newest one from the future is from a clock that was wrong.
    fn due(&self) -> io::Result<SystemTime> {
        let now = SystemTime::now();
        let Some((_, newest)) = self.list()?.pop() else { return Ok(now) };
        // by what it says itself: whoever copies files changes their times
        let written = dump::created_at(&mut BufReader::new(File::open(newest)?));
        let written =
            written.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?));
        Ok(written.filter(|written| *written <= now + EVERY).map_or(now, |written| written + EVERY))
    }
}

struct Written {
    file: File,
    part: PathBuf,
    path: PathBuf,
    records: usize,
}

/// The number of a backup by its name.
fn number(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_prefix("store-")?.strip_suffix(".jsonl")?;
    name.split('-').next()?.parse().ok()
}

/// A time for people: `20261125T091649Z`.
fn stamp(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    // days from the civil calendar, after Howard Hinnant's `civil_from_days`
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Writes one backup a day, for ever.
pub async fn daily(parts: Parts) {
    let mut due = UNIX_EPOCH;
    loop {
        // a clock that was turned back by more than that makes no difference
        let now = SystemTime::now();
        if now >= due || due > now + EVERY {
            if let Err(error) = if_due(&parts).await {
                tracing::error!(error = %error, causes = ?error.causes, "the store is not backed up");
            }
            let next = parts.backups.due().unwrap_or(UNIX_EPOCH);
            // what fails, or has nothing to do, is tried again within the hour
            due = next.max(now + EVERY / 24);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn if_due(parts: &Parts) -> Result<()> {
    let due = parts.backups.due().map_err(|error| failed(&error))?;
    if SystemTime::now() < due {
        return Ok(());
    }
    parts.backups.back_up(&parts.library).await.map(drop)
}

fn failed(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the backup cannot be written", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |seconds: u64| stamp(seconds as f64);
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_795_598_209), "20261125T091649Z");
        assert_eq!(at(4_107_542_399), "21000228T235959Z");
        assert_eq!(at(4_107_542_400), "21000301T000000Z");
    }

    #[test]
    fn only_backups_have_numbers() {
        assert_eq!(number(Path::new("x/store-00000012-20261125T091649Z.jsonl")), Some(12));
        for other in ["store-12.part", "store-x-1.jsonl", "notes.jsonl", "store-00000012-1.jsonl.old"] {
            assert_eq!(number(Path::new(other)), None, "{other}");
        }
    }
}
