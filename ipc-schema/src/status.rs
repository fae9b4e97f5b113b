//! Replies about the daemon itself, and the small ones.

use serde::{Deserialize, Serialize};

use crate::Job;

/// First line of every connection, from the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The protocol that the daemon speaks: [`PROTOCOL`](crate::PROTOCOL).
    pub protocol: u32,
    /// Program and version, for people.
    pub server: String,
}

/// Reply to `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of the daemon.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime: f64,
    /// Resident memory of the daemon in bytes.
    pub rss: u64,
    /// Jobs that are not in a final state.
    pub active: usize,
    /// True while the whole queue is held.
    #[serde(default)]
    pub paused: bool,
    /// Most active jobs that are taken before `busy`.
    pub capacity: usize,
    /// The engine that jobs run on now.
    pub engine: String,
    /// The worker that holds the device, when one runs.
    pub worker: Option<WorkerStatus>,
    /// The vital actors.
    pub actors: Vec<ActorHealth>,
}

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its process id.
    pub pid: u32,
    /// True while a job computes on it.
    pub busy: bool,
    /// Jobs that it has computed.
    pub jobs: u64,
    /// Times that a model was loaded since the daemon started.
    pub loads: u64,
}

/// Stems that are kept so that they need not be computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheUsage {
    /// Separations.
    pub entries: usize,
    /// Their bytes. While a job works with some of them, it shares these bytes.
    pub bytes: u64,
    /// Most bytes that are kept.
    pub limit: u64,
    /// Separations that were used often: they go last.
    #[serde(default, skip_serializing_if = "is_none")]
    pub popular: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// A vital actor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActorHealth {
    /// Which.
    pub name: String,
    /// It answered within its deadline.
    pub alive: bool,
    /// Seconds since it last answered.
    pub last_seen: f64,
    /// Times that it was rebuilt.
    pub restarts: u32,
}

/// Reply to `doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One for each thing that was looked at.
    pub checks: Vec<Check>,
}

/// How a check of the doctor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, with less than there could be.
    Warning,
    /// Jobs will fail.
    Problem,
}

/// A check of the doctor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// An upload may begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// More bytes than this are refused.
    pub max_bytes: u64,
}

/// Reply to `jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobList {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// How many there are in all.
    pub total: usize,
}

/// Says which file the following frames are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHead {
    /// Its name within the job.
    pub name: String,
    /// Its size; the frames add up to it.
    pub bytes: u64,
}

/// Says which part of an output the following frames are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExcerptHead {
    /// A name for it.
    pub name: String,
    /// Its size; absent when it goes on as the job does.
    pub bytes: Option<u64>,
    /// First second.
    pub from: f64,
    /// Second before which everything is final now: the end, unless it goes on.
    pub to: f64,
    /// Seconds of the whole output.
    pub duration: f64,
    /// Frames per second of the excerpt.
    pub sample_rate: u32,
    /// Samples per frame of the excerpt.
    pub channels: u16,
    /// The output itself, whole and verified, and not what the model has made so far.
    pub complete: bool,
}

/// Reply to `config_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigText {
    /// TOML.
    pub text: String,
}

/// Nothing else to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}
