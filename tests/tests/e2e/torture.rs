//! Short campaigns of `harmonix-torture`; long ones by hand: `make torture`, `make powercut`, `make diskfull`, `make soak`.

use std::process::Command;

use harmonix_tests::harness::program;

use crate::support::not_tested;

/// Status of the program where the machine does not allow what it does.
const NOT_HERE: i32 = 77;

/// Runs a campaign; what it printed is shown when it fails. Where it cannot run, that is said on standard error.
fn campaign(arguments: &[&str]) {
    let output = Command::new(program("harmonix-torture")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_HERE) {
        return not_tested(&format!("`harmonix-torture {}`: {said}", arguments.join(" ")));
    }
    let figures = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?} ends with {}:\n{figures}\n{said}", arguments, output.status);
}

/// [LIB-01, BEY-05] Daemon and worker are killed at random.
#[test]
fn twenty_kills_lose_no_job_and_not_a_bit() {
    campaign(&["kill", "--rounds", "20", "--seed", "20"]);
}

/// The same with the power of the disk.
#[test]
fn five_power_cuts_lose_no_job_and_not_a_bit() {
    campaign(&["power", "--rounds", "5", "--seed", "5"]);
}

/// In every stage, and at pages of a small job.
#[test]
fn a_full_disk_fails_the_job_and_nothing_else() {
    campaign(&["full", "--step", "8"]);
}
