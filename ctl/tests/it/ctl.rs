//! Runs `harmonixctl`.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

pub(crate) fn command(socket: &Path, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harmonixctl"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("HARMONIX_")) {
        command.env_remove(key);
    }
    command.env("HARMONIX_SOCKET", socket).current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run<S: AsRef<OsStr>>(socket: &Path, folder: &Path, words: &[S]) -> Ended {
    with_input(socket, folder, words, b"")
}

pub(crate) fn with_input<S: AsRef<OsStr>>(socket: &Path, folder: &Path, words: &[S], input: &[u8]) -> Ended {
    let mut child = command(socket, folder).args(words).stdin(Stdio::piped()).spawn().unwrap();
    // a verb that does not read is free not to
    let _ = child.stdin.take().unwrap().write_all(input);
    ended(child)
}

pub(crate) fn ended(child: std::process::Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
