//! The library: what songs a user has, whatever became of their jobs.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Format, Job, JobId, JobState, Mode, Probe, Quality};

/// Names a track: twelve lower-case hexadecimal digits, made of its owner and its decoded audio.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub String);

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A song of a user. The same audio is the same track, whatever its file was called, tagged or encoded as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Its name for commands.
    pub id: TrackId,
    /// Kernel user id of its owner.
    pub owner: u32,
    /// What people call it: the file's name at first, then what [`EditTrack`](crate::EditTrack) says. Text, never a path.
    pub name: String,
    /// Name of the file that it came in first.
    pub file: String,
    /// BLAKE3 of the decoded audio.
    pub audio: String,
    /// What that file was.
    pub input: Probe,
    /// Beats per minute, where it has a tempo and was analysed.
    pub bpm: Option<f64>,
    /// Tonic and scale such as `F# minor`, where it has a key and was analysed.
    pub key: Option<String>,
    /// The same on the Camelot wheel.
    pub camelot: Option<String>,
    /// What its owner sorts it by, in alphabetical order.
    pub tags: Vec<String>,
    /// Never removed by retention.
    pub favourite: bool,
    /// Put away: by its owner, or because its last job is gone. Not in lists unless asked for.
    pub archived: bool,
    /// The completed jobs that hold files of it, oldest first.
    pub jobs: Vec<TrackJob>,
    /// Jobs that were ever completed on it.
    pub uses: u64,
    /// When its first job was completed, in seconds since the Unix epoch.
    pub added_at: f64,
    /// When its last job was completed.
    pub used_at: f64,
    /// When its owner changed something about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<f64>,
}

/// A completed job of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackJob {
    /// Which.
    pub id: JobId,
    /// The engine that computed; none for an analysis alone.
    pub engine: Option<String>,
    /// What was asked for: preset.
    pub quality: Quality,
    /// What was asked for: outputs.
    pub mode: Mode,
    /// How its outputs are encoded.
    pub format: Format,
    /// Its outputs.
    pub stems: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

/// Reply to `library`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackList {
    /// Newest first.
    pub tracks: Vec<Track>,
    /// How many there are in all pages.
    pub total: usize,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deed {
    /// A job was accepted.
    Submitted,
    /// A job was completed.
    Completed,
    /// A job failed.
    Failed,
    /// A job was cancelled.
    Cancelled,
    /// A job was deleted.
    Deleted,
    /// A job was removed by retention.
    Expired,
    /// A track or a job was given another name.
    Renamed,
    /// A track's tags or its mark as favourite were changed.
    Edited,
    /// A track was put away.
    Archived,
    /// A track was taken back.
    Restored,
    /// A track was removed with all its jobs.
    Purged,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A line of the activity log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// When, in seconds since the Unix epoch.
    pub at: f64,
    /// Kernel user id of the owner of what it was done to.
    pub owner: u32,
    /// What.
    pub deed: Deed,
    /// The job it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The track it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<TrackId>,
    /// What that was called.
    pub name: String,
}

/// Reply to `activity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityLog {
    /// Newest first; of each user the last hundred are kept.
    pub entries: Vec<Activity>,
}

/// Reply to `report`: a job with everything that can be counted about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// The job, with its whole analysis.
    pub job: Job,
    /// The track that its audio is, once it is completed.
    pub track: Option<TrackId>,
    /// Bytes of its outputs.
    pub output_bytes: u64,
    /// Bytes of everything that lies in its folder; a file that other jobs share counts here too.
    pub disk_bytes: u64,
    /// Seconds of audio in each output.
    pub duration: Option<f64>,
    /// Seconds of audio for each second of computation, over all stages.
    pub speed: Option<f64>,
    /// Beats that were found.
    pub beats: usize,
    /// Lines of its lyrics.
    pub lines: usize,
    /// Words of its lyrics.
    pub words: usize,
}

/// Reply to `stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Jobs of each state.
    pub jobs: BTreeMap<JobState, usize>,
    /// Bytes of the outputs of all jobs.
    pub output_bytes: u64,
    /// Seconds of audio in completed jobs.
    pub audio_seconds: f64,
    /// Tracks that are not archived.
    pub tracks: usize,
    /// Tracks that are.
    pub archived: usize,
    /// Favourites among all.
    pub favourites: usize,
    /// Jobs that the caller may still submit; none where there is no limit.
    pub quota_left: Option<usize>,
    /// What was learned about how long stages take.
    pub speeds: Vec<Speed>,
}

/// How fast a stage is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Which, e.g. `separate spectral cpu f32 0 0.05`: stage, model, device, precision, shifts, overlap.
    pub stage: String,
    /// Runs that it was learned from; the latest count most.
    pub runs: u64,
    /// Seconds of audio for each second.
    pub realtime: f64,
}

/// Reply to `estimate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Seconds from the start of the first stage to the end of the last; waiting is not in it.
    pub seconds: f64,
    /// Runs of the separation's kind that it was learned from; 0: a rule of thumb for a small machine.
    pub runs: u64,
    /// The model that would compute.
    pub model: String,
    /// Jobs that are before it now.
    pub ahead: usize,
}
