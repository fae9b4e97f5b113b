use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// What kind of failure it is: the part of an [`Error`] that programs decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is malformed or asks for something that does not exist as an option.
    InvalidRequest,
    /// No such job, file or stem, or it belongs to somebody else.
    NotFound,
    /// The thing is not in a state in which this can be done.
    Conflict,
    /// A bounded queue is full: try again later.
    Busy,
    /// The caller may not do this.
    Denied,
    /// The caller's quota is used up.
    Quota,
    /// The job was cancelled.
    Cancelled,
    /// The input is of a format that cannot be decoded here.
    UnsupportedFormat,
    /// The input claims a known format and could not be decoded.
    AudioLoad,
    /// The input exceeds a limit: bytes, duration, channels or sample rate.
    TooLarge,
    /// A model's files are not installed.
    ModelMissing,
    /// A model's files do not match their digest.
    ModelCorrupt,
    /// Separation failed.
    Separation,
    /// Analysis failed.
    Analysis,
    /// Transcription or alignment failed.
    Lyrics,
    /// The device or the host has not enough memory.
    OutOfMemory,
    /// No space is left for the work or its results.
    DiskFull,
    /// The configuration is wrong.
    Config,
    /// A part that is needed is not there: no daemon, no encoder, not built in.
    Unavailable,
    /// A defect of Harmonix.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of this enum.
    pub const ALL: [Self; 20] = [
        Self::InvalidRequest,
        Self::NotFound,
        Self::Conflict,
        Self::Busy,
        Self::Denied,
        Self::Quota,
        Self::Cancelled,
        Self::UnsupportedFormat,
        Self::AudioLoad,
        Self::TooLarge,
        Self::ModelMissing,
        Self::ModelCorrupt,
        Self::Separation,
        Self::Analysis,
        Self::Lyrics,
        Self::OutOfMemory,
        Self::DiskFull,
        Self::Config,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Exit status of `harmonixctl` for this kind: 2 usage, 3 not found, 4 input that cannot be used,
    /// 6 no daemon, 130 cancelled, 5 everything that failed in processing, 1 the rest.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::InvalidRequest => 2,
            Self::NotFound => 3,
            Self::UnsupportedFormat | Self::AudioLoad | Self::TooLarge => 4,
            Self::ModelMissing
            | Self::ModelCorrupt
            | Self::Separation
            | Self::Analysis
            | Self::Lyrics
            | Self::OutOfMemory
            | Self::DiskFull => 5,
            Self::Unavailable => 6,
            Self::Cancelled => 130,
            Self::Conflict | Self::Busy | Self::Denied | Self::Quota | Self::Config | Self::Internal => 1,
        }
    }
}

impl ErrorKind {
    /// The name of the error on D-Bus, e.g. `org.harmonix1.Error.AudioLoad`.
    pub fn dbus_name(self) -> String {
        format!("org.harmonix1.Error.{self:?}")
    }
}

impl fmt::Display for ErrorKind {
    /// The name on the wire, e.g. `audio_load`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A failure as every part of Harmonix says it: what happened, what to do next, and why.
///
/// Never holds a path of the daemon, a token or a lyric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What programs decide by.
    pub kind: ErrorKind,
    /// What happened, to what; lowercase, without a full stop.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What lies beneath, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, causes: Vec::new() }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a cause beneath.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// An I/O failure while doing `what`: [`ErrorKind::DiskFull`] when no space is left, else `kind`.
    pub fn io(kind: ErrorKind, what: impl Into<String>, error: &io::Error) -> Self {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        Self::new(if full { ErrorKind::DiskFull } else { kind }, what).cause(error)
    }
}
