//! What the daemon and a worker process say to each other: one JSON value a line over a socket pair, both ways.
//! Audio goes over [spools](crate::spool).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Layout, ModelInfo, Summary, TrackStats};

/// Daemon to worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Ask {
    /// Load a model, or say that it is loaded.
    Load {
        /// Catalogue id.
        model: String,
        /// `auto`, `cpu` or `cuda`.
        device: String,
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
    /// Catalogue id of the model.
    pub model: String,
    /// `auto`, `cpu` or `cuda`.
    pub device: String,
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
    /// A defect: the computation panicked.
    Panic,
}
