//! Failures, and whose they are.

use std::{fmt, io};

use harmonix_ipc::{Error, ErrorKind, Job, JobState, client::ClientError};
use serde_json::{Value, json};

/// Where a failure arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// On this side: a file, the connection, the absence of a daemon.
    Client,
    /// The daemon refused a request.
    Daemon,
    /// The daemon took the job, and the job failed.
    Job,
}

/// An error with its origin and, when several things were asked for, with the one that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    side: Side,
    subject: Option<String>,
    error: Error,
}

impl Failure {
    /// A failure of this side.
    pub(crate) fn here(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { side: Side::Client, subject: None, error: Error::new(kind, message) }
    }

    /// A file of this side that cannot be made or written; one that cannot be read is [`Failure::unreadable`].
    pub(crate) fn file(what: impl Into<String>, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
            _ => ErrorKind::Conflict,
        };
        Self { side: Side::Client, subject: None, error: Error::io(kind, what, error) }
    }

    /// An input of this side that cannot be read.
    pub(crate) fn unreadable(error: &io::Error) -> Self {
        Self::here(ErrorKind::AudioLoad, "cannot read the file").cause(error)
    }

    /// Why a job that ended without completing did so.
    pub(crate) fn of(job: &Job) -> Self {
        let error = job.error.clone().unwrap_or_else(|| match job.state {
            JobState::Cancelled => Error::new(ErrorKind::Cancelled, "the job was cancelled"),
            state => Error::new(ErrorKind::Internal, format!("the job ended as {state} without a reason")),
        });
        Self { side: Side::Job, subject: None, error }
    }

    /// Says what it is about.
    pub(crate) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.error = self.error.cause(cause);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error = self.error.hint(hint);
        self
    }

    /// The same with other words.
    pub(crate) fn reworded(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.error.message = words(&self.error.message);
        self
    }

    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.error.kind
    }

    pub(crate) fn code(&self) -> u8 {
        self.error.kind.exit_code()
    }

    /// `{"error":{…}}`, every field there.
    pub(crate) fn json(&self) -> Value {
        let from = match self.side {
            Side::Client => "client",
            Side::Daemon => "daemon",
            Side::Job => "job",
        };
        let message = match &self.subject {
            Some(subject) => format!("{subject}: {}", self.error.message),
            None => self.error.message.clone(),
        };
        json!({ "error": {
            "kind": self.error.kind,
            "message": message,
            "hint": self.error.hint,
            "causes": self.error.causes,
            "from": from,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = &self.subject {
            write!(f, "{subject}: ")?;
        }
        f.write_str(match self.side {
            Side::Client => "",
            Side::Daemon => "the daemon refused: ",
            Side::Job if self.kind() == ErrorKind::Cancelled => "",
            Side::Job => "the job failed: ",
        })?;
        self.error.fmt(f)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(error) => Self { side: Side::Daemon, subject: None, error },
            ClientError::Local(error) => Self::file("cannot read or write here", &error),
            other => Self { side: Side::Client, subject: None, error: other.into() },
        }
    }
}
