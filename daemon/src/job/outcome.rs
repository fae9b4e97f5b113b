//! What the end of a stage makes of a job.

use harmonix_ipc::{Analyze, Error, ErrorKind, JobState};
use serde::{Deserialize, Serialize};

use super::{Record, Separated, Step, next_step};
use crate::audio::Ingested;

/// Most workers that may die under a job without a new checkpoint between them.
const CRASHES: u32 = 2;

/// Most times in a row that the daemon may go down while it decodes or encodes the same job.
const INTERRUPTIONS: u32 = 3;

/// What export made: verified files and their manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// Files, gain and residual.
    pub audio: harmonix_ipc::Exported,
    /// File name of the manifest.
    pub manifest: String,
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The spools of the mixture are durable.
    Ingested(Box<Ingested>),
    /// What could be told of the music, or why that failed.
    Analysed(Result<serde_json::Value, Error>),
    /// The spools of the stems are durable.
    Separated(Box<Separated>),
    /// The outputs are verified and durable.
    Exported(Box<Exported>),
    /// Another job has answered the same request; its outputs are this job's too.
    Reused(Box<Record>),
    /// The worker died or hung.
    Crashed {
        /// How, e.g. by which signal.
        error: Error,
        /// Whether a checkpoint was reached before.
        progressed: bool,
    },
    /// The stage failed; trying again would not help.
    Failed(Error),
    /// The daemon stops: the stage is to be taken up again.
    Interrupted,
}

/// Moves a job on.
pub fn apply(record: &mut Record, outcome: Outcome) {
    record.interruptions = 0;
    record.job.state = JobState::Queued;
    match outcome {
        Outcome::Ingested(ingested) => ingest(record, *ingested),
        Outcome::Analysed(analysis) => analyse(record, analysis),
        Outcome::Separated(separated) => {
            record.job.engine = Some(separated.model.id.clone());
            record.job.device = Some(separated.device.clone());
            for note in &separated.notes {
                record.note(&note.kind, note.message.clone());
            }
            record.advance(Step::Separate.span().1);
            record.separated = Some(*separated);
        }
        Outcome::Exported(exported) => export(record, *exported),
        Outcome::Reused(twin) => reuse(record, *twin),
        Outcome::Crashed { error, progressed } => {
            record.crashes = if progressed { 1 } else { record.crashes + 1 };
            if record.crashes < CRASHES {
                record.note("retried", error.message);
            } else {
                record.finish(JobState::Failed, Some(error.cause("the worker died twice at the same place")));
            }
        }
        Outcome::Failed(error) => record.finish(JobState::Failed, Some(error)),
        Outcome::Interrupted => {}
    }
}

fn ingest(record: &mut Record, ingested: Ingested) {
    if ingested.converted {
        record.note("converted", "ffmpeg decoded the input");
    }
    if let Some(channels) = ingested.downmixed_from {
        record.note("downmixed", format!("{channels} channels were mixed down to stereo (ITU-R BS.775)"));
    }
    if let Some(seconds) = ingested.preview {
        record.note("preview", format!("only the first {seconds} s were taken"));
    }
    for warning in &ingested.warnings {
        record.note("warning", warning.clone());
    }
    record.job.input = Some(ingested.probe.clone());
    record.advance(Step::Ingest.span().1);
    record.ingested = Some(ingested);
}

/// A separation goes on without an analysis that failed; where nothing else was asked for, the job fails with it.
fn analyse(record: &mut Record, analysis: Result<serde_json::Value, Error>) {
    let only = record.job.options.analysis == Analyze::Only;
    match analysis {
        Err(error) if only => return record.finish(JobState::Failed, Some(error)),
        Err(error) => {
            record.note("analysis", format!("the analysis failed: {}", error.message));
            record.job.analysis = Some(serde_json::json!({ "error": error }));
        }
        Ok(analysis) => record.job.analysis = Some(analysis),
    }
    record.advance(Step::Analyze.span().1);
    if only {
        record.advance(1.0);
        record.finish(JobState::Completed, None);
    }
}

fn export(record: &mut Record, exported: Exported) {
    if exported.audio.gain_db != 0.0 {
        let gain = exported.audio.gain_db;
        record.note("gain", format!("all outputs were lowered by {:.2} dB so that none clips", -gain));
    }
    for warning in &exported.audio.warnings {
        record.note("warning", warning.clone());
    }
    record.job.stems =
        exported.audio.files.iter().map(|file| (file.stem.clone(), file.file.clone())).collect();
    record.job.files = exported.audio.files;
    record.job.manifest = Some(exported.manifest);
    record.advance(1.0);
    record.finish(JobState::Completed, None);
}

fn reuse(record: &mut Record, twin: Record) {
    let Record { job: twin, ingested, separated, .. } = twin;
    for event in &twin.events {
        // what befell that job and not its result
        let own = matches!(event.kind.as_str(), "cached" | "preempted" | "resumed" | "retried");
        if !own && !record.job.events.iter().any(|known| known.message == event.message) {
            record.note(&event.kind, event.message.clone());
        }
    }
    record.note("cached", format!("job {} has done the same: these are its outputs", twin.id));
    record.ingested = ingested;
    record.separated = separated;
    let job = &mut record.job;
    job.input = twin.input;
    job.engine = twin.engine;
    job.device = twin.device;
    job.stems = twin.stems;
    job.files = twin.files;
    job.manifest = twin.manifest;
    job.analysis = twin.analysis;
    record.advance(1.0);
    record.finish(JobState::Completed, None);
}

/// Takes a job up again after the daemon was started. It goes on where its last finished stage or checkpoint
/// left it; one that brings the daemon down again and again fails.
pub fn resume(record: &mut Record) {
    let state = record.job.state;
    let Some(step) = next_step(record) else { return };
    if state != step.state() {
        return;
    }
    record.job.state = JobState::Queued;
    // a separation runs in a process of its own and cannot bring the daemon down
    if step != Step::Separate {
        record.interruptions += 1;
    }
    if record.interruptions >= INTERRUPTIONS {
        let what = format!("the daemon went down {INTERRUPTIONS} times while the job was {state}");
        record.finish(JobState::Failed, Some(Error::new(ErrorKind::Internal, what)));
    } else {
        record.note("resumed", format!("the daemon was restarted while the job was {state}"));
    }
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
