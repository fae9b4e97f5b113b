//! A job whose whole answer is there already, and room on the disk for one whose answer is not.

use std::{fs, io};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, JobId, Result};

use crate::{cache::Cache, folders::JobFolder, manifest::MANIFEST};

/// Gives a job the outputs of another one of the same request: hard links, and a manifest with its own id.
///
/// False if they are not there any more.
pub(crate) fn outputs(
    from: &JobFolder,
    old: &JobId,
    to: &JobFolder,
    new: &JobId,
    files: &[String],
) -> Result<bool> {
    let part = to.out().with_extension("part");
    let link = || -> io::Result<()> {
        fs::create_dir(&part)?;
        for file in files {
            fs::hard_link(from.out().join(file), part.join(file))?;
        }
        // an analysis alone has none
        if from.out().join(MANIFEST).exists() {
            let manifest = fs::read_to_string(from.out().join(MANIFEST))?;
            let named = |id: &JobId| format!("\"job\": \"{id}\"");
            let manifest = manifest.replacen(&named(old), &named(new), 1);
            durable::write_file(&part.join(MANIFEST), manifest.as_bytes())?;
        }
        durable::publish(&part, &to.out())
    };
    let linked = link();
    if linked.is_err() {
        to.forget_unfinished().map_err(|error| failed(&error))?;
    }
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the outputs cannot be handed on", error)
}

/// Sees to it that `bytes` more can be written for a job and `reserve` bytes stay free, by letting kept stems go.
///
/// # Errors
/// [`ErrorKind::DiskFull`] with both numbers if there is no room all the same.
pub(crate) fn make_room(cache: &Cache, folder: &JobFolder, bytes: u64, reserve: u64) -> Result<()> {
    let unknown = |error: io::Error| Error::io(ErrorKind::Internal, "the free space is not known", &error);
    let available = || -> io::Result<u64> {
        let disk = rustix::fs::statvfs(folder.path())?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(reserve))
    };
    let short = |free: u64| bytes.saturating_sub(free);
    let missing = short(available().map_err(unknown)?);
    if missing == 0 {
        return Ok(());
    }
    let kept = cache.usage().map_err(unknown)?.bytes;
    cache.shrink_to(kept.saturating_sub(missing)).map_err(unknown)?;
    let free = available().map_err(unknown)?;
    if short(free) == 0 {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let message = format!("the job needs {} MB more, {} MB are free", megabytes(bytes), megabytes(free));
    Err(Error::new(ErrorKind::DiskFull, message)
        .hint("delete jobs that are not needed any more, or give state_dir a larger disk"))
}
