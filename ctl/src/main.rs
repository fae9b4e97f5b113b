//! `harmonixctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    harmonixctl::run()
}
