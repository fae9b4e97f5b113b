//! Real daemons for tests and benchmarks: each in temporary folders of its own, stopped when it goes out of scope.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness has nobody to report to but the test that runs it"
)]

mod booted;
mod bus;
mod daemon;
mod file_server;
mod in_process;

pub use booted::{Booted, package};
pub use bus::Bus;
pub use daemon::{Daemon, Setup, program};
pub use file_server::{FileServer, Seen, Served, ServedFile};
pub use in_process::InProcess;

/// Says past the capture of a test's output what this machine does not allow to test.
pub fn not_tested(what: &str) {
    let text = format!("\n*** NOT TESTED: {what}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}
