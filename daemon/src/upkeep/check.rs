//! Looking through the store: is everything in it, can it be read, and are the files there that it speaks of?

use harmonix_ipc::{Error, JobId, Result, StoreProblem, StoreReport};

use super::files::{Files, look};
use crate::{
    actors::{
        Slot, compute,
        library::{LibraryActor, OnStore, Scan},
    },
    folders::Folders,
    job::Record,
    store::{Entries, Store},
};

/// A problem, and the record that it was seen in.
type Seen = (StoreProblem, Option<Vec<u8>>);

/// Looks through the store of a daemon that runs. What changes meanwhile is no problem.
pub(crate) async fn check(
    library: &Slot<LibraryActor>,
    folders: &Folders,
    deep: bool,
) -> Result<StoreReport> {
    let read = library.run(OnStore::new(|store: &mut dyn Store| Ok(read(store)))).await??;
    let folders = folders.clone();
    let (mut report, seen) = compute(move || Ok(examine(read, &folders, deep))).await?;
    let jobs = library.run(Scan(Record::PREFIX)).await??;
    let is_so_still = |bytes: &Vec<u8>| jobs.iter().any(|(_, now)| now == bytes);
    let still = seen.into_iter().filter(|(_, bytes)| bytes.as_ref().is_none_or(is_so_still));
    report.problems.extend(still.map(|(problem, _)| problem));
    Ok(report)
}

/// What a store gave up.
pub(super) struct Read {
    pub(super) records: Entries,
    pub(super) commits: u64,
    /// Why it is not believed to be whole.
    pub(super) damage: Option<Error>,
}

fn read(store: &mut dyn Store) -> Read {
    let (commits, mut damage) = match store.verify() {
        Ok(commits) => (commits, None),
        Err(error) => (0, Some(error)),
    };
    let mut records = Entries::new();
    let all = store.each(&mut |key, value| {
        records.push((key.into(), value.into()));
        Ok(())
    });
    damage = damage.or(all.err());
    Read { records, commits, damage }
}

/// Looks at every record and its files. Problems that may be gone by now come with their record.
pub(super) fn examine(read: Read, folders: &Folders, deep: bool) -> (StoreReport, Vec<Seen>) {
    let Read { records, commits, damage } = read;
    let mut report = StoreReport { records: records.len(), commits, deep, ..StoreReport::default() };
    let mut seen = Vec::new();
    if let Some(error) = damage {
        let found = error.causes.iter().fold(error.message, |all, cause| format!("{all}: {cause}"));
        let remedy = "stop the daemon; `harmonixd --store-export FILE` saves what can be read, \
                      `harmonixd --store-import FILE --replace` makes a store of it, or of a backup";
        report.problems.push(StoreProblem { job: None, found, remedy: remedy.into() });
    }
    for (key, bytes) in records {
        if !key.starts_with(Record::PREFIX) {
            continue;
        }
        report.jobs += 1;
        let (job, found, remedy): (Option<JobId>, String, String) = match Record::from_bytes(&bytes) {
            Err(error) => {
                let found = error.causes.iter().fold(error.message, |all, cause| format!("{all}: {cause}"));
                let remedy = error.hint.unwrap_or_else(|| "import a backup".into());
                (None, format!("record {key}: {found}"), remedy)
            }
            Ok(record) => {
                let id = record.job.id.clone();
                let (found, remedy) = match look(&record, &folders.job(&id), deep) {
                    Files::Whole(files) => {
                        report.files += files;
                        continue;
                    }
                    Files::Restart(why) => (
                        format!("{}, and {why}", record.job.state),
                        "`harmonixctl cancel` it and submit the song again",
                    ),
                    Files::Lost(why) if record.job.state.is_final() => (
                        format!("{}, and {why}", record.job.state),
                        "`harmonixctl delete` it and submit the song again",
                    ),
                    Files::Lost(why) => (
                        format!("{}, and {why}", record.job.state),
                        "`harmonixctl cancel` it and submit the song again",
                    ),
                };
                (Some(id), found, remedy.into())
            }
        };
        seen.push((StoreProblem { job, found, remedy }, Some(bytes)));
    }
    (report, seen)
}
