//! Keeping the store: what of it is there, exports, imports, backups, and what can be done while no daemon runs.

mod backup;
mod check;
mod files;
mod import;
mod offline;
mod start;

pub use backup::{Backups, daily};
pub(crate) use check::check;
pub use import::Import;
pub(crate) use import::{Incoming, occupied};
pub(crate) use offline::{Offline, offline};
pub(crate) use start::open;
