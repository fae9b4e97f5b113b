use std::io;

use harmonix_engine::EngineError;
use tch::{TchError, Tensor};

use crate::pickle::PickleError;

/// Why a checkpoint file is not used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Its digest is not the one that the catalogue names.
    #[error("sha256 is {found}, not {expected}")]
    Digest {
        /// What it has to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It is not a checkpoint, or a damaged one.
    #[error("{0}")]
    Format(String),
    /// Its pickle is refused.
    #[error("the pickle is not read: {0}")]
    Pickle(#[from] PickleError),
    /// An argument of the network is not one that this implementation computes.
    #[error("argument {0}")]
    Argument(String),
    /// A weight that the arguments ask for is missing.
    #[error("the weight `{0}` is missing")]
    Missing(String),
    /// A weight that the arguments do not ask for.
    #[error("the weight `{0}` is of another network")]
    Unused(String),
}

/// What can go wrong inside of the network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Torch(#[from] TchError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("unexpected shape in {0}")]
    Shape(&'static str),
}

/// A tensor, or why not.
pub(crate) type Out = Result<Tensor, Error>;

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::Engine(error) => error,
            Error::Checkpoint(CheckpointError::Io(error)) => {
                Self::Model(format!("the weights cannot be read: {error}"))
            }
            Error::Checkpoint(error @ CheckpointError::Argument(_)) => Self::Model(error.to_string()),
            Error::Checkpoint(error) => Self::ModelCorrupt(error.to_string()),
            Error::Torch(error) => torch(&error),
            error @ Error::Shape(_) => Self::Model(error.to_string()),
        }
    }
}

/// libtorch tells what went wrong in words only.
fn torch(error: &TchError) -> EngineError {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let message: String = first.chars().take(300).collect();
    if text.contains("out of memory")
        || text.contains("can't allocate memory")
        || text.contains("not enough memory")
    {
        EngineError::OutOfMemory(message)
    } else {
        EngineError::Model(format!("libtorch: {message}"))
    }
}
