//! What can be counted about jobs: how long they take, how many somebody has, what they made.

use std::time::Duration;

use actix::{Handler, Message, MessageResult, ResponseFuture};
use harmonix_ipc::{AskEstimate, Error, ErrorKind, Estimate, Job, JobId, JobReport, JobState, Result, Stats};

use super::{JobsActor, messages::Get};
use crate::{
    actors::{compute, library::TrackOf},
    caller::Caller,
    job::{Outcome, Record, Step, effective, resolve, stage_key},
    store::Write,
};

/// Jobs, bytes and speeds that the caller sees.
#[derive(Debug, Message)]
#[rtype(result = "Stats")]
pub struct Figures(pub Caller);

/// How long a song would take.
#[derive(Debug, Message)]
#[rtype(result = "Result<Estimate>")]
pub struct Foresee(pub AskEstimate);

/// One job, counted through.
#[derive(Debug, Message)]
#[rtype(result = "Result<JobReport>")]
pub struct Report(pub Caller, pub JobId);

/// Adds the time that a stage ran to its job. Returns the stage if it is through and has computed: what was answered
/// from what is kept took no time that could be learned from.
pub(super) fn clock(record: &mut Record, step: Step, took: Duration, outcome: &Outcome) -> Option<Step> {
    let computed = match outcome {
        Outcome::Reused(_) => return None,
        Outcome::Separated(separated) if separated.notes.iter().any(|note| note.kind == "cached") => {
            return None;
        }
        Outcome::Ingested(_) | Outcome::Analysed(Ok(_)) | Outcome::Separated(_) | Outcome::Exported(_) => {
            true
        }
        Outcome::Analysed(Err(_)) | Outcome::Crashed { .. } | Outcome::Failed(_) | Outcome::Interrupted => {
            false
        }
    };
    *record.job.times.entry(step.state()).or_default() += took.as_secs_f64();
    computed.then_some(step)
}

impl JobsActor {
    /// The job as clients see it.
    pub(super) fn view(&self, record: &Record) -> Job {
        Job { remaining: self.timings.remaining(record), ..record.job.clone() }
    }

    /// Learns from a stage that is through; returns what has to be stored.
    pub(super) fn learn(&mut self, record: &Record, step: Step) -> Option<Write> {
        let (audio, resolved) = (record.audio_seconds()?, record.resolved().ok()?);
        let seconds = *record.job.times.get(&step.state())?;
        self.timings.learn(&stage_key(step, &record.job.options, &resolved), audio, seconds)
    }

    /// Jobs of a user that count, and those that he may have; none where there is no limit.
    fn quota(&self, uid: u32) -> Option<(usize, usize)> {
        let limit = self.parts.live.get().quota.jobs;
        let counts = |record: &&Record| {
            record.job.owner == uid && !matches!(record.job.state, JobState::Failed | JobState::Cancelled)
        };
        let uploads = self.reserved.values().filter(|owner| **owner == uid).count();
        (limit > 0).then(|| (self.records.values().filter(counts).count() + uploads, limit))
    }

    /// Refuses a user who has what one user may have.
    pub(super) fn check_quota(&self, uid: u32) -> Result<()> {
        if let Some((jobs, limit)) = self.quota(uid).filter(|(jobs, limit)| jobs >= limit) {
            return Err(Error::new(ErrorKind::Quota, format!("you have {jobs} jobs, the quota is {limit}"))
                .hint("`harmonixctl delete` removes those that are not needed any more; failed ones do not count"));
        }
        let limit = self.parts.live.get().quota.bytes;
        let own = |record: &&Record| record.job.owner == uid;
        let used = || self.records.values().filter(own).map(output_bytes).sum::<u64>();
        if let Some(bytes) = (limit > 0).then(used).filter(|bytes| *bytes >= limit) {
            let message = format!("your jobs hold {bytes} bytes, the quota is {limit}");
            return Err(Error::new(ErrorKind::Quota, message)
                .hint("`harmonixctl delete` removes jobs that are not needed any more"));
        }
        Ok(())
    }
}

fn output_bytes(record: &Record) -> u64 {
    record.job.files.iter().map(|file| file.bytes).sum()
}

impl Handler<Figures> for JobsActor {
    type Result = MessageResult<Figures>;

    fn handle(&mut self, Figures(caller): Figures, _: &mut Self::Context) -> Self::Result {
        let mut stats = Stats {
            jobs: [].into(),
            output_bytes: 0,
            audio_seconds: 0.0,
            tracks: 0,
            archived: 0,
            favourites: 0,
            quota_left: self.quota(caller.uid).map(|(jobs, limit)| limit.saturating_sub(jobs)),
            speeds: self.timings.speeds(),
        };
        for record in self.records.values().filter(|record| caller.sees(record.job.owner)) {
            *stats.jobs.entry(record.job.state).or_default() += 1;
            stats.output_bytes += output_bytes(record);
            if record.job.state == JobState::Completed {
                stats.audio_seconds += record.audio_seconds().unwrap_or_default();
            }
        }
        MessageResult(stats)
    }
}

impl Handler<Foresee> for JobsActor {
    type Result = Result<Estimate>;

    fn handle(
        &mut self,
        Foresee(AskEstimate { duration, options }): Foresee,
        _: &mut Self::Context,
    ) -> Self::Result {
        if !(duration > 0.0 && duration.is_finite()) {
            return Err(Error::new(ErrorKind::InvalidRequest, "the duration has to be above 0 seconds"));
        }
        let options = effective(options);
        let resolved = resolve(&options, &self.parts.models.shelf())?;
        let audio = if options.preview { duration.min(crate::actors::ingest::PREVIEW) } else { duration };
        let (seconds, runs) = self.timings.whole(audio, &options, &resolved);
        let before = |record: &&Record| {
            !record.job.state.is_final()
                && record.job.state != JobState::Paused
                && record.job.options.priority >= options.priority
        };
        let ahead = self.unfinished().filter(before).count();
        Ok(Estimate { seconds, runs, model: resolved.model, ahead })
    }
}

impl Handler<Report> for JobsActor {
    type Result = ResponseFuture<Result<JobReport>>;

    fn handle(&mut self, Report(caller, id): Report, ctx: &mut Self::Context) -> Self::Result {
        let audio = self.record(&id).and_then(Record::audio_seconds);
        let (folder, library) = (self.parts.folders.job(&id), self.parts.library.clone());
        let job = <Self as Handler<Get>>::handle(self, Get(caller, id.clone()), ctx);
        Box::pin(async move {
            let job = job.await?;
            let disk_bytes = compute(move || {
                folder
                    .bytes()
                    .map_err(|error| Error::io(ErrorKind::Internal, "the job's files cannot be read", &error))
            })
            .await?;
            let track = library.call(TrackOf(id)).await?;
            Ok(report(job, track, audio, disk_bytes))
        })
    }
}

fn report(job: Job, track: Option<harmonix_ipc::TrackId>, audio: Option<f64>, disk_bytes: u64) -> JobReport {
    let array = |value: &Option<serde_json::Value>, pointer: &str| {
        value.as_ref()?.pointer(pointer)?.as_array().cloned()
    };
    let lines = array(&job.lyrics, "/lines").unwrap_or_default();
    let words = |line: &serde_json::Value| {
        line.get("words").and_then(serde_json::Value::as_array).map_or(0, Vec::len)
    };
    let took: f64 = job.times.values().sum();
    JobReport {
        track,
        output_bytes: job.files.iter().map(|file| file.bytes).sum(),
        disk_bytes,
        duration: audio,
        speed: audio.filter(|_| took > 0.0).map(|audio| audio / took),
        beats: array(&job.analysis, "/tempo/beats").map_or(0, |beats| beats.len()),
        lines: lines.len(),
        words: lines.iter().map(words).sum(),
        job,
    }
}
