//! Jobs as clients see them.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{Error, Format, Probe, StemFile};

/// Names a job for ever: lower-case letters and digits, sortable by time of submission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a job stands.
///
/// ```text
/// queued → ingesting → queued → analyzing → queued → separating → exporting → completed
///    any of these → paused → the same again
///    any of these → failed | cancelled
/// ```
/// `transcribing` is reserved for the stage of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, waiting for its next stage to have room.
    Queued,
    /// The input is decoded and measured.
    Ingesting,
    /// Tempo, key and the rest are estimated.
    Analyzing,
    /// The stems are computed; the job holds the device.
    Separating,
    /// The stems are encoded and verified.
    Exporting,
    /// Lyrics are transcribed.
    Transcribing,
    /// Held until it is resumed.
    Paused,
    /// Every output exists and was verified.
    Completed,
    /// Ended with an [`Error`].
    Failed,
    /// Ended because its owner asked for it.
    Cancelled,
}

impl JobState {
    /// Every state, in the order of this enum.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Ingesting,
        Self::Analyzing,
        Self::Separating,
        Self::Exporting,
        Self::Transcribing,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// True for states that a job never leaves.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How much work a separation may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Fastest: no shifts, overlap 0.05.
    Draft,
    /// No shifts, overlap 0.10.
    Fast,
    /// One shift, overlap 0.25.
    #[default]
    Balanced,
    /// Five shifts, overlap 0.50.
    Studio,
}

impl Quality {
    /// Every quality, fastest first.
    pub const ALL: [Self; 4] = [Self::Draft, Self::Fast, Self::Balanced, Self::Studio];
}

/// Which outputs a job makes of the model's stems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each stem of the model.
    #[default]
    Grouped,
    /// `vocals`, and `instrumental`: the sum of everything else.
    Karaoke,
    /// One output for each instrument asked for that the model has; the others are named in
    /// [`Job::unavailable`], never filled with a copy of something else.
    PerInstrument,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Grouped, Self::Karaoke, Self::PerInstrument];
}

/// Where a model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The best there is.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA graphics card; refused when there is none.
    Cuda,
}

impl Device {
    /// Every device.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Cuda];
}

/// Arithmetic of a neural model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point throughout.
    #[default]
    F32,
    /// Lower precision where it is measurably faster: about 35 dB from the exact stems.
    Fast,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 2] = [Self::F32, Self::Fast];

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether tempo, key and the rest are looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Analyze {
    /// Before the separation.
    #[default]
    With,
    /// No.
    Without,
    /// And nothing else: no stems.
    Only,
}

impl Analyze {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Which of the waiting jobs goes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// When nothing else waits.
    Low,
    /// In turn with the jobs of other users.
    #[default]
    Normal,
    /// Before all others; takes the device over at the next segment.
    High,
}

impl Priority {
    /// Every priority, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}

macro_rules! display_as_on_the_wire {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}
display_as_on_the_wire!(Priority, Quality, Mode, Device, Precision);

/// What is to be done with a song.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobOptions {
    /// Preset of model, shifts and overlap.
    pub quality: Quality,
    /// Which outputs are made.
    pub mode: Mode,
    /// Only these outputs; all that the mode makes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stems: Option<Vec<String>>,
    /// Encoding of the outputs.
    pub format: Format,
    /// Where the model computes.
    pub device: Device,
    /// Which of the waiting jobs goes first; `prioritise` changes it.
    #[serde(skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Leave the model's own output: do not spread the residual so that the stems sum to the mixture.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
    /// Bring the mixture's peak to −3 dBFS first; silence stays silence.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub normalize: bool,
    /// Only the first 30 s, at quality `draft`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
    /// The model of that id instead of the preset's; refused with `model_missing` if it is not installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Shifted passes that are averaged, `0..=20`, instead of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shifts: Option<u32>,
    /// Fraction of a segment that it shares with the next, `0.0..=0.95`, instead of the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<f64>,
    /// Seed of the shifts.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// Arithmetic of a neural model; the built-in engine has but one.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// Whether tempo, key and the rest are looked for.
    #[serde(skip_serializing_if = "Analyze::is_default")]
    pub analysis: Analyze,
    /// Compute anew, even what was computed before and is still there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Something that happened to a job and is worth telling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    /// Seconds since the Unix epoch.
    pub at: f64,
    /// A stable word to decide by, e.g. `fallback`, `raw`, `converted`, `downmixed`, `cached`, `preempted`, `resumed`,
    /// `retried`.
    pub kind: String,
    /// The same for people.
    pub message: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Work done as a fraction, `0.0..=1.0`, never falling.
    pub progress: f64,
    /// The input's file name as the client gave it; text only, never a path.
    pub name: String,
    /// Kernel user id of whoever submitted it.
    pub owner: u32,
    /// What the input turned out to be; absent before it was decoded.
    pub input: Option<Probe>,
    /// The engine that computed the stems, e.g. `spectral`; absent before that.
    pub engine: Option<String>,
    /// The device it computed on, e.g. `cpu`.
    pub device: Option<String>,
    /// What was asked for: preset.
    pub quality: Quality,
    /// What was asked for: outputs.
    pub mode: Mode,
    /// Everything that was asked for.
    pub options: JobOptions,
    /// Output name → file. From the daemon the file's name within the job; from `harmonixctl` after an
    /// export the path where it lies.
    pub stems: BTreeMap<String, String>,
    /// The outputs in detail: sizes, levels, digests.
    pub files: Vec<StemFile>,
    /// Outputs that were asked for and that the model does not make.
    pub unavailable: Vec<String>,
    /// What the music is: `duration`, `tempo`, `key`, `loudness`, `energy`, `sections`, `chords`; times in seconds. What
    /// cannot be told is null. `{"error": …}` if the analysis failed. In lists and events without what grows with the
    /// song: beats, downbeats, tempo curve, energy, chords; [`Show`](crate::Show) has all.
    pub analysis: Option<serde_json::Value>,
    /// Lyrics; always null: this version does not transcribe.
    pub lyrics: Option<serde_json::Value>,
    /// The manifest, as for [`stems`](Self::stems).
    pub manifest: Option<String>,
    /// What happened on the way, oldest first, at most 64.
    pub events: Vec<JobEvent>,
    /// Why it failed.
    pub error: Option<Error>,
    /// Submission, in seconds since the Unix epoch.
    pub created_at: f64,
    /// First stage begun.
    pub started_at: Option<f64>,
    /// Final state reached.
    pub finished_at: Option<f64>,
    /// Seconds that each stage took, all its runs together; a stage that was answered from what is kept is not in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<JobState, f64>,
    /// Seconds until its last stage ends, learned from the jobs before it; waiting is not in it. Absent where nothing
    /// was learned yet, and once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<f64>,
}
