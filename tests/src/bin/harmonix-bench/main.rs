//! `harmonix-bench`: speed, memory and latency of the real programs, as a table. Build them in release first.

#![expect(clippy::print_stdout, reason = "a command-line program")]

mod networks;

use std::{
    fs,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use harmonix_ipc::{Analyze, Cancel, Client, Format, JobOptions, JobState, ListJobs, Quality};
use harmonix_tests::{
    Signal,
    fixtures::{SampleFormat, Tags, wav},
    harness::{Daemon, Setup},
    synth,
};

/// Speed, memory and latency of the real programs.
#[derive(Parser)]
struct Flags {
    /// Minutes of the long song; its memory is compared with that of one minute
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// A Python with the package `demucs`: HTDemucs is then compared with it, on the same weights and song
    #[arg(long, env = "HARMONIX_REFERENCE")]
    reference: Option<PathBuf>,
    /// Only the comparison of HTDemucs
    #[arg(long)]
    only_networks: bool,
}

fn main() {
    let flags = Flags::parse();
    println!("{:44} {:>12}", "what", "figure");
    networks::main(flags.reference.as_deref());
    if flags.only_networks {
        return;
    }
    ready();
    latency();
    submits();
    cancels();
    speed();
    analysis();
    memory(flags.minutes);
}

fn row(what: &str, figure: impl std::fmt::Display) {
    println!("{what:44} {figure:>12}");
}

/// The value below which the fraction `part` of all lies.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 - 1.0) * part).round() as usize).copied().unwrap_or(0.0)
}

fn seconds(run: impl FnOnce()) -> f64 {
    let began = Instant::now();
    run();
    began.elapsed().as_secs_f64()
}

/// A field of /proc/PID/status in MB.
fn memory_of(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Seconds of processor time that a process has taken so far.
fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // behind the name, which may hold anything; the clock ticks 100 times a second
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// From exec to an answering socket, in an existing state directory.
fn ready() {
    let mut daemon = Daemon::start();
    let mut times: Vec<_> = (0..15)
        .map(|_| {
            daemon.stop();
            let mut command = daemon.command();
            let began = Instant::now();
            let child = command.stderr(Stdio::null()).spawn();
            while UnixStream::connect(daemon.socket()).is_err() {
                thread::sleep(Duration::from_micros(200));
            }
            let time = began.elapsed().as_secs_f64() * 1e3;
            if let Ok(mut child) = child {
                let _ = child.kill();
                let _ = child.wait();
            }
            daemon.restart_with(&[]);
            time
        })
        .collect();
    row("socket ready after exec, median", format!("{:.0} ms", quantile(&mut times, 0.5)));
    row("socket ready after exec, worst of 15", format!("{:.0} ms", quantile(&mut times, 1.0)));
    row("daemon idle, resident", format!("{:.1} MB", memory_of(daemon.pid(), "VmRSS:")));
}

fn latency() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let mut times: Vec<_> =
        (0..3000).map(|_| seconds(|| assert!(client.call(ListJobs::default()).is_ok())) * 1e6).collect();
    row("request, p50", format!("{:.0} µs", quantile(&mut times, 0.5)));
    row("request, p99", format!("{:.0} µs", quantile(&mut times, 0.99)));
}

fn tiny() -> Vec<u8> {
    wav(&Signal::from_mono(8000, 1, &[0.1; 800]), SampleFormat::I16, &Tags::default())
}

/// Durable accepts: each is on disk before it is answered.
fn submits() {
    for clients in [1, 16] {
        let daemon = Setup::new().config("limits.active_jobs = 10000").start();
        let (song, each) = (tiny(), 160 / clients);
        let time = seconds(|| {
            thread::scope(|scope| {
                for _ in 0..clients {
                    scope.spawn(|| {
                        for _ in 0..each {
                            assert!(
                                daemon
                                    .submit(
                                        "x.wav",
                                        &song,
                                        JobOptions { fresh: true, ..JobOptions::default() }
                                    )
                                    .is_ok()
                            );
                        }
                    });
                }
            });
        });
        row(
            &format!("durable submits, {clients} clients"),
            format!("{:.0} /s", (clients * each) as f64 / time),
        );
    }
}

fn draft() -> JobOptions {
    JobOptions { quality: Quality::Draft, format: Format::Flac16, fresh: true, ..JobOptions::default() }
}

/// From the request to the reply, which comes when the work has stopped and the files are gone.
fn cancels() {
    let daemon = Daemon::start();
    let song = wav(&synth::song(100.0, 2).mixture(), SampleFormat::I16, &Tags::default());
    let mut times = Vec::new();
    for _ in 0..15 {
        let Ok(job) = daemon.submit("x.wav", &song, draft()) else { continue };
        daemon.until(&job.id, |job| job.state == JobState::Separating && job.progress >= 0.34);
        let mut client: Client = daemon.client();
        times.push(seconds(|| assert!(client.call(Cancel { job: job.id }).is_ok())) * 1e3);
    }
    row("cancel at 30 %, median", format!("{:.0} ms", quantile(&mut times, 0.5)));
    row("cancel at 30 %, worst of 15", format!("{:.0} ms", quantile(&mut times, 1.0)));
}

/// A song of three minutes, from the request to verified files.
fn speed() {
    let daemon = Daemon::start();
    let length = 180.0;
    let song = wav(&synth::song(length, 3).mixture(), SampleFormat::I24, &Tags::default());
    for quality in Quality::ALL {
        let options = JobOptions { quality, fresh: true, ..JobOptions::default() };
        let mut begun = [0.0; 2];
        let mut taken = 0.0;
        let time = seconds(|| {
            let Ok(job) = daemon.submit("x.wav", &song, options.clone()) else { return };
            let clock = Instant::now();
            daemon.until(&job.id, |job| job.state == JobState::Separating);
            begun[0] = clock.elapsed().as_secs_f64();
            taken = processor_time(daemon.worker());
            daemon.until(&job.id, |job| job.state == JobState::Exporting);
            begun[1] = clock.elapsed().as_secs_f64();
            taken = processor_time(daemon.worker()) - taken;
            daemon.finished(&job.id);
        });
        row(
            &format!("spectral, {quality}: separation alone"),
            format!("{:.1} × rt", length / (begun[1] - begun[0])),
        );
        row(&format!("spectral, {quality}: in time of one core"), format!("{:.1} × rt", length / taken));
        row(&format!("spectral, {quality}: file in, flac24 out"), format!("{:.1} × rt", length / time));
    }
}

/// Tempo, key and the rest of a song of three minutes: in time of one core, decoding included, and from the request to
/// the answer.
fn analysis() {
    let daemon = Daemon::start();
    let length = 180.0;
    let song = wav(&synth::song(length, 3).mixture(), SampleFormat::I24, &Tags::default());
    let options = JobOptions { analysis: Analyze::Only, fresh: true, ..JobOptions::default() };
    let (mut cores, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let before = processor_time(daemon.pid());
        whole.push(seconds(|| {
            let Ok(job) = daemon.submit("x.wav", &song, options.clone()) else { return };
            assert_eq!(daemon.finished(&job.id).state, JobState::Completed);
        }));
        cores.push(processor_time(daemon.pid()) - before);
    }
    let taken = quantile(&mut cores, 0.5);
    row("analysis, with decoding: in time of one core", format!("{:.0} × rt", length / taken));
    row("analysis: file in, answer out", format!("{:.0} × rt", length / quantile(&mut whole, 0.5)));
}

/// Peak resident memory for a long song and a short one.
fn memory(minutes: f64) {
    let peaks = [1.0, minutes].map(|minutes| {
        let daemon = Daemon::start();
        let mut song = synth::generators::noise(22_050, 1, minutes * 60.0, 0.25, 5);
        song.add(&synth::generators::clicks(22_050, 1, minutes * 60.0, 0.5, 0.5));
        let song = wav(&song, SampleFormat::I16, &Tags::default());
        let Ok(job) = daemon.submit("x.wav", &song, draft()) else { return [0.0; 2] };
        daemon.finished(&job.id);
        [memory_of(daemon.pid(), "VmHWM:"), memory_of(daemon.worker(), "VmHWM:")]
    });
    for (at, what) in ["daemon", "worker"].into_iter().enumerate() {
        row(&format!("{what}, peak for 1 min"), format!("{:.1} MB", peaks[0][at]));
        row(&format!("{what}, peak for {minutes} min"), format!("{:.1} MB", peaks[1][at]));
        row(&format!("{what}, {minutes} min ÷ 1 min"), format!("{:.3}", peaks[1][at] / peaks[0][at]));
    }
}
