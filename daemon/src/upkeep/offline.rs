//! What can be done with the store while no daemon runs, also when it is too damaged for one.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    path::{Path, PathBuf},
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::{
    check::{Read, examine},
    import::{Prepared, occupied},
    start,
};
use crate::{
    folders::Folders,
    job::Record,
    store::{Entries, SledStore, Store, dump, salvage::salvage},
};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Offline {
    /// Write every record that can be read into this file; `-` is standard output.
    Export(PathBuf),
    /// Make a store of this file. One that holds jobs, or is damaged, is put aside if it is to be replaced.
    Import {
        /// The export.
        file: PathBuf,
        /// Whatever the store holds.
        replace: bool,
    },
    /// Look whether everything is there; `deep`: hash the outputs.
    Check {
        /// See [`CheckStore`](harmonix_ipc::CheckStore).
        deep: bool,
    },
}

/// Does it over a state directory, and says what it came to. False when it was done and not all is well.
///
/// # Errors
/// [`ErrorKind::Conflict`] while a daemon has the store open; [`ErrorKind::NotFound`] where there is none.
pub(crate) fn offline(state: &Path, what: &Offline) -> Result<(String, bool)> {
    let dir = state.join("store");
    let folders = Folders::open(state)
        .map_err(|error| Error::io(ErrorKind::Config, "state_dir cannot be used", &error))?;
    match what {
        Offline::Export(file) => export(&dir, file),
        Offline::Import { file, replace } => import(state, &folders, file, *replace),
        Offline::Check { deep } => check(&dir, &folders, *deep),
    }
}

/// What a store gave up, and what it did not.
struct Saved {
    records: Entries,
    commits: u64,
    lost: Vec<String>,
}

/// Reads a store: as it lies there, so that nothing is changed in it; as the daemon would, if that gives more.
fn read(dir: &Path) -> Result<Saved> {
    let found = {
        let _alone = lock(dir)?;
        salvage(dir).map_err(|error| unreadable(&error))?
    };
    if found.lost.is_empty() {
        return Ok(Saved { records: found.records, commits: found.commits, lost: Vec::new() });
    }
    let whole = || -> Result<Saved> {
        let mut store = SledStore::open(dir)?;
        let mut records = Entries::new();
        store.each(&mut |key, value| {
            records.push((key.into(), value.into()));
            Ok(())
        })?;
        Ok(Saved { records, commits: store.verify()?, lost: Vec::new() })
    };
    Ok(whole().unwrap_or(Saved { records: found.records, commits: found.commits, lost: found.lost }))
}

/// Keeps daemons away for as long as the file is held.
fn lock(dir: &Path) -> Result<File> {
    let file = File::open(dir.join("db")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("there is no store in {}", dir.display()))
                .hint("name the state directory with --state-dir or HARMONIX_STATE_DIR")
        }
        _ => unreadable(&error),
    })?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::new(ErrorKind::Conflict, "a harmonixd has the store open")
            .hint("stop it first, or use `harmonixctl store` while it runs"),
        _ => unreadable(&error.into()),
    })?;
    Ok(file)
}

fn export(dir: &Path, file: &Path) -> Result<(String, bool)> {
    let Saved { records, commits, lost } = read(dir)?;
    let count = if file == Path::new("-") {
        dump::write_saved(&records, commits, &lost, &mut io::stdout().lock())?
    } else {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        if file.exists() {
            return Err(Error::new(ErrorKind::Conflict, format!("{} is there already", file.display())));
        }
        let unwritten = |error: &io::Error| {
            Error::io(ErrorKind::InvalidRequest, format!("cannot write {}", file.display()), error)
        };
        let mut out = BufWriter::new(File::create(&part).map_err(|error| unwritten(&error))?);
        let count = dump::write_saved(&records, commits, &lost, &mut out)?;
        let publish = || -> io::Result<()> {
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            durable::publish(Path::new(&part), &std::path::absolute(file)?)
        };
        publish().map_err(|error| unwritten(&error))?;
        count
    };
    let mut text = format!("{count} records saved\n");
    lost.iter().for_each(|lost| text += &format!("lost: {lost}\n"));
    if !lost.is_empty() {
        text += "`harmonixd --store-import FILE --replace` makes a store of what was saved\n";
    }
    Ok((text, lost.is_empty()))
}

fn import(state: &Path, folders: &Folders, file: &Path, replace: bool) -> Result<(String, bool)> {
    let (dir, part) = (state.join("store"), state.join("store.part"));
    let unopened =
        |error: io::Error| Error::io(ErrorKind::NotFound, format!("cannot read {}", file.display()), &error);
    let input = File::open(file).map_err(unopened)?;
    let dump = dump::read(&mut BufReader::new(input))?;
    let lost = dump.header.lost.clone();
    let settled = Prepared::new(dump)?.settle(folders)?;

    let is_there = dir.join("db").exists();
    if is_there && !replace {
        let old = read(&dir)?;
        let jobs = old.records.iter().filter(|(key, _)| key.starts_with(Record::PREFIX)).count();
        if jobs > 0 {
            return Err(occupied(jobs));
        }
        if !old.lost.is_empty() {
            return Err(Error::new(ErrorKind::Conflict, "the store is damaged")
                .hint("`--store-export FILE` saves what can be read; `--replace` puts the store aside"));
        }
    }
    let _alone = if is_there { Some(lock(&dir)?) } else { None };
    let failed =
        |error: io::Error| Error::io(ErrorKind::Internal, "the new store cannot be put in place", &error);
    remove(&part).map_err(failed)?;
    let imported = {
        let mut store = SledStore::open(&part)?;
        let imported = settled.apply(&mut store, folders, false)?;
        start::sign(&mut store)?;
        imported
    };
    let aside = swap(&part, &dir).map_err(failed)?;

    let mut text = format!("{} records imported, {} of them jobs\n", imported.records, imported.jobs);
    let mut tell = |ids: &[harmonix_ipc::JobId], what: &str| {
        if !ids.is_empty() {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            text += &format!("{}: {what}\n", ids.join(", "));
        }
    };
    tell(&imported.incomplete, "failed, for their files are not here");
    tell(&imported.restarted, "begin again, for what they had computed is not here");
    tell(&imported.strays, "unknown: their folders were put into `strays`");
    lost.iter().for_each(|lost| text += &format!("lost before: {lost}\n"));
    if let Some(aside) = aside {
        text += &format!("the store that was there is {}\n", aside.display());
    }
    Ok((text, true))
}

/// Puts a new store into its place. Where the one is that was there before.
fn swap(part: &Path, dir: &Path) -> io::Result<Option<PathBuf>> {
    let parent = dir.parent().unwrap_or(Path::new("/"));
    if !dir.exists() {
        durable::publish(part, dir)?;
        return Ok(None);
    }
    let old = (1..).map(|number| parent.join(format!("store.old-{number}"))).find(|path| !path.exists());
    let old = old.ok_or(io::ErrorKind::AlreadyExists)?;
    // at no moment there is no store
    match renameat_with(CWD, part, CWD, dir, RenameFlags::EXCHANGE) {
        Ok(()) => durable::publish(part, &old)?,
        Err(_) => {
            durable::publish(dir, &old)?;
            durable::publish(part, dir)?;
        }
    }
    Ok(Some(old))
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn check(dir: &Path, folders: &Folders, deep: bool) -> Result<(String, bool)> {
    let Saved { records, commits, lost } = read(dir)?;
    let damage = (!lost.is_empty()).then(|| {
        let error = Error::new(ErrorKind::Internal, "the store is damaged");
        lost.iter().fold(error, |error, lost| error.cause(format!("lost: {lost}")))
    });
    let (mut report, seen) = examine(Read { records, commits, damage }, folders, deep);
    report.problems.extend(seen.into_iter().map(|(problem, _)| problem));
    let mut text = format!(
        "{} records, {} of them jobs, {} files looked at\n",
        report.records, report.jobs, report.files
    );
    for problem in &report.problems {
        let job = problem.job.as_ref().map_or(String::new(), |job| format!("job {job}: "));
        text += &format!("{job}{}\n  remedy: {}\n", problem.found, problem.remedy);
    }
    Ok((text, report.problems.is_empty()))
}

fn unreadable(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the store cannot be read", error)
}
