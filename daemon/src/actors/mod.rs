//! One file per actor. A handler never computes and never waits for the disk: work runs in [`compute`] or in a
//! worker process, so that a panic or a stall there costs a job and not the actor.

pub mod analyzer;
pub mod export;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod library;
mod process;
pub mod separator;
mod slot;
mod stage;
pub mod watch;

use harmonix_ipc::{Error, ErrorKind, Result};

pub use slot::{Ping, Slot};
pub use stage::{Running, Stages};

/// Runs blocking work on a thread of its own. A panic there becomes an error of kind `internal`.
pub async fn compute<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(panicked = error.is_panic(), "computation ended without a result");
        Err(Error::new(ErrorKind::Internal, "a computation panicked")
            .hint("this is a defect of Harmonix: please report it"))
    })
}
