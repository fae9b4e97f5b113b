//! Reading an output while its stems are still computed: only what no resume can change.
//!
//! The worker makes every frame below its checkpoint durable before it names it, and frames below a checkpoint of the same
//! key have the same bits whoever computes them. So the checkpoint is read before and after the frames are.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
};

use harmonix_engine::Checkpoint;
use harmonix_ipc::{Error, ErrorKind, Event, ExcerptHead, Job, JobId, JobState, Listen, Result};
use tokio::sync::mpsc;

use crate::{
    actors::{
        Slot, compute,
        jobs::{AskStems, JobsActor, Locate, Stems, Subscribe},
    },
    audio::float_head,
    caller::Caller,
    router::Outcome,
};

/// Frames that are sent at once.
const BLOCK: u64 = 1 << 14;

/// Bytes of a sample.
const SAMPLE: u64 = 4;

/// An output on its way to somebody who listens.
pub struct Excerpt {
    /// What is said before it.
    pub head: ExcerptHead,
    jobs: Slot<JobsActor>,
    caller: Caller,
    job: JobId,
    stem: String,
    follow: bool,
    header: Option<Vec<u8>>,
    spools: Spools,
    /// The next frame.
    at: u64,
    /// Frames that are final.
    end: u64,
    events: Option<mpsc::Receiver<Event>>,
    /// Something has happened that was not looked at yet.
    heard: bool,
}

/// What a listener is given.
pub(crate) async fn listen(jobs: Slot<JobsActor>, caller: Caller, listen: Listen) -> Result<Outcome> {
    let Listen { job, stem, from, follow } = listen;
    let from = from.unwrap_or(0.0);
    if !(from >= 0.0 && from.is_finite()) {
        return Err(Error::new(ErrorKind::InvalidRequest, "an excerpt begins at 0 s or later"));
    }
    loop {
        let stems = jobs.call(AskStems(caller, job.clone(), stem.clone())).await??;
        match stems.job.state {
            JobState::Completed => return whole(&jobs, caller, &stems.job, stem, from).await,
            state if state.is_final() => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("job {job} is {state}: it has no stems"),
                ));
            }
            _ => {}
        }
        // follows what is looked at here
        let events = if follow { Some(subscribe(&jobs, caller, &job).await?) } else { None };
        let Some((spools, end)) = Spools::open(&stems).await? else {
            if jobs.call(AskStems(caller, job.clone(), stem.clone())).await??.job.state.is_final() {
                continue;
            }
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("job {job} is {}: nothing of its stems is final yet", stems.job.state),
            )
            .hint(format!("`harmonixctl watch {job}` shows how far it is")));
        };
        let (rate, channels) = (stems.rate, stems.channels);
        let at = (from * f64::from(rate)).round() as u64;
        if at > end {
            let there = end as f64 / f64::from(rate);
            return Err(Error::new(ErrorKind::Conflict, format!("only {there} s are final yet"))
                .hint("ask again later"));
        }
        let frames = (!follow).then_some(end - at);
        let header = float_head(rate, channels, frames);
        let seconds = |frames: u64| frames as f64 / f64::from(rate);
        let head = ExcerptHead {
            name: format!("{stem}.wav"),
            bytes: frames.map(|frames| header.len() as u64 + frames * u64::from(channels) * SAMPLE),
            from: seconds(at),
            to: seconds(end),
            duration: seconds(stems.frames),
            sample_rate: rate,
            channels,
            complete: false,
        };
        let header = Some(header);
        let excerpt =
            Excerpt { head, jobs, caller, job, stem, follow, header, spools, at, end, events, heard: false };
        return Ok(Outcome::Excerpt(Box::new(excerpt)));
    }
}

/// The output of a completed job.
async fn whole(
    jobs: &Slot<JobsActor>,
    caller: Caller,
    job: &Job,
    stem: String,
    from: f64,
) -> Result<Outcome> {
    if from > 0.0 {
        return Err(Error::new(ErrorKind::InvalidRequest, "the output of a completed job is sent whole")
            .hint("leave `from` out"));
    }
    let details = job.files.iter().find(|file| file.stem == stem).cloned();
    let (file, path) = jobs.call(Locate(caller, job.id.clone(), stem)).await??;
    let (frames, sample_rate, channels) =
        details.map_or((0, 1, 0), |file| (file.frames, file.sample_rate, file.channels));
    let duration = frames as f64 / f64::from(sample_rate.max(1));
    let head = ExcerptHead {
        name: file.name.clone(),
        bytes: Some(file.bytes),
        from: 0.0,
        to: duration,
        duration,
        sample_rate,
        channels,
        complete: true,
    };
    Ok(Outcome::Whole(head, file, path))
}

async fn subscribe(jobs: &Slot<JobsActor>, caller: Caller, job: &JobId) -> Result<mpsc::Receiver<Event>> {
    jobs.call(Subscribe(caller, Some(job.clone()))).await?
}

impl Excerpt {
    /// The next bytes; none at the end. Fails when what follows would not belong to what was sent: the job failed, was
    /// ended, or began anew under other conditions.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if let Some(header) = self.header.take() {
            return Ok(Some(header));
        }
        loop {
            while self.at >= self.end {
                if !self.follow || self.spools.complete {
                    return Ok(None);
                }
                self.wait().await?;
            }
            let count = BLOCK.min(self.end - self.at);
            if let Some(bytes) = self.spools.read(self.at, count).await? {
                self.at += count;
                return Ok(Some(bytes));
            }
            // the work is gone: because it is done, or because it has to be done again
            self.look().await?;
            if !self.spools.complete {
                return Err(began_anew());
            }
        }
    }

    /// Waits until more is final.
    async fn wait(&mut self) -> Result<()> {
        if !self.heard {
            let told = match &mut self.events {
                Some(events) => events.recv().await.is_some(),
                None => false,
            };
            if !told {
                self.events = Some(subscribe(&self.jobs, self.caller, &self.job).await?);
            }
            self.heard = true;
        }
        self.look().await?;
        self.heard = false;
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let ask = AskStems(self.caller, self.job.clone(), self.stem.clone());
        let stems = self.jobs.call(ask).await??;
        let end = self.spools.look_again(&stems).await?;
        if self.follow {
            self.end = end;
        }
        Ok(())
    }
}

/// The spools that an output is the sum of.
#[derive(Clone)]
struct Spools {
    dir: PathBuf,
    files: Vec<std::sync::Arc<File>>,
    names: Vec<String>,
    frame: u64,
    /// Key of the checkpoint that they belong to.
    key: String,
    /// All frames are final.
    complete: bool,
}

impl Spools {
    /// Opens what there is, and says how many frames are final; none before there are any.
    async fn open(stems: &Stems) -> Result<Option<(Self, u64)>> {
        let (dir, names) = (stems.dir.clone(), stems.spools.clone());
        let (frame, done) = (u64::from(stems.channels) * SAMPLE, stems.separated.clone());
        compute(move || {
            let open = || -> io::Result<Option<(Self, u64)>> {
                let complete = done.is_some();
                let there = || Ok::<_, io::Error>(Checkpoint::read(&dir)?.map(|now| (now.key, now.frames)));
                let Some((key, end)) = done.map_or_else(there, |done| Ok(Some(done)))? else {
                    return Ok(None);
                };
                let open = |name: &String| File::open(dir.join(name)).map(std::sync::Arc::new);
                let files = names.iter().map(open).collect::<io::Result<_>>()?;
                Ok(Some((Self { dir, files, names, frame, key, complete }, end)))
            };
            match open() {
                // the job has just ended
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                opened => opened.map_err(|error| unreadable(&error)),
            }
        })
        .await
    }

    /// How many frames are final now.
    async fn look_again(&mut self, stems: &Stems) -> Result<u64> {
        if stems.separated.is_none() && stems.job.state.is_final() {
            return Err(ended(&stems.job));
        }
        let (mut spools, done) = (self.clone(), stems.separated.clone());
        let (spools, end) = compute(move || {
            let Some((key, frames)) = done else {
                let checkpoint = Checkpoint::read(&spools.dir).map_err(|error| unreadable(&error))?;
                return match checkpoint {
                    Some(checkpoint) if checkpoint.key == spools.key => Ok((spools, checkpoint.frames)),
                    _ => Err(began_anew()),
                };
            };
            if key != spools.key {
                return Err(began_anew());
            }
            spools.complete = true;
            // the same bits may have come from elsewhere; where the work is gone already, what is open is all of it
            spools.renew().map_err(|error| unreadable(&error))?;
            for file in &spools.files {
                let bytes = file.metadata().map_err(|error| unreadable(&error))?.len();
                if bytes < frames * spools.frame {
                    return Err(began_anew());
                }
            }
            Ok((spools, frames))
        })
        .await?;
        *self = spools;
        Ok(end)
    }

    fn renew(&mut self) -> io::Result<()> {
        for (name, file) in self.names.iter().zip(&mut self.files) {
            match File::open(self.dir.join(name)) {
                Ok(now) if now.metadata()?.ino() != file.metadata()?.ino() => *file = now.into(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Frames that are final, as they lie in the spool: the sum of all spools. None if they may have been changed.
    async fn read(&self, at: u64, count: u64) -> Result<Option<Vec<u8>>> {
        let spools = self.clone();
        compute(move || {
            let mut sum = Vec::new();
            let mut part = vec![0; (count * spools.frame) as usize];
            for file in &spools.files {
                match file.read_exact_at(&mut part, at * spools.frame) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    read => read.map_err(|error| unreadable(&error))?,
                }
                add(&mut sum, &part);
            }
            // a spool of stems that are complete is never written to again
            if spools.complete {
                return Ok(Some(sum));
            }
            let now = Checkpoint::read(&spools.dir).map_err(|error| unreadable(&error))?;
            let still = |now: &Checkpoint| now.key == spools.key && now.frames >= at + count;
            Ok(now.filter(still).map(|_| sum))
        })
        .await
    }
}

/// Adds samples to samples.
fn add(sum: &mut Vec<u8>, part: &[u8]) {
    if sum.is_empty() {
        sum.extend(part);
        return;
    }
    for (sum, part) in sum.as_chunks_mut::<4>().0.iter_mut().zip(part.as_chunks::<4>().0) {
        *sum = (f32::from_le_bytes(*sum) + f32::from_le_bytes(*part)).to_le_bytes();
    }
}

/// The job will not come to more.
fn ended(job: &Job) -> Error {
    job.error.clone().unwrap_or_else(|| {
        let kind = if job.state == JobState::Cancelled { ErrorKind::Cancelled } else { ErrorKind::Conflict };
        Error::new(kind, format!("job {} is {}", job.id, job.state))
    })
}

fn began_anew() -> Error {
    Error::new(ErrorKind::Conflict, "the separation began anew under other conditions").hint("listen again")
}

fn unreadable(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the stems cannot be read", error)
}
