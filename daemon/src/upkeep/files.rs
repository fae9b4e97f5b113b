//! Whether the files are there that a job's record speaks of.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use harmonix_ipc::{JobId, JobState};

use crate::{
    audio::{MIX, SOURCE},
    folders::{ANALYSIS, JobFolder},
    job::{Record, Step, next_step},
};

/// How it stands with a job's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Files {
    /// Everything is there; so many files were looked at.
    Whole(usize),
    /// The input is there, and what finished stages left is not: the job has to begin again.
    Restart(String),
    /// Something is not there that nothing can bring back.
    Lost(String),
}

/// Looks at a job's files: at their digests if `deep`, else at their sizes.
pub(super) fn look(record: &Record, folder: &JobFolder, deep: bool) -> Files {
    match record.job.state {
        JobState::Completed => outputs(record, folder, deep).map_or_else(Files::Lost, Files::Whole),
        _ => match next_step_if_resumed(record) {
            Some(step) => work(record, folder, step),
            None => Files::Whole(0),
        },
    }
}

/// The next step of a job that has not ended, also of one that is held.
fn next_step_if_resumed(record: &Record) -> Option<Step> {
    let mut record = record.clone();
    if record.job.state == JobState::Paused {
        record.job.state = JobState::Queued;
    }
    next_step(&record)
}

/// The files that a completed job promises.
fn outputs(record: &Record, folder: &JobFolder, deep: bool) -> Result<usize, String> {
    let (job, out) = (&record.job, folder.out());
    for file in &job.files {
        let path = out.join(&file.file);
        let found = present(&path).map_err(|why| format!("{}: {why}", file.file))?;
        if found != file.bytes {
            return Err(format!("{} has {found} bytes instead of {}", file.file, file.bytes));
        }
        if deep && digest(&path).map_err(|error| format!("{}: {error}", file.file))? != file.blake3 {
            return Err(format!("{} was changed: its digest is another one", file.file));
        }
    }
    let known = |name: &&String| !job.files.iter().any(|file| file.file == **name);
    let analysed = job.analysis.as_ref().is_some_and(|analysis| analysis.get("error").is_none());
    let analysis = analysed.then(|| ANALYSIS.to_owned());
    let others: Vec<_> = job.stems.values().filter(known).chain(&job.manifest).chain(&analysis).collect();
    for name in &others {
        present(&out.join(name)).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(job.files.len() + others.len())
}

/// The files that a job's next stage needs.
fn work(record: &Record, folder: &JobFolder, step: Step) -> Files {
    let source = present(&folder.source());
    let spools: Vec<PathBuf> = match step {
        Step::Ingest => Vec::new(),
        Step::Analyze | Step::Separate => vec![folder.work().join(SOURCE), folder.work().join(MIX)],
        Step::Export => {
            let sources = record.separated.iter().flat_map(|separated| &separated.model.sources);
            let stems = sources.map(|source| folder.stems().join(format!("{source}.f32")));
            stems.chain([folder.work().join(SOURCE)]).collect()
        }
    };
    let missing = spools.iter().find(|path| present(path).is_err());
    match (source, missing) {
        (Ok(_), None) => Files::Whole(spools.len() + 1),
        (Ok(_), Some(path)) => Files::Restart(format!("{} is not there", name(path))),
        // it is needed no more, unless something goes wrong again
        (Err(_), None) if step != Step::Ingest => Files::Whole(spools.len()),
        (Err(why), _) => Files::Lost(format!("the input: {why}")),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The bytes of a file.
fn present(path: &Path) -> Result<u64, String> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(meta.len()),
        Ok(_) => Err("it is no file".into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err("it is not there".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Whether names that become paths are what the daemon makes: a record from elsewhere must not lead out of its folder.
pub(super) fn is_tame(record: &Record) -> bool {
    let job = &record.job;
    let plain = |name: &String| {
        !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']) && name.len() <= 255
    };
    let sources = record.separated.iter().flat_map(|separated| &separated.model.sources);
    let names = job.stems.values().chain(&job.manifest).chain(job.files.iter().map(|file| &file.file));
    is_id(&job.id) && names.chain(sources).all(plain)
}

/// Whether it looks like an id.
fn is_id(id: &JobId) -> bool {
    (1..=64).contains(&id.0.len()) && id.0.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
