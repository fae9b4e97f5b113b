//! A mount namespace of our own: whatever is mounted in it goes with the last process in it, and the loop devices with
//! what is mounted, also after a panic.

use std::{
    env,
    process::{Command, ExitCode},
};

use crate::NOT_HERE;

/// Set in the process that runs inside.
const INSIDE: &str = "HARMONIX_TORTURE_INSIDE";

/// Runs this program again in a namespace of its own; none when this is that run already, else how it ended.
pub(crate) fn enter() -> Option<ExitCode> {
    if env::var_os(INSIDE).is_some() {
        return None;
    }
    let allowed = Command::new("unshare").args(["--mount", "--propagation", "private", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return Some(not_here("no mount namespace can be made: this needs root"));
    }
    let Ok(exe) = env::current_exe() else { return Some(not_here("the program's own path is not known")) };
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(exe)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .status();
    Some(match run {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => not_here(&error.to_string()),
    })
}

/// Says loudly that nothing was tried, and why.
pub(crate) fn not_here(why: &str) -> ExitCode {
    eprintln!("NOT RUN: {why}");
    ExitCode::from(NOT_HERE)
}
