//! Why a file is not decoded, in words for its owner.

use harmonix_ipc::{Error, ErrorKind};
use symphonia::core::errors::Error as Fault;

use super::{decode::Stream, limits::seconds, sniff::Content};

/// Why a file was not decoded, and whether another decoder may do better.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What to tell the user.
    pub error: Error,
    /// True when another decoder may know the format. False when the file itself is at fault.
    pub another: bool,
    /// Frames that the header promises, for the other decoder to be held to.
    pub promised: Option<u64>,
}

impl Refusal {
    /// A refusal that another decoder may overturn.
    pub(super) fn appealable(error: Error) -> Self {
        Self { error, another: true, promised: None }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, another: false, promised: None }
    }
}

/// What to do about a format that is not known here.
pub(super) const INSTALL: &str =
    "install ffmpeg on the machine of the daemon, or convert the file to flac or wav";

pub(super) fn refused(content: Content, fault: &Fault) -> Refusal {
    let unsupported = |name: &str| {
        Error::new(ErrorKind::UnsupportedFormat, format!("{name} cannot be decoded here")).hint(INSTALL)
    };
    let error = match (content, fault) {
        (Content::Chunks, Fault::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return incomplete("its chunks go on behind the end of the file").into();
        }
        (Content::Binary(Some(name)), _) => unsupported(name),
        // A reader knew the container and missed a part of it.
        (_, Fault::Unsupported(what)) if what.contains("missing") => undecodable(fault),
        (_, Fault::Unsupported(_)) => unsupported("a file of this format").cause(fault),
        _ => undecodable(fault),
    };
    Refusal::appealable(error)
}

pub(super) fn undecodable(cause: &(impl std::fmt::Display + ?Sized)) -> Error {
    Error::new(ErrorKind::AudioLoad, "the audio cannot be decoded")
        .hint("get an intact copy of the file, or convert it to flac or wav")
        .cause(cause)
}

pub(super) fn empty() -> Error {
    Error::new(ErrorKind::AudioLoad, "the file holds no audio: 0 frames")
        .hint("choose a file with audio in it")
}

pub(super) fn text() -> Error {
    Error::new(ErrorKind::UnsupportedFormat, "the file is text, not audio")
        .hint("choose an audio file; a playlist is not followed")
}

/// A stream that is shorter than it claims to be.
pub(super) fn ends_early(decoded: &str, promised: &str) -> Error {
    Error::new(ErrorKind::AudioLoad, format!("the audio ends early: {decoded} of {promised}"))
        .hint("get a complete copy of the file")
}

pub(super) fn incomplete(what: &str) -> Error {
    Error::new(ErrorKind::AudioLoad, format!("the audio ends early: {what}"))
        .hint("get a complete copy of the file")
}

pub(super) fn changes(stream: &Stream, frames: u64, rate: u32, channels: usize) -> Error {
    Error::new(
        ErrorKind::AudioLoad,
        format!(
            "the audio changes from {} Hz with {} channels to {rate} Hz with {channels} channels after {}",
            stream.sample_rate,
            stream.channels,
            seconds(frames, stream.sample_rate)
        ),
    )
    .hint("split the file where its format changes")
}
