//! The Harmonix protocol.

mod error;
mod probe;

pub use error::{Error, ErrorKind, Result};
pub use probe::Probe;
