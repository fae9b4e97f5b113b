//! Thousands of small jobs through one daemon, each computed: memory and store stay as they are.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use harmonix_ipc::{Delete, Fetch, JobState, ListJobs};
use harmonix_tests::{
    harness::Daemon,
    picture::{Curve, chart},
};
use serde::Serialize;

use crate::{
    Told, audit,
    cases::{self, Case, Outputs, comparable},
};

/// Jobs after which memory is as large as it will be.
const WARM: usize = 500;

/// Most that the daemon's memory may grow after that.
const GROWTH: f64 = 0.01;

/// Most that the store may have, whatever has gone through it: jobs are deleted as they are fetched.
const STORE: u64 = 32 << 20;

/// How many, and where the picture goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Jobs
    #[arg(long, default_value_t = 2000)]
    jobs: usize,
    /// Ends sooner, after so many seconds
    #[arg(long, default_value_t = f64::INFINITY)]
    seconds: f64,
    /// Jobs at once
    #[arg(long, default_value_t = 3)]
    clients: usize,
    /// Leave the jobs there: shows what a job that has ended costs
    #[arg(long)]
    keep: bool,
    /// Picture of memory, store and speed over the jobs
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// How it is after some jobs.
#[derive(Debug, Clone, Copy)]
struct Sample {
    jobs: usize,
    seconds: f64,
    daemon: u64,
    worker: u64,
    store: u64,
}

/// What it came to.
#[derive(Debug, Serialize)]
struct Report {
    jobs: usize,
    seconds: f64,
    jobs_per_second: f64,
    /// The same of the first and of the last quarter.
    jobs_per_second_first: f64,
    jobs_per_second_last: f64,
    rss_after_500_mb: f64,
    rss_at_the_end_mb: f64,
    rss_growth_percent: f64,
    worker_rss_at_the_end_mb: f64,
    store_bytes_max: u64,
    store_bytes_at_the_end: u64,
}

struct Soak {
    daemon: Daemon,
    case: Case,
    expected: Outputs,
    wanted: usize,
    seconds: f64,
    keep: bool,
    taken: AtomicUsize,
    done: AtomicUsize,
    began: Instant,
    samples: Mutex<Vec<Sample>>,
}

/// Runs them.
pub(crate) fn run(flags: &Flags) -> Told {
    let mut cases = vec![cases::small()];
    let expected = cases::undisturbed(&cases)?.pop().ok_or("no song")?;
    let soak = Soak {
        daemon: Daemon::start(),
        case: cases.remove(0),
        expected,
        wanted: flags.jobs,
        seconds: flags.seconds,
        keep: flags.keep,
        taken: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        began: Instant::now(),
        samples: Mutex::default(),
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..flags.clients.max(1)).map(|_| scope.spawn(|| soak.live())).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|_| Err("a client broke".into())))
    })?;
    let mut samples = soak.samples.into_inner().unwrap_or_else(PoisonError::into_inner);
    samples.sort_by_key(|sample| sample.jobs);
    if let Some(path) = &flags.plot {
        fs::write(path, picture(&samples)?).map_err(|error| format!("no picture: {error}"))?;
    }
    let jobs = soak.daemon.client().call(ListJobs::default()).map_err(|error| error.to_string())?.total;
    if soak.keep {
        return judge(&samples, true);
    }
    let left = soak.daemon.files();
    if !left.is_empty() || jobs != 0 {
        return Err(format!("{jobs} jobs and the files {left:?} are left"));
    }
    judge(&samples, false)
}

impl Soak {
    /// One job after another: submitted, followed, fetched, compared, deleted.
    fn live(&self) -> Told {
        while self.began.elapsed().as_secs_f64() < self.seconds
            && self.taken.fetch_add(1, Relaxed) < self.wanted
        {
            self.one()?;
            let done = self.done.fetch_add(1, Relaxed) + 1;
            if done.is_multiple_of((self.wanted / 200).max(10)) {
                let sample = self.sample(done);
                self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        }
        Ok(())
    }

    fn one(&self) -> Told {
        let Case { name, bytes, options, .. } = &self.case;
        let job = self.daemon.submit(name, bytes, options.clone()).map_err(|error| format!("{error:?}"))?;
        let job = self.daemon.finished(&job.id);
        if job.state != JobState::Completed {
            return Err(format!("job {} is {}: {:?}", job.id, job.state, job.error));
        }
        let mut client = self.daemon.client();
        let named = job.stems.iter().map(|(stem, file)| (stem.as_str(), file));
        for (output, file) in named.chain(job.manifest.iter().map(|file| ("manifest", file))) {
            let mut bytes = Vec::new();
            let fetch = Fetch { job: job.id.clone(), output: output.into() };
            client.fetch(fetch, &mut bytes).map_err(|error| format!("{output} of {}: {error}", job.id))?;
            let bytes = if output == "manifest" { comparable(&bytes)? } else { bytes };
            if self.expected.get(file) != Some(&bytes) {
                return Err(format!("{output} of job {} differs from that of the first", job.id));
            }
        }
        if self.keep {
            return Ok(());
        }
        client.call(Delete { job: job.id }).map(drop).map_err(|error| error.to_string())
    }

    fn sample(&self, jobs: usize) -> Sample {
        let status = self.daemon.status();
        Sample {
            jobs,
            seconds: self.began.elapsed().as_secs_f64(),
            daemon: status.rss,
            worker: status.worker.map_or(0, |worker| resident(worker.pid)),
            store: audit::size(&self.daemon.state().join("store")),
        }
    }
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn judge(samples: &[Sample], kept: bool) -> Told {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Ok(()) };
    let warm: Vec<_> = samples.iter().filter(|sample| sample.jobs >= WARM).collect();
    let part = (warm.len() / 10).max(1).min(warm.len());
    let median = |samples: &[&Sample]| {
        let mut values: Vec<_> = samples.iter().map(|sample| sample.daemon).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(first.daemon) as f64
    };
    let (before, after) = (median(&warm[..part]), median(&warm[warm.len() - part..]));
    let store = samples.iter().map(|sample| sample.store).max().unwrap_or(0);
    let quarter = samples.len() / 4;
    let report = Report {
        jobs_per_second_first: speed(first, samples.get(quarter).unwrap_or(last)),
        jobs_per_second_last: speed(samples.get(samples.len() - 1 - quarter).unwrap_or(first), last),
        jobs: last.jobs,
        seconds: last.seconds,
        jobs_per_second: last.jobs as f64 / last.seconds,
        rss_after_500_mb: before / 1e6,
        rss_at_the_end_mb: after / 1e6,
        rss_growth_percent: (after / before - 1.0) * 100.0,
        worker_rss_at_the_end_mb: last.worker as f64 / 1e6,
        store_bytes_max: store,
        store_bytes_at_the_end: last.store,
    };
    println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
    if kept {
        return Ok(());
    }
    if after > before * (1.0 + GROWTH) {
        return Err(format!("memory grew by {:.2} %", report.rss_growth_percent));
    }
    if store > STORE {
        return Err(format!("the store has grown to {store} bytes, although jobs were deleted"));
    }
    Ok(())
}

/// Jobs a second between two samples.
fn speed(from: &Sample, to: &Sample) -> f64 {
    (to.jobs - from.jobs) as f64 / (to.seconds - from.seconds).max(1e-3)
}

fn picture(samples: &[Sample]) -> Told<Vec<u8>> {
    let over = |value: &dyn Fn(&Sample) -> f64| -> Vec<_> {
        samples.iter().map(|sample| (sample.jobs as f64, value(sample))).collect()
    };
    let memory = over(&|sample| sample.daemon as f64 / 1e6);
    let worker = over(&|sample| sample.worker as f64 / 1e6);
    let store = over(&|sample| sample.store as f64 / 1e3);
    let speed: Vec<_> =
        samples.windows(2).map(|pair| (pair[1].jobs as f64, speed(&pair[0], &pair[1]))).collect();
    let curves = [
        Curve { name: "resident memory of the daemon, MB", points: &memory },
        Curve { name: "resident memory of the worker, MB", points: &worker },
        Curve { name: "store, kB", points: &store },
        Curve { name: "jobs a second", points: &speed },
    ];
    chart("Small jobs through one daemon", "jobs", &curves).map_err(|error| error.to_string())
}
