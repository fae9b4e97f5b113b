//! Compares this crate with what `reference/reference.py full FOLDER` left in a folder:
//!
//! `against_reference FOLDER MODEL [f32|fast] [snr] [network] [track] [profile]`
//!
//! Prints JSON: signal-to-error ratio of each stem in dB; with `network` seconds for one segment, by the clock and of the
//! processor; with `track` seconds for the track, and the peak memory; with `profile` the milliseconds of each layer.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a development program")]

use std::{env, fs, path::Path, time::Instant};

use harmonix_engine::{
    Layout, Monitor, Segments, Separator, Task, TrackStats, Unwatched,
    protocol::{Architecture, Member, Model, Precision},
    separate_track,
    spool::SpoolReader,
};
use harmonix_htdemucs::{HtDemucs, threads, use_threads};
use sha2::{Digest, Sha256};

/// When each layer ended.
struct Clock(std::cell::RefCell<Vec<Instant>>);

impl Monitor for Clock {
    fn progress(&self, _: f64) {
        self.0.borrow_mut().push(Instant::now());
    }
    fn cancelled(&self) -> bool {
        false
    }
}

/// Seconds that this process's threads have computed.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let (folder, name) = (Path::new(&args[0]), &args[1]);
    let precision = if args.iter().any(|arg| arg == "fast") { Precision::Fast } else { Precision::F32 };
    let device = if args.iter().any(|arg| arg == "cuda") { "cuda" } else { "cpu" };
    use_threads(threads());
    let file = folder.join(format!("{name}.safetensors"));
    let sha256 = Sha256::digest(fs::read(&file).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut sources = ["drums", "bass", "other", "vocals"].map(String::from).to_vec();
    if name == "htdemucs_6s" {
        sources.extend(["guitar", "piano"].map(String::from));
    }
    let members = vec![Member { file, sha256, blend: vec![1.0; sources.len()] }];
    let model = Model { id: name.clone(), architecture: Architecture::Htdemucs, sources, members };
    let mut separator = HtDemucs::open(&model, &[], device, precision).unwrap();
    let info = separator.info().clone();
    let mix = SpoolReader::open(&folder.join("song.f32"), 2).unwrap();
    let stats = TrackStats { frames: mix.frames(), mean: 0.0, std: 1.0, peak: 1.0 };
    let dir = tempfile::tempdir().unwrap();
    let run = |separator: &mut HtDemucs, shifts| {
        let layout = Layout { overlap: 0.25, shifts, seed: 0 };
        let task = Task {
            mix: &mix,
            stats: &stats,
            layout: &layout,
            key: &format!("{shifts}"),
            dir: &dir.path().join("stems"),
        };
        separate_track(separator, &task, &Unwatched, &mut |_| {}).unwrap();
    };
    let asked = |word: &str| args.iter().any(|arg| arg == word);
    let frames = info.segment.min(mix.frames() as usize);
    let (mut input, mut output) = (vec![0.0; frames * 2], vec![0.0; frames * 2 * info.sources.len()]);
    mix.read(0, &mut input).unwrap();
    let mut once = |monitor: &dyn Monitor| {
        let inside = 0..frames;
        let segments = Segments { mix: &input, inside: std::slice::from_ref(&inside) };
        separator.separate(&segments, &mut output, monitor).unwrap();
    };
    if asked("profile") {
        once(&Unwatched);
        let clock = Clock(std::cell::RefCell::new(vec![Instant::now()]));
        once(&clock);
        let mut times = clock.0.into_inner();
        times.push(Instant::now());
        let steps: Vec<_> =
            times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis().to_string()).collect();
        println!("{{\"layers_ms\": [{}]}}", steps.join(", "));
    }
    if asked("network") {
        const TIMES: usize = 3;
        once(&Unwatched);
        let (began, busy) = (Instant::now(), processor());
        (0..TIMES).for_each(|_| once(&Unwatched));
        let (network, busy) = (began.elapsed().as_secs_f64(), processor() - busy);
        println!(
            "{{\"segment_s\": {:.2}, \"network_s\": {:.3}, \"processor_s\": {:.3}}}",
            frames as f64 / f64::from(info.sample_rate),
            network / TIMES as f64,
            busy / TIMES as f64
        );
    }
    if asked("track") {
        let began = Instant::now();
        run(&mut separator, 0);
        let track = began.elapsed().as_secs_f64();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak = peak.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0;
        println!(
            "{{\"track_s\": {:.2}, \"separate_s\": {track:.2}, \"peak_mb\": {peak:.0}}}",
            mix.frames() as f64 / f64::from(info.sample_rate),
        );
    }
    if !asked("snr") && (asked("profile") || asked("network") || asked("track")) {
        return;
    }
    run(&mut separator, 1);
    let expected = fs::read(folder.join(format!("{name}.stems.f32"))).unwrap();
    let frames = mix.frames() as usize;
    let snr: Vec<String> = info
        .sources
        .iter()
        .enumerate()
        .map(|(at, source)| {
            let found = fs::read(dir.path().join("stems").join(format!("{source}.f32"))).unwrap();
            let sample = |bytes: &[u8], at: usize| {
                f64::from(f32::from_le_bytes(bytes[at * 4..at * 4 + 4].try_into().unwrap()))
            };
            let (mut signal, mut error) = (0.0, 1e-300);
            for channel in 0..2 {
                for frame in 0..frames {
                    let e = sample(&expected, (at * 2 + channel) * frames + frame);
                    signal += e * e;
                    error += (e - sample(&found, frame * 2 + channel)).powi(2);
                }
            }
            format!("\"{source}\": {:.1}", 10.0 * (signal / error).log10())
        })
        .collect();
    println!("{{{}}}", snr.join(", "));
}
