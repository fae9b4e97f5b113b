//! Real daemons for tests and benchmarks: each in temporary folders of its own, stopped when it goes out of scope.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness has nobody to report to but the test that runs it"
)]

mod daemon;
mod file_server;
mod in_process;

pub use daemon::{Daemon, Setup, program};
pub use file_server::{FileServer, Seen, Served, ServedFile};
pub use in_process::InProcess;
