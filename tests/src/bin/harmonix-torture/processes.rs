//! Workers of one daemon, found by its state directory in their environment.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::Told;

/// Longest that a worker may outlive its daemon: the kernel ends it together with the daemon, on a busy machine later.
const PATIENCE: Duration = Duration::from_secs(60);

/// Process ids of the workers that run for the daemon over `state`. Those that have ended and wait for somebody to take
/// their status do not count.
pub(crate) fn workers(state: &Path) -> Vec<u32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().map_while(Result::ok);
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_worker(*pid, state)).collect()
}

/// Whether a process is a living worker of the daemon over `state`.
pub(crate) fn is_worker(pid: u32, state: &Path) -> bool {
    let wanted = format!("HARMONIX_STATE_DIR={}", state.display());
    let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    file("comm").trim_ascii() == b"harmonix-worker"
        && file("environ").split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        && lives(&file("stat"))
}

/// Whether the content of a `stat` is of a process that has not ended.
fn lives(stat: &[u8]) -> bool {
    let stat = String::from_utf8_lossy(stat);
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Waits until no worker is left of a daemon that has ended.
pub(crate) fn none_left(state: &Path) -> Told {
    let began = Instant::now();
    loop {
        match workers(state).as_slice() {
            [] => return Ok(()),
            left if began.elapsed() > PATIENCE => {
                return Err(format!(
                    "workers {left:?} have outlived their daemon by {} s",
                    PATIENCE.as_secs()
                ));
            }
            _ => thread::sleep(Duration::from_millis(2)),
        }
    }
}
