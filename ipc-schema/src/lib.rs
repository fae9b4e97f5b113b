//! The Harmonix protocol, version 1: this documentation is its specification.
//!
//! # Transport
//!
//! A stream socket of the Unix domain, `control.sock` in the daemon's runtime directory
//! (`/run/harmonix` for the system's daemon, `$XDG_RUNTIME_DIR/harmonix` for a user's own).
//! The kernel tells the daemon who connects; there is no login.
//!
//! # Lines
//!
//! Everything but audio is JSON, one value a line, ended by `\n`. On connection the daemon speaks first:
//!
//! ```text
//! < {"reply":"hello","protocol":1,"server":"harmonixd 0.1.0"}
//! ```
//!
//! then the client sends requests, and each is answered in order. A person can type them into
//! `socat - UNIX-CONNECT:/run/harmonix/control.sock`:
//!
//! ```text
//! > {"command":"status"}
//! < {"reply":"status","version":"0.1.0","pid":4711,…}
//! > {"command":"show","job":"nonsense"}
//! < {"reply":"error","kind":"not_found","message":"no job nonsense","hint":"`harmonixctl jobs` lists them"}
//! ```
//!
//! A request line is at most [`frame::REQUEST_LIMIT`] bytes. Unknown commands and unknown fields are refused with
//! `invalid_request`, and the connection goes on; after a line that is too long it is closed.
//! A client ignores fields of replies and events that it does not know.
//! [`COMMANDS`] is the table of commands; [`Request`] shows a line for each.
//!
//! # Frames
//!
//! Bytes of files travel as frames: a length as four bytes, big-endian, then so many bytes, at most
//! [`frame::FRAME_LIMIT`]. Length 0 ends the stream; length `0xFFFFFFFF` says that the sender gave up.
//!
//! *Up* ([`Submit`], [`ModelImport`], [`ImportStore`]): request, `ready` from the daemon, frames from the client, the reply. Refusals that need no
//! bytes come in the place of `ready`. When the daemon refuses in the middle (a limit is reached) it sends the error line and
//! closes the connection. After a frame that says that the client gave up, the daemon replies with an error and the
//! connection goes on.
//!
//! ```text
//! > {"command":"submit","name":"song.flac","options":{"quality":"balanced"}}
//! < {"reply":"ready","max_bytes":2147483648}
//! > 00 04 00 00 …262144 bytes…  00 00 00 00
//! < {"reply":"job","id":"1k3v9c0q2x7e","state":"queued",…}
//! ```
//!
//! Once the job is in a reply it is durable: it survives a crash and a power cut.
//!
//! *Down* ([`Fetch`], [`ExportStore`]): request, `file` from the daemon, frames from the daemon. When they end with "gave up", an
//! error line follows.
//!
//! [`Listen`] is answered with `excerpt` in the place of `file`; where that names no size, the stream's end is the end.
//!
//! *Progress* ([`ModelPull`]): request, any number of `pulling` lines, the reply. Closing the connection before that
//! ends the work.
//!
//! # Events
//!
//! [`Watch`] turns the connection into a stream of [`Event`] lines: a snapshot first, then deltas. [`Jobs`] is their fold.
//! The client ends it by closing.
//!
//! # Versions
//!
//! [`PROTOCOL`] changes only when an old client would misunderstand. New commands, new optional request fields and new
//! reply fields do not change it.

pub mod client;
mod command;
mod error;
mod event;
mod format;
pub mod frame;
mod job;
mod library;
mod model;
pub mod names;
mod probe;
mod result;
mod status;
mod store;
mod watch;

pub use client::Client;
pub use command::*;
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Jobs};
pub use format::Format;
pub use job::{
    Analyze, Device, Job, JobEvent, JobId, JobOptions, JobState, Mode, Precision, Priority, Quality,
};
pub use library::*;
pub use model::*;
pub use probe::Probe;
pub use result::{Exported, StemFile};
pub use status::*;
pub use store::*;
pub use watch::*;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;
