use harmonix_engine::{
    Layout, ModelInfo, Summary,
    protocol::{Note, Precision},
};
use harmonix_ipc::{Analyze, Error, ErrorKind, Job, JobEvent, JobState, Result};
use serde::{Deserialize, Serialize};

use super::{Resolved, Shelf, resolve};
use crate::audio::Ingested;

/// Version of [`Record`] that this daemon writes. Every older one opens for ever: see the fixtures of the tests.
const VERSION: u32 = 1;

/// Most events that a job keeps; the oldest go first.
const EVENTS: usize = 64;

/// What a separation left: the stems' spools and how they came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Separated {
    /// The model.
    pub model: ModelInfo,
    /// Where it computed, e.g. `cpu`.
    pub device: String,
    /// Segments, overlap, shifts, seed.
    pub layout: Layout,
    /// What was done.
    pub summary: Summary,
    /// The arithmetic that it computed in.
    #[serde(default)]
    pub precision: Precision,
    /// Segments computed at once.
    #[serde(default = "one")]
    pub batch: usize,
    /// Digests of the model's files, in the bag's order; none for an engine without weights.
    #[serde(default)]
    pub sha256: Vec<String>,
    /// What happened on the way; goes to the job's events.
    #[serde(skip)]
    pub notes: Vec<Note>,
}

fn one() -> usize {
    1
}

/// A job as the store keeps it: what clients see, and what each finished stage handed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this structure.
    pub v: u32,
    /// Place in the order of submission.
    pub seq: u64,
    /// What clients see.
    pub job: Job,
    /// What the job came to; none for a job of a version that knew only the built-in engine.
    #[serde(default)]
    resolved: Option<Resolved>,
    /// [`request_key`](super::request_key) of the request; none for a job of a version that knew no such thing.
    #[serde(default)]
    pub request: Option<String>,
    /// BLAKE3 of the input's bytes in hexadecimal; none for a job of a version that did not keep it.
    #[serde(default)]
    pub source: Option<String>,
    /// What ingest found; set once its spools are durable.
    pub ingested: Option<Ingested>,
    /// What separation did; set once its spools are durable.
    pub separated: Option<Separated>,
    /// Workers that died under this job since its last checkpoint.
    pub crashes: u32,
    /// Times in a row that the daemon itself went down while this job was in the stage it is in now.
    pub interruptions: u32,
}

impl Record {
    /// A job that was just accepted.
    pub fn new(seq: u64, job: Job, resolved: Resolved) -> Self {
        let resolved = Some(resolved);
        Self {
            v: VERSION,
            seq,
            job,
            resolved,
            request: None,
            source: None,
            ingested: None,
            separated: None,
            crashes: 0,
            interruptions: 0,
        }
    }

    /// What the job computes.
    pub fn resolved(&self) -> Result<Resolved> {
        self.resolved.clone().map_or_else(|| resolve(&self.job.options, &Shelf::default()), Ok)
    }

    /// Seconds of audio that the job works on, once it is decoded.
    pub fn audio_seconds(&self) -> Option<f64> {
        self.ingested.as_ref().map(|ingested| ingested.frames as f64 / f64::from(ingested.rate))
    }

    /// Tempo, key and the rest are still to be looked for.
    pub fn wants_analysis(&self) -> bool {
        self.job.analysis.is_none() && self.job.options.analysis != Analyze::Without
    }

    /// The key in the store; keys sort by submission.
    pub fn key(&self) -> String {
        format!("{}{:020}", Self::PREFIX, self.seq)
    }

    /// What the keys of all records begin with.
    pub const PREFIX: &str = "job/";

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a stored record of any version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let record: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::new(ErrorKind::Internal, "a stored job cannot be read").cause(error))?;
        if record.v > VERSION {
            return Err(Error::new(ErrorKind::Internal, format!("a stored job is of version {}", record.v))
                .hint("it was written by a newer harmonixd: install that one again"));
        }
        Ok(record)
    }

    /// Notes something worth telling.
    pub fn note(&mut self, kind: &str, message: impl Into<String>) {
        if self.job.events.len() == EVENTS {
            self.job.events.remove(0);
        }
        self.job.events.push(JobEvent { at: super::now(), kind: kind.into(), message: message.into() });
    }

    /// Moves the progress on; it never falls.
    pub fn advance(&mut self, progress: f64) {
        self.job.progress = self.job.progress.max(progress.clamp(0.0, 1.0));
    }

    /// Ends the job.
    pub fn finish(&mut self, state: JobState, error: Option<Error>) {
        self.job.state = state;
        self.job.error = error;
        self.job.finished_at = Some(super::now());
    }
}
