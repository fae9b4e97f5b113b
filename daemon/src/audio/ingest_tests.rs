//! Whole files through [`ingest`](super::ingest::ingest).

use std::{cell::Cell, ffi::OsStr, fs, os::unix::fs::MetadataExt};

use harmonix_engine::Monitor;
use harmonix_ipc::{ErrorKind, Probe};

use super::{
    fixtures::{Bench, ffmpeg, signal},
    ingest::{IngestRequest, MIX, SOURCE, ingest},
    resample::output_frames,
};

const LENGTHS: [usize; 3] = [1, 1_023, 44_100];

/// Encodes, ingests, and checks the frames; gives back the signal, the samples of `source.f32` and
/// the probe.
fn exact(name: &str, rate: u32, channels: usize, frames: usize, how: &[&str]) -> (Vec<f32>, Vec<f32>, Probe) {
    let bench = Bench::new();
    let samples = signal(rate, channels, frames);
    let file = bench.encode(name, rate, channels, &samples, how);
    let what = format!("{name} {how:?} {rate} Hz, {channels} channels, {frames} frames");
    let ingested = bench.ingest(&file).unwrap_or_else(|e| panic!("{what}: {e} {:?}", e.causes));
    assert_eq!(ingested.frames, frames as u64, "{what}");
    assert_eq!((ingested.rate, ingested.probe.frames), (rate, frames as u64), "{what}");
    assert_eq!(usize::from(ingested.probe.channels), channels, "{what}");
    assert_eq!(ingested.probe.duration, frames as f64 / f64::from(rate), "{what}");
    assert!(!ingested.converted && ingested.input_gain == 1.0, "{what}");
    let mixed = output_frames(frames as u64, rate, 44_100);
    assert_eq!(ingested.stats.frames, mixed, "{what}");
    assert_eq!(bench.mix().len() as u64, 2 * mixed, "{what}");
    (samples, bench.source(), ingested.probe)
}

/// The shift in frames at which two mono signals agree best.
fn lag(a: &[f32], b: &[f32]) -> i64 {
    let reach = 2_500;
    let window = &a[reach..reach + 2_000];
    let agreement = |shift: usize| -> f32 { window.iter().zip(&b[shift..]).map(|(a, b)| a * b).sum() };
    let all = (0..=2 * reach).map(|shift| (agreement(shift), shift as i64 - reach as i64));
    all.max_by(|x, y| x.0.total_cmp(&y.0)).unwrap().1
}

#[test]
fn lossless_formats_keep_every_sample() {
    let formats: [(&str, &[&str], u16); 17] = [
        ("a.wav", &["-c:a", "pcm_u8"], 8),
        ("a.wav", &["-c:a", "pcm_s16le"], 16),
        ("a.wav", &["-c:a", "pcm_s24le"], 24),
        ("a.wav", &["-c:a", "pcm_s32le"], 32),
        ("a.wav", &["-c:a", "pcm_f32le"], 32),
        ("a.wav", &["-c:a", "pcm_f64le"], 64),
        ("a.flac", &["-sample_fmt", "s16"], 16),
        ("a.flac", &["-sample_fmt", "s32"], 24),
        ("a.aiff", &["-c:a", "pcm_s16be"], 16),
        ("a.aiff", &["-c:a", "pcm_s24be"], 24),
        ("a.aiff", &["-c:a", "pcm_f32be"], 32),
        ("a.m4a", &["-c:a", "alac", "-sample_fmt", "s16p"], 16),
        ("a.m4a", &["-c:a", "alac", "-movflags", "+faststart"], 24),
        ("a.caf", &["-c:a", "pcm_s16be"], 16),
        ("a.mkv", &["-c:a", "flac"], 24),
        ("a.ogg", &["-c:a", "flac", "-sample_fmt", "s16"], 16),
        ("a.caf", &["-c:a", "alac"], 24),
    ];
    for (name, how, depth) in formats {
        for (channels, frames) in LENGTHS.map(|frames| (2, frames)).into_iter().chain([(1, 1_023)]) {
            let (samples, source, probe) = exact(name, 44_100, channels, frames, how);
            assert_eq!(source, samples, "{name} {how:?} {channels} {frames}");
            assert_eq!(probe.bit_depth, Some(depth), "{name} {how:?}");
        }
    }
}

#[test]
fn any_rate_is_kept_and_converted() {
    for rate in [8_000, 22_050, 48_000, 96_000] {
        for frames in LENGTHS {
            let (samples, source, _) = exact("a.flac", rate, 2, frames, &[]);
            assert_eq!(source, samples);
        }
    }
}

#[test]
fn lossy_formats_are_exact_in_length_and_place() {
    let formats: [(&str, &[&str], &[u32]); 6] = [
        ("a.mp3", &["-c:a", "libmp3lame", "-b:a", "192k"], &[44_100, 48_000, 22_050, 8_000]),
        ("a.mp3", &["-c:a", "libmp3lame", "-q:a", "2"], &[44_100, 48_000, 32_000]),
        ("a.ogg", &["-c:a", "libvorbis", "-q:a", "6"], &[44_100, 48_000, 22_050, 96_000]),
        ("a.m4a", &["-c:a", "aac", "-b:a", "192k"], &[44_100, 48_000, 22_050, 96_000]),
        ("a.m4a", &["-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart"], &[44_100]),
        ("a.mp4", &["-c:a", "aac", "-b:a", "192k", "-movie_timescale", "44100"], &[44_100]),
    ];
    for (name, how, rates) in formats {
        for rate in rates {
            // Of a single frame libmp3lame writes a tag that says 47, so 1 is not asked of it.
            let shortest = if name == "a.mp3" { 100 } else { 1 };
            for (channels, frames) in [(1, shortest), (2, 1_023), (1, 44_100), (2, 50_001)] {
                let (samples, source, _) = exact(name, *rate, channels, frames, how);
                if frames >= 44_100 {
                    let left =
                        |of: &[f32]| of.iter().step_by(channels).take(10_000).copied().collect::<Vec<_>>();
                    assert_eq!(lag(&left(&samples), &left(&source)), 0, "{name} {how:?} {rate}");
                }
            }
        }
    }
}

#[test]
fn surround_is_mixed_down_and_said() {
    for (name, how) in [("a.wav", &["-c:a", "pcm_f32le"][..]), ("a.flac", &[]), ("a.m4a", &["-c:a", "alac"])]
    {
        let bench = Bench::new();
        let samples = signal(44_100, 6, 5_000);
        let how = [&["-af", "channelmap=channel_layout=5.1"], how].concat();
        let file = bench.encode(name, 44_100, 6, &samples, &how);
        let ingested = bench.ingest(&file).unwrap();
        assert_eq!(
            (ingested.downmixed_from, ingested.channels, ingested.probe.channels),
            (Some(6), 2, 6),
            "{name}"
        );
        assert!(ingested.warnings.iter().any(|w| w.contains("6 channels")), "{:?}", ingested.warnings);
        let k = std::f32::consts::FRAC_1_SQRT_2;
        for (mixed, frame) in bench.source().chunks(2).zip(samples.chunks(6)) {
            let expected = [frame[0] + k * frame[2] + k * frame[4], frame[1] + k * frame[2] + k * frame[5]];
            assert!((mixed[0] - expected[0]).abs() < 1e-6 && (mixed[1] - expected[1]).abs() < 1e-6, "{name}");
        }
    }
}

#[test]
fn mono_is_in_both_channels_and_stereo_at_the_model_rate_is_linked() {
    let bench = Bench::new();
    let mono = signal(44_100, 1, 3_000);
    let file = bench.encode("a.wav", 44_100, 1, &mono, &[]);
    let ingested = bench.ingest(&file).unwrap();
    assert_eq!(ingested.channels, 1);
    let mix = bench.mix();
    assert!(mix.chunks(2).zip(&mono).all(|(frame, s)| frame[0] == *s && frame[1] == *s));
    assert_eq!(ingested.stats.peak, mono.iter().fold(0.0, |peak: f32, s| peak.max(s.abs())));

    let file = bench.encode("b.wav", 44_100, 2, &signal(44_100, 2, 3_000), &[]);
    bench.ingest(&file).unwrap();
    let inode = |name| fs::metadata(bench.path("work").join(name)).unwrap().ino();
    assert_eq!(inode(SOURCE), inode(MIX));
}

#[test]
fn the_same_audio_has_the_same_hash_and_the_same_files() {
    let bench = Bench::new();
    let samples = signal(48_000, 2, 20_000);
    let wav = bench.encode("a.wav", 48_000, 2, &samples, &["-c:a", "pcm_s16le"]);
    let flac = bench.encode("b.flac", 48_000, 2, &samples, &["-sample_fmt", "s16"]);
    let first = bench.ingest(&wav).unwrap();
    let files = (bench.source(), bench.mix());
    assert_eq!(bench.ingest(&wav).unwrap(), first);
    assert_eq!((bench.source(), bench.mix()), files);
    assert_eq!(bench.ingest(&flac).unwrap().pcm_hash, first.pcm_hash);
    let other_rate = bench.encode("c.wav", 44_100, 2, &samples, &["-c:a", "pcm_s16le"]);
    assert_ne!(bench.ingest(&other_rate).unwrap().pcm_hash, first.pcm_hash);
    // A linked mix of one run must not be written through by the next.
    assert_eq!(bench.ingest(&wav).unwrap(), first);
    assert_eq!((bench.source(), bench.mix()), files);
    let json = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<super::ingest::Ingested>(&json).unwrap(), first);
}

#[test]
fn peaks_are_normalised_and_silence_is_not() {
    let mut bench = Bench::new();
    bench.normalize = true;
    let file = bench.encode("a.wav", 44_100, 2, &signal(44_100, 2, 9_000), &["-c:a", "pcm_f32le"]);
    let ingested = bench.ingest(&file).unwrap();
    assert!((ingested.stats.peak - 0.7079).abs() < 1e-3, "{}", ingested.stats.peak);
    assert_ne!(bench.source(), bench.mix());
    let gain = ingested.input_gain as f32;
    assert!(bench.source().iter().zip(bench.mix()).all(|(s, m)| (s * gain - m).abs() < 1e-6));
    let file = bench.encode("b.wav", 44_100, 2, &[0.0; 4_000], &[]);
    let silent = bench.ingest(&file).unwrap();
    assert_eq!((silent.input_gain, silent.stats.peak, silent.stats.std), (1.0, 0.0, 0.0));
    assert!(bench.mix().iter().all(|s| *s == 0.0));
}

#[test]
fn a_preview_keeps_exactly_its_seconds() {
    let mut bench = Bench::new();
    bench.preview = Some(0.3);
    for (name, rate) in [("a.flac", 48_000), ("a.mp3", 44_100), ("a.m4a", 22_050)] {
        let samples = signal(rate, 2, rate as usize);
        let file = bench.encode(name, rate, 2, &samples, &[]);
        let ingested = bench.ingest(&file).unwrap();
        assert_eq!(ingested.frames, u64::from(rate * 3 / 10), "{name}");
        assert_eq!((ingested.preview, ingested.probe.frames), (Some(0.3), u64::from(rate)), "{name}");
        assert_eq!(ingested.stats.frames, 13_230);
    }
    bench.preview = Some(5.0);
    let file = bench.encode("b.wav", 8_000, 1, &signal(8_000, 1, 100), &[]);
    assert_eq!(bench.ingest(&file).unwrap().frames, 100);
    bench.preview = Some(0.0);
    assert_eq!(bench.ingest(&file).unwrap_err().kind, ErrorKind::InvalidRequest);
}

#[test]
fn limits_hold_while_decoding() {
    let mut bench = Bench::new();
    bench.limits.max_duration = Some(2.0);
    let second = 8_000;
    let exact = bench.encode("a.wav", second, 1, &signal(second, 1, 16_000), &[]);
    assert_eq!(bench.ingest(&exact).unwrap().frames, 16_000);
    for name in ["b.wav", "b.flac", "b.mp3", "b.ogg", "b.aac"] {
        let long = bench.encode(name, second, 1, &signal(second, 1, 24_000), &[]);
        let error = bench.ingest(&long).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{name}: {error}");
        assert!(error.message.contains("the limit is 2 s"), "{error}");
        assert_eq!(bench.leftovers(), [""; 0]);
    }
    bench.limits.max_bytes = 1_000;
    assert_eq!(bench.ingest(&exact).unwrap_err().kind, ErrorKind::TooLarge);
}

#[test]
fn audio_that_is_not_finite_is_refused_with_its_place() {
    let bench = Bench::new();
    let mut samples = signal(44_100, 2, 5_000);
    samples[2 * 1_234 + 1] = f32::NAN;
    let file = bench.encode("a.wav", 44_100, 2, &samples, &["-c:a", "pcm_f32le"]);
    let error = bench.ingest(&file).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AudioLoad);
    assert!(error.message.contains("frame 1234"), "{error}");
    assert_eq!(bench.leftovers(), [""; 0]);
}

#[test]
fn other_formats_go_through_ffmpeg_once_or_name_the_remedy() {
    for (name, how, codec) in [
        ("a.opus", &["-c:a", "libopus"][..], "opus"),
        ("a.wma", &["-c:a", "wmav2"], "wma"),
        ("a.wv", &["-c:a", "wavpack"], "wavpack"),
    ] {
        let mut bench = Bench::new();
        let file = bench.encode(name, 48_000, 2, &signal(48_000, 2, 96_000), how);
        let error = bench.ingest(&file).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnsupportedFormat, "{name}: {error}");
        assert!(error.message.contains(codec), "{name}: {error}");
        assert!(error.hint.unwrap().contains("install ffmpeg"), "{name}");
        assert_eq!(bench.leftovers(), [""; 0]);
        bench.ffmpeg = Some(ffmpeg());
        let ingested = bench.ingest(&file).unwrap_or_else(|e| panic!("{name}: {e} {:?}", e.causes));
        assert!(ingested.converted && ingested.probe.codec.starts_with(codec), "{ingested:?}");
        assert_eq!((ingested.rate, ingested.channels), (48_000, 2));
        assert!(ingested.frames.abs_diff(96_000) < 5_000, "{name}: {}", ingested.frames);
        let mut left = bench.leftovers();
        left.sort();
        assert_eq!(left, [MIX, SOURCE]);
        bench.limits.max_duration = Some(1.0);
        assert_eq!(bench.ingest(&file).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(bench.leftovers(), [""; 0]);
    }
}

#[test]
fn the_extension_does_not_matter_and_names_are_not_options() {
    let mut bench = Bench::new();
    bench.ffmpeg = Some(ffmpeg());
    let file = bench.encode("a.flac", 44_100, 2, &signal(44_100, 2, 2_000), &[]);
    for name in ["a.mp3", "-i", "a", "..", "a.txt"] {
        assert_eq!(bench.ingest_named(&file, OsStr::new(name)).unwrap().probe.container, "flac", "{name}");
    }
}

/// Cancels after a number of questions.
struct Impatient(Cell<u32>, Cell<f64>);

impl Monitor for Impatient {
    fn progress(&self, done: f64) {
        assert!((self.1.get()..=1.0).contains(&done), "progress fell or ran over");
        self.1.set(done);
    }
    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

#[test]
fn cancelling_at_any_time_leaves_nothing() {
    let bench = Bench::new();
    let wav = bench.encode("a.flac", 48_000, 2, &signal(48_000, 2, 96_000), &[]);
    let opus = bench.encode("a.wma", 48_000, 2, &signal(48_000, 2, 96_000), &[]);
    let program = ffmpeg();
    let try_with = |source: &std::path::Path, patience| {
        let request = IngestRequest {
            source,
            name: OsStr::new("a"),
            work: &bench.path("work"),
            limits: &bench.limits,
            preview: None,
            normalize: true,
            ffmpeg: Some(&program),
            model_rate: 44_100,
        };
        let monitor = Impatient(Cell::new(patience), Cell::new(0.0));
        (ingest(&request, &monitor), monitor.1.get())
    };
    for (file, patience) in [(&wav, 1), (&wav, 5), (&wav, 26), (&opus, 1), (&opus, 2)] {
        assert_eq!(try_with(file, patience).0.unwrap_err().kind, ErrorKind::Cancelled, "{patience}");
        assert_eq!(bench.leftovers(), [""; 0]);
    }
    let (result, progress) = try_with(&wav, u32::MAX);
    assert!(result.is_ok());
    assert_eq!(progress, 1.0);
}
