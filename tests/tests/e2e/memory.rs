//! Memory does not grow with the length of the song. Figures at an hour: `make bench`.

use std::fs;

use harmonix_ipc::{Format, JobState};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, wav},
    harness::Daemon,
};

use crate::support::{draft, noise};

/// Peak resident memory of a process in bytes.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// [BEY-04]
#[test]
fn ten_times_the_length_takes_no_more_memory() {
    let peaks = [1.0, 10.0].map(|minutes| {
        let daemon = Daemon::start();
        let source = wav(&noise(11_025, 1, minutes * 60.0), SampleFormat::I16, &Tags::default());
        let job = daemon.submit("x.wav", &source, draft(Format::Flac16)).unwrap();
        let done = daemon.until(&job.id, |_| false);
        assert_eq!(done.state, JobState::Completed, "{:?}", done.error);
        (peak(daemon.pid()), peak(daemon.worker()))
    });
    let grown = |short: u64, long: u64| long as f64 / short as f64;
    assert!(grown(peaks[0].1, peaks[1].1) < 1.05, "worker: {peaks:?}");
    assert!(grown(peaks[0].0, peaks[1].0) < 1.25, "daemon: {peaks:?}");
}
