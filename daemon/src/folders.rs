//! Where a job's files lie. Names here are ids and fixed words; a user's name never becomes a path.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use harmonix_ipc::JobId;

/// File name of what the analysis found.
pub const ANALYSIS: &str = "analysis.json";

/// The folder of all jobs.
#[derive(Debug, Clone)]
pub struct Folders {
    jobs: PathBuf,
    strays: PathBuf,
}

/// The folder of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder(PathBuf);

/// What stays of a job that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its outputs and the manifest.
    pub outputs: bool,
    /// The input as it was sent.
    pub source: bool,
}

impl Folders {
    /// The jobs under a state directory; creates what is missing.
    pub fn open(state: &Path) -> io::Result<Self> {
        let jobs = state.join("jobs");
        fs::create_dir_all(&jobs)?;
        Ok(Self { jobs, strays: state.join("strays") })
    }

    /// The folder of a job.
    pub fn job(&self, id: &JobId) -> JobFolder {
        JobFolder(self.jobs.join(&id.0))
    }

    /// Where folders are put that no record speaks of, and that may be worth something.
    pub fn strays(&self) -> PathBuf {
        self.strays.clone()
    }

    /// The folder of a job among those.
    pub fn stray(&self, id: &JobId) -> JobFolder {
        JobFolder(self.strays.join(&id.0))
    }

    /// Ids of all folders that are there.
    pub fn ids(&self) -> io::Result<Vec<JobId>> {
        let name =
            |entry: io::Result<fs::DirEntry>| Ok(JobId(entry?.file_name().to_string_lossy().into_owned()));
        fs::read_dir(&self.jobs)?.map(name).collect()
    }

    /// The folder that holds the folders, to make their entries durable.
    pub fn root(&self) -> &Path {
        &self.jobs
    }
}

impl JobFolder {
    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The input as it was sent.
    pub fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    /// The input while it is being sent.
    pub fn incoming(&self) -> PathBuf {
        self.0.join("source.part")
    }

    /// Spools and checkpoints, until the job ends.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Spools of the stems.
    pub fn stems(&self) -> PathBuf {
        self.work().join("stems")
    }

    /// Verified outputs and the manifest.
    pub fn out(&self) -> PathBuf {
        self.0.join("out")
    }

    /// What the analysis found.
    pub fn analysis(&self) -> PathBuf {
        self.out().join(ANALYSIS)
    }

    /// Bytes of all files in it.
    pub fn bytes(&self) -> io::Result<u64> {
        fn sum(dir: &Path) -> io::Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(dir)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                bytes += if meta.is_dir() { sum(&entry.path())? } else { meta.len() };
            }
            Ok(bytes)
        }
        match sum(&self.0) {
            // what is there may go while we look: a job that ends
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            other => other,
        }
    }

    /// The job has ended: removes everything but what `kept` names.
    pub fn reduce(&self, kept: Kept) -> io::Result<()> {
        if !kept.outputs && (!kept.source || !self.source().exists()) {
            return self.remove();
        }
        ignore_missing(fs::remove_file(self.incoming()))?;
        if !kept.source {
            ignore_missing(fs::remove_file(self.source()))?;
        }
        if !kept.outputs {
            ignore_missing(fs::remove_dir_all(self.out()))?;
        }
        self.forget_unfinished()?;
        ignore_missing(fs::remove_dir_all(self.work()))
    }

    /// Removes outputs that never got their name.
    pub fn forget_unfinished(&self) -> io::Result<()> {
        ignore_missing(fs::remove_dir_all(self.out().with_extension("part")))
    }

    /// Removes everything.
    pub fn remove(&self) -> io::Result<()> {
        ignore_missing(fs::remove_dir_all(&self.0))
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
