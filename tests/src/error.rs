use std::{fmt, io, path::Path};

/// What went wrong in a tool or a fixture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or a program could not be used.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, to what.
        context: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed: {message}")]
    Program {
        /// Its name.
        program: String,
        /// The end of what it said on standard error.
        message: String,
    },
    /// The input cannot be used.
    #[error("{0}")]
    Input(String),
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps an I/O error with what was being done to `path`; made for `map_err`.
    pub fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let context = format!("{what} {}", path.display());
        move |source| Self::Io { context, source }
    }

    /// An input error that says `message`.
    pub fn input(message: impl fmt::Display) -> Self {
        Self::Input(message.to_string())
    }
}
