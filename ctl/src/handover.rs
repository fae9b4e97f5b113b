//! Brings a job's outputs into a folder: all of them under their names, or none.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use harmonix_ipc::{
    Client, ErrorKind, Fetch, Job, JobState,
    client::ClientError,
    names::{Base, PART},
};

use crate::{context::Context, failure::Failure, ours::Ours};

/// The manifest's name among a job's outputs.
const MANIFEST: &str = "manifest";
/// So many numbers are tried before a name counts as not to be had.
const NUMBERS: u32 = 9_999;

/// Where outputs go.
pub(crate) struct Target<'a> {
    /// An existing folder.
    pub(crate) folder: &'a Path,
    /// What the files' names begin with; the next free number is taken unless `force`.
    pub(crate) base: Base,
    /// Overwrite what is there.
    pub(crate) force: bool,
}

/// Makes the folder if needed and returns its absolute path.
pub(crate) fn folder(path: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(path)
        .and_then(|()| fs::canonicalize(path))
        .map_err(|error| Failure::file(format!("cannot make the folder {}", path.display()), &error))
}

/// Fetches a completed job's outputs, only those in `stems` if given, and its manifest. Returns the job with the
/// paths where they lie.
pub(crate) fn deliver(
    ctx: &Context,
    job: &Job,
    stems: Option<&[String]>,
    target: &Target<'_>,
) -> Result<Job, Failure> {
    let outputs = outputs(job, stems)?;
    let parts = Parts::reserve(&ctx.ours, &outputs, target)?;
    let mut client = ctx.connect()?;
    for (output, part) in outputs.iter().zip(&parts.files) {
        fetch(&mut client, job, output, part)?;
    }
    parts.publish(target)?;
    let mut delivered = job.clone();
    delivered.stems.retain(|stem, _| outputs.iter().any(|output| output.name == *stem));
    for (output, part) in outputs.iter().zip(&parts.files) {
        let path = part.path.to_string_lossy().into_owned();
        if output.is_manifest {
            delivered.manifest = Some(path);
        } else {
            delivered.stems.insert(output.name.clone(), path);
        }
    }
    Ok(delivered)
}

struct Output {
    name: String,
    extension: &'static str,
    is_manifest: bool,
    bytes: Option<u64>,
}

fn outputs(job: &Job, stems: Option<&[String]>) -> Result<Vec<Output>, Failure> {
    if job.state != JobState::Completed {
        let failure = Failure::here(ErrorKind::Conflict, format!("the job is {}, not completed", job.state));
        return Err(failure.hint(format!("`harmonixctl watch {}` waits for its end", job.id)));
    }
    if let Some(missing) = stems.unwrap_or_default().iter().find(|stem| !job.stems.contains_key(*stem)) {
        let names: Vec<_> = job.stems.keys().map(String::as_str).collect();
        let failure = Failure::here(ErrorKind::NotFound, format!("the job has no stem {missing}"));
        return Err(failure.hint(format!("it has {}", names.join(", "))));
    }
    let wanted = job.stems.keys().filter(|name| stems.is_none_or(|stems| stems.contains(name)));
    let mut outputs: Vec<_> = wanted
        .map(|name| Output {
            name: name.clone(),
            extension: job.options.format.extension(),
            is_manifest: false,
            bytes: job.files.iter().find(|file| file.stem == *name).map(|file| file.bytes),
        })
        .collect();
    outputs.push(Output { name: MANIFEST.into(), extension: "json", is_manifest: true, bytes: None });
    Ok(outputs)
}

fn fetch(client: &mut Client, job: &Job, output: &Output, part: &Part) -> Result<(), Failure> {
    let unwritten = |error: &_| Failure::file(format!("cannot write {}", part.path.display()), error);
    let mut writer = BufWriter::with_capacity(1 << 18, &part.file);
    let request = Fetch { job: job.id.clone(), output: output.name.clone() };
    let head = client.fetch(request, &mut writer).map_err(|error| match error {
        ClientError::Local(error) => unwritten(&error),
        error => Failure::from(error)
            .cause(format!("while fetching {} of job {}", output.name, job.id))
            .hint(format!("the job is kept: `harmonixctl export {}`", job.id)),
    })?;
    writer.flush().map_err(|error| unwritten(&error))?;
    drop(writer);
    if let Some(bytes) = output.bytes.filter(|bytes| *bytes != head.bytes) {
        let words = format!("{} came with {} bytes, its job says {bytes}", output.name, head.bytes);
        return Err(Failure::here(ErrorKind::Internal, words));
    }
    part.file.sync_all().map_err(|error| unwritten(&error))
}

/// Unfinished files, removed again unless they are published.
struct Parts<'a> {
    ours: &'a Ours,
    files: Vec<Part>,
}

struct Part {
    file: File,
    part: PathBuf,
    path: PathBuf,
}

impl<'a> Parts<'a> {
    /// Takes the first number under which every name is free.
    ///
    /// An unfinished file keeps its number from other calls, and it is made before the finished names are looked at:
    /// whoever published them in between is seen.
    fn reserve(ours: &'a Ours, outputs: &[Output], target: &Target<'_>) -> Result<Self, Failure> {
        let mut base = target.base.clone();
        for _ in 0..NUMBERS {
            if let Some(parts) = Self::try_reserve(ours, outputs, target, &base)? {
                return Ok(parts);
            }
            base = base.next();
        }
        let words = format!("no free name for the stems in {}", target.folder.display());
        Err(Failure::here(ErrorKind::Conflict, words).hint("choose another folder with --output"))
    }

    fn try_reserve(
        ours: &'a Ours,
        outputs: &[Output],
        target: &Target<'_>,
        base: &Base,
    ) -> Result<Option<Self>, Failure> {
        let mut parts = Self { ours, files: Vec::with_capacity(outputs.len()) };
        for output in outputs {
            let path = target.folder.join(base.file(&output.name, output.extension));
            let mut part = path.clone().into_os_string();
            part.push(PART);
            let part = PathBuf::from(part);
            if target.force {
                // left over from a call that was killed
                let _ = fs::remove_file(&part);
            }
            match ours.create_part(&part) {
                Ok(file) => parts.files.push(Part { file, part, path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
                Err(error) => return Err(Failure::file(format!("cannot write {}", path.display()), &error)),
            }
        }
        let taken = parts.files.iter().any(|part| part.path.symlink_metadata().is_ok());
        Ok((target.force || !taken).then_some(parts))
    }

    fn publish(&self, target: &Target<'_>) -> Result<(), Failure> {
        let names = self.files.iter().map(|part| (part.part.as_path(), part.path.as_path()));
        self.ours
            .publish(names, target.force)
            .map_err(|error| Failure::file("cannot give the stems their names", &error))?;
        // makes the names durable where the folder may be read; the files themselves already are
        let _ = File::open(target.folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        for part in &self.files {
            self.ours.remove_part(&part.part);
        }
    }
}
