//! The Harmonix protocol.

mod error;

pub use error::{Error, ErrorKind, Result};
