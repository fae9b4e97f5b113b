//! The Harmonix protocol.

mod error;
mod format;
mod result;

pub use error::{Error, ErrorKind, Result};
pub use format::Format;
pub use result::{Exported, StemFile};
