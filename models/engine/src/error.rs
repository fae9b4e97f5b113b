use std::io;

/// Why a computation stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The [`Monitor`](crate::Monitor) asked for it.
    #[error("cancelled")]
    Cancelled,
    /// A spool could not be read or written.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, to which file.
        context: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The device or the host has not enough memory for this segment or batch.
    #[error("out of memory: {0}")]
    OutOfMemory(String),
    /// The engine produced NaN or infinity for finite input.
    #[error("non-finite output in segment at frame {0}")]
    NonFinite(i64),
    /// The model cannot be used: unknown, not for this input, or not built in.
    #[error("{0}")]
    Model(String),
    /// A file of the model does not have its digest or cannot be read as weights.
    #[error("{0}")]
    ModelCorrupt(String),
    /// The device that was asked for cannot be used.
    #[error("{0}")]
    Device(String),
}

impl EngineError {
    /// An I/O error with what was being done.
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        Self::Io { context: context.into(), source }
    }
}
