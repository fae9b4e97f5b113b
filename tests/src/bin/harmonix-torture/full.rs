//! A disk that is full: in each stage, and at every page that a small job asks for.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::PathBuf,
};

use harmonix_ipc::{Error, ErrorKind, Format, Job, JobOptions, JobState, ListJobs, Quality};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
    synth::generators,
};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use serde::Serialize;

use crate::{
    Told,
    cases::{self, Outputs},
    disk::Disk,
    figures::{Counts, count},
};

/// Size of the disk.
const DISK: u64 = 256 << 20;

/// What a file system gives out at once.
const PAGE: u64 = 4096;

/// A job that is too fast for a full disk gets so many other chances.
const TRIES: usize = 8;

/// How thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Pages between two amounts of free space that a small job meets
    #[arg(long, default_value_t = 1)]
    step: usize,
}

/// What it came to.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// How jobs ended whose disk became full in a stage.
    stages: BTreeMap<String, String>,
    /// Amounts of free space that were tried, and how the small job ended.
    sweep: Counts,
    /// The same in order, from no free page on.
    ends: Vec<String>,
}

/// A daemon on a disk that can be filled.
struct Bench {
    daemon: Daemon,
    filler: PathBuf,
    disk: Disk,
    small: Song,
    large: Song,
}

struct Song {
    bytes: Vec<u8>,
    expected: Outputs,
}

/// Fills the disk in every stage and at every page.
pub(crate) fn run(flags: &Flags) -> Told {
    let disk = Disk::memory(DISK).inspect_err(|why| {
        crate::namespace::not_here(why);
        std::process::exit(i32::from(crate::NOT_HERE));
    })?;
    let daemon = Setup::new().state(disk.path().join("state")).start();
    let song = |seconds| {
        let song = generators::noise(8_000, 1, seconds, 0.3, 9);
        Song { bytes: wav(&song, SampleFormat::I16, &Tags::default()), expected: Outputs::new() }
    };
    let filler = disk.path().join("filler");
    let mut bench = Bench { daemon, filler, disk, small: song(0.3), large: song(60.0) };
    let told = all(&mut bench, flags);
    told.map_err(|story| format!("{story}\n--- the daemon's log ---\n{}", bench.daemon.log()))
}

fn all(bench: &mut Bench, flags: &Flags) -> Told {
    bench.small.expected = bench.undisturbed(&bench.small)?;
    bench.large.expected = bench.undisturbed(&bench.large)?;
    let mut report = Report::default();
    let pid = bench.daemon.pid();
    report.stages.insert("uploading".into(), bench.upload()?);
    for (stage, at) in [(JobState::Ingesting, 0.0), (JobState::Separating, 0.4), (JobState::Exporting, 0.0)] {
        report.stages.insert(stage.to_string(), bench.stage(stage, at)?);
    }
    bench.sweep(flags.step as u64 * PAGE, &mut report)?;
    if bench.daemon.pid() != pid || bench.daemon.status().pid != pid {
        return Err("the daemon is another one".into());
    }
    bench.restart()?;
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    Ok(())
}

impl Bench {
    fn submit(&self, song: &Song) -> Result<Job, Error> {
        let options = JobOptions {
            quality: Quality::Draft,
            format: Format::Wav24,
            fresh: true,
            ..JobOptions::default()
        };
        self.daemon.submit("song.wav", &song.bytes, options)
    }

    fn undisturbed(&self, song: &Song) -> Told<Outputs> {
        let job = self.submit(song).map_err(|error| format!("refused with space enough: {error:?}"))?;
        let job = self.daemon.finished(&job.id);
        if job.state != JobState::Completed {
            return Err(format!("a job with space enough is {}: {:?}", job.state, job.error));
        }
        cases::outputs(&self.daemon, &job)
    }

    fn free(&self) -> Told<u64> {
        let stat = statvfs(self.disk.path()).map_err(|error| error.to_string())?;
        Ok(stat.f_bavail * stat.f_frsize)
    }

    /// Leaves so many bytes free.
    fn fill(&self, left: u64) -> Told {
        loop {
            let free = self.free()?;
            if free <= left {
                return Ok(());
            }
            let filled = File::options().create(true).append(true).open(&self.filler).and_then(|file| {
                let from = file.metadata()?.len();
                fallocate(&file, FallocateFlags::empty(), from, free - left).map_err(io::Error::from)
            });
            match filled {
                // the daemon was faster: take what is there now
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                other => return other.map_err(|error| format!("the disk cannot be filled: {error}")),
            }
        }
    }

    fn make_room(&self) -> Told {
        match fs::remove_file(&self.filler) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// An upload that does not fit.
    fn upload(&self) -> Told<String> {
        self.fill(16 * PAGE)?;
        let refused = self.submit(&self.large).map(|job| job.id);
        let Err(error) = refused else { return Err("an input that does not fit is taken".into()) };
        self.clear(&error)?;
        self.recovers()?;
        Ok(error.to_string())
    }

    /// A job whose disk becomes full when it has come so far.
    fn stage(&self, stage: JobState, at: f64) -> Told<String> {
        for _ in 0..TRIES {
            let job = self.submit(&self.large).map_err(|error| format!("{error:?}"))?;
            self.daemon.until(&job.id, |job| job.state == stage && job.progress >= at);
            self.fill(0)?;
            let job = self.daemon.finished(&job.id);
            match job.error {
                None => self.make_room()?,
                Some(error) => {
                    self.clear(&error).map_err(|story| format!("while {stage}: {story}"))?;
                    self.recovers().map_err(|story| format!("after {stage}: {story}"))?;
                    return Ok(error.to_string());
                }
            }
        }
        Err(format!("a job was {stage} faster than a disk could be filled, {TRIES} times"))
    }

    /// A small job with more and more space, until there is always enough.
    fn sweep(&self, step: u64, report: &mut Report) -> Told {
        let (mut left, mut enough) = (0, 0);
        while enough < 6 {
            self.fill(left)?;
            let end = match self.submit(&self.small).map(|job| self.daemon.finished(&job.id)) {
                Err(error) => self.clear(&error).map(|()| format!("refused: {error}")),
                Ok(Job { state: JobState::Completed, .. }) => Ok("completed".to_owned()),
                Ok(job) => {
                    let error = job.error.ok_or_else(|| format!("a job is {}", job.state))?;
                    self.clear(&error).map(|()| format!("failed: {error}"))
                }
            };
            let end = end.and_then(|end| self.recovers().map(|()| end));
            let end = end.map_err(|story| format!("with {left} bytes free: {story}"))?;
            enough = if end == "completed" { enough + 1 } else { 0 };
            count(&mut report.sweep, end.as_str());
            report.ends.push(end);
            left += step;
        }
        Ok(())
    }

    /// A failure of the right kind that says what happened and names no path.
    fn clear(&self, error: &Error) -> Told {
        let text = format!("{error:?}");
        if error.kind != ErrorKind::DiskFull {
            return Err(format!("a full disk is reported as {text}"));
        }
        if error.message.len() < 10 || text.contains(&self.disk.path().display().to_string()) {
            return Err(format!("a full disk is reported unclearly: {text}"));
        }
        Ok(())
    }

    /// With space again, the next jobs succeed, and nothing is left of those that failed.
    fn recovers(&self) -> Told {
        self.make_room()?;
        let found = self.undisturbed(&self.small)?;
        if let Some(difference) = cases::difference(&found, &self.small.expected) {
            return Err(difference);
        }
        let jobs = self.jobs()?;
        let whole = |path: &String| {
            let job = jobs.iter().find(|job| path.starts_with(&job.id.0));
            let kept = |job: &Job| match job.state {
                JobState::Completed => true,
                JobState::Failed => *path == job.id.0 || *path == format!("{}/source", job.id),
                _ => false,
            };
            job.is_some_and(kept) && !path.ends_with(".part") && !path.contains("/work")
        };
        match self.daemon.files().into_iter().find(|path| !whole(path)) {
            Some(path) => Err(format!("{path} is left over")),
            None => Ok(()),
        }
    }

    fn jobs(&self) -> Told<Vec<Job>> {
        let list = self.daemon.client().call(ListJobs { limit: Some(1000), ..ListJobs::default() });
        list.map(|list| list.jobs).map_err(|error| error.to_string())
    }

    /// A daemon that is killed and started again says of all jobs what was said of them before.
    fn restart(&mut self) -> Told {
        let ends = |jobs: Vec<Job>| -> Vec<_> {
            jobs.into_iter().map(|job| (job.id, job.state, job.error.map(|error| error.kind))).collect()
        };
        let before = ends(self.jobs()?);
        self.daemon.kill();
        self.daemon.try_launch()?;
        let after = ends(self.jobs()?);
        match before.iter().find(|end| !after.contains(end)) {
            Some(end) => {
                let now = after.iter().find(|(id, ..)| *id == end.0);
                Err(format!("a job was told to be {end:?}, and is {now:?} after a restart"))
            }
            None if after.len() != before.len() => {
                Err(format!("{} jobs became {}", before.len(), after.len()))
            }
            None => Ok(()),
        }
    }
}
