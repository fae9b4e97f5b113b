//! What the daemon and a worker process say to each other: one JSON value a line over a socket pair, both ways.
//! Audio goes over [spools](crate::spool).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Layout, ModelInfo, Summary, TrackStats};

/// What a worker loads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Catalogue id.
    pub id: String,
    /// What computes.
    pub architecture: Architecture,
    /// Its stems in the model's order, as the catalogue has them; none for an engine without weights.
    pub sources: Vec<String>,
    /// The bag's networks in order; none for an engine without weights.
    pub members: Vec<Member>,
}

/// What kind of model it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The built-in engine, which needs no weights.
    Spectral,
    /// Hybrid Demucs, with or without the transformer: the checkpoint's own arguments say which.
    Htdemucs,
}

/// One network of a bag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its weights: `.th` or `.safetensors`.
    pub file: PathBuf,
    /// Digest that the file has to have, 64 hexadecimal digits.
    pub sha256: String,
    /// Weight of this member's output for each of the model's sources, in the model's order; 1 for all when the
    /// bag has one member.
    pub blend: Vec<f32>,
}

/// Arithmetic of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point throughout.
    #[default]
    F32,
    /// Lower precision where it is measurably faster: about 35 dB from the exact stems.
    Fast,
}

/// Daemon to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    /// Load a model, or say that it is loaded.
    Load {
        /// Which, and where its files lie.
        model: Model,
        /// `auto`, `cpu` or `cuda`.
        device: String,
        /// Its arithmetic.
        precision: Precision,
    },
    /// Separate a track; loads the model if need be.
    Separate(Box<Separate>),
    /// Stop the running separation. Unknown tasks are ignored: it may just have ended.
    Cancel {
        /// Which task.
        task: String,
    },
    /// Answer with `pong`, also while computing.
    Ping {},
}

/// A separation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Separate {
    /// Names the task in everything that is said about it.
    pub task: String,
    /// The model.
    pub model: Model,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
    /// Its arithmetic.
    pub precision: Precision,
    /// Stems to compute; all of the model's when empty. [`ModelInfo::sources`] of [`Ran::model`] lists just these,
    /// in the model's order. An engine that has all stems at once may leave all of them.
    pub sources: Vec<String>,
    /// Spool of the mixture, at the model's rate.
    pub mix: PathBuf,
    /// Its statistics.
    pub stats: TrackStats,
    /// Identity of the decoded input; part of the checkpoint's key.
    pub input: String,
    /// Folder for the stems.
    pub stems: PathBuf,
    /// Segments, overlap and shifts.
    pub layout: Layout,
}

/// Worker to daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Say {
    /// A model is in memory.
    Loaded {
        /// What it is.
        info: ModelInfo,
        /// Where it computes, e.g. `cpu`.
        device: String,
    },
    /// A task went on.
    Progress {
        /// Which.
        task: String,
        /// `0.0..=1.0`.
        done: f64,
    },
    /// Below this frame every stem is final and durable.
    Checkpoint {
        /// Which task.
        task: String,
        /// Frames.
        frames: u64,
    },
    /// A task is complete.
    Done {
        /// Which.
        task: String,
        /// What it did.
        summary: Summary,
        /// What it ran on.
        ran: Ran,
    },
    /// A task, or a load, ended without a result.
    Failed {
        /// Which; the model's id for a load.
        task: String,
        /// Why, to decide by.
        reason: Reason,
        /// Why, for people.
        message: String,
    },
    /// Answer to `ping`.
    Pong {},
}

/// How a task was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ran {
    /// What computed. Its sources are the stems that lie in the task's folder.
    pub model: ModelInfo,
    /// Where, e.g. `cpu` or `cuda:0 NVIDIA H100`.
    pub device: String,
    /// In which arithmetic.
    pub precision: Precision,
    /// Segments computed at once.
    pub batch: usize,
    /// What the job's owner should know, oldest first.
    pub notes: Vec<Note>,
}

/// Something that happened on the way and did not end the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// A stable word to decide by, e.g. `fallback` or `retried`.
    pub kind: String,
    /// The same for people.
    pub message: String,
}

/// Why a task failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was asked to stop.
    Cancelled,
    /// Reading or writing spools failed.
    Io,
    /// No space left on the device of the spools.
    DiskFull,
    /// Not enough memory.
    OutOfMemory,
    /// The model's output was not finite.
    NonFinite,
    /// The model cannot be had or used.
    Model,
    /// A file of the model does not have its digest or cannot be read as weights.
    ModelCorrupt,
    /// The device that was asked for cannot be used.
    Device,
    /// A defect: the computation panicked.
    Panic,
}
