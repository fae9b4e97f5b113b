use std::{
    cell::Cell,
    f64::consts::TAU,
    fs,
    path::{Path, PathBuf},
};

use harmonix_engine::{Unwatched, spool::SpoolWriter};
use tempfile::TempDir;

use super::{encoder::Encoder, pcm::Pcm, *};

const MODEL_RATE: u32 = 44_100;
const STEMS: [&str; 4] = ["drums", "bass", "other", "vocals"];

/// A stem at the time `t`: tones below 3.5 kHz, different left and right.
fn tone(stem: usize, channel: usize, t: f64) -> f64 {
    let f = 130.0 * (stem + 1) as f64 + 17.0 * channel as f64;
    0.12 * (TAU * f * t).sin() + 0.06 * (TAU * f * 6.3 * t + 1.0).sin() + 0.02 * (TAU * 1.7 * t).cos()
}

/// A track on disk.
struct Track {
    _dir: TempDir,
    stems: Vec<(String, PathBuf)>,
    source: PathBuf,
    dest: PathBuf,
    rate: u32,
    channels: u16,
    frames: u64,
}

fn spool(path: &Path, channels: usize, samples: &[f32]) {
    SpoolWriter::open(path, channels, 0).unwrap().write(samples).unwrap();
}

impl Track {
    /// Stems that are `level` times the truth, of which the source is the sum, in steps of 2^−23.
    fn new(rate: u32, channels: u16, frames: u64, level: f64) -> Self {
        Self::with(
            rate,
            channels,
            frames,
            |stem, channel, t| level * tone(stem, channel, t),
            |channel, t| (0..STEMS.len()).map(|stem| tone(stem, channel, t)).sum(),
        )
    }

    fn with(
        rate: u32,
        channels: u16,
        frames: u64,
        stem: impl Fn(usize, usize, f64) -> f64,
        source: impl Fn(usize, f64) -> f64,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model_frames = (frames * u64::from(MODEL_RATE)).div_ceil(u64::from(rate));
        let stems = STEMS.iter().enumerate().map(|(index, name)| {
            let path = dir.path().join(format!("{name}.f32"));
            let time = |frame: u64| frame as f64 / f64::from(MODEL_RATE);
            let samples: Vec<f32> =
                (0..model_frames).flat_map(|i| [0, 1].map(|c| stem(index, c, time(i)) as f32)).collect();
            spool(&path, 2, &samples);
            (name.to_string(), path)
        });
        let stems = stems.collect();
        let steps = |x: f64| ((x * 8_388_608.0).round() / 8_388_608.0) as f32;
        let samples: Vec<f32> = (0..frames)
            .flat_map(|i| {
                let t = i as f64 / f64::from(rate);
                let (left, right) = (source(0, t), source(1, t));
                if channels == 1 {
                    vec![steps(0.5 * (left + right))]
                } else {
                    vec![steps(left), steps(right)]
                }
            })
            .collect();
        let path = dir.path().join("source.f32");
        spool(&path, usize::from(channels), &samples);
        let dest = dir.path().join("dest");
        fs::create_dir(&dest).unwrap();
        Self { stems, source: path, dest, rate, channels, frames, _dir: dir }
    }

    fn request<'a>(&'a self, outputs: &'a [Output], format: Format) -> ExportRequest<'a> {
        ExportRequest {
            stems: &self.stems,
            model_rate: MODEL_RATE,
            source: &self.source,
            tags_from: None,
            display_name: "song",
            musical: Musical::default(),
            rate: self.rate,
            channels: self.channels,
            frames: self.frames,
            input_gain: 1.0,
            outputs,
            format,
            raw: false,
            dest: &self.dest,
        }
    }

    fn mixture(&self) -> Vec<f64> {
        let bytes = fs::read(&self.source).unwrap();
        bytes.as_chunks::<4>().0.iter().map(|raw| f64::from(f32::from_le_bytes(*raw))).collect()
    }

    /// The samples of all files, full scale at ±1.
    fn read(&self, exported: &Exported) -> Vec<Vec<f64>> {
        let paths: Vec<PathBuf> = exported.files.iter().map(|file| self.dest.join(&file.file)).collect();
        if exported.files[0].format.extension() == "wav" {
            return paths.iter().map(|path| testing::wav(path)).collect();
        }
        let scale = |x: i32| f64::from(x) / 2_147_483_648.0;
        testing::ffmpeg(&paths).into_iter().map(|stem| stem.into_iter().map(scale).collect()).collect()
    }

    fn left_over(&self) -> Vec<String> {
        let names = fs::read_dir(&self.dest).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

fn all() -> Vec<Output> {
    STEMS.iter().enumerate().map(|(index, name)| Output::new(*name, [index])).collect()
}

fn karaoke() -> Vec<Output> {
    vec![Output::new("vocals", [3]), Output::new("instrumental", [0, 1, 2])]
}

fn sum(stems: &[Vec<f64>]) -> Vec<f64> {
    (0..stems[0].len()).map(|i| stems.iter().map(|stem| stem[i]).sum()).collect()
}

/// Largest absolute difference.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn stems_null_at_every_rate_in_every_format() {
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
        for channels in [1, 2] {
            let track = Track::new(rate, channels, u64::from(rate) / 3 + 1, 0.7);
            for format in Format::ALL {
                let outputs = all();
                let exported = export(&track.request(&outputs, format), &Unwatched).unwrap();
                let stems = track.read(&exported);
                let error = difference(&sum(&stems), &track.mixture());
                let allowed = match format {
                    Format::Wav32f => 10f64.powf(-145.0 / 20.0),
                    Format::Wav24 | Format::Flac24 => 0.0,
                    Format::Wav16 | Format::Flac16 => 0.5 / 32_768.0,
                };
                println!("{rate} Hz, {channels} ch, {format}: {:.1} dBFS", 20.0 * error.log10());
                assert!(error <= allowed, "{rate} Hz, {channels} channels, {format}: {error:e}");
                assert_eq!(exported.gain_db, 0.0);
                assert!(exported.residual_before_dbfs.unwrap() > -40.0);
                assert!(exported.residual_after_dbfs.is_none_or(|level| level < -150.0));
                for (file, name) in exported.files.iter().zip(STEMS) {
                    assert_eq!((&*file.stem, file.frames, file.sample_rate), (name, track.frames, rate));
                    assert_eq!(file.file, format!("{name}.{}", format.extension()));
                    let bytes = fs::read(track.dest.join(&file.file)).unwrap();
                    assert_eq!(file.bytes, bytes.len() as u64);
                    assert_eq!(file.blake3, blake3::hash(&bytes).to_hex().as_str());
                }
            }
        }
    }
}

#[test]
fn the_length_is_exact_and_nothing_is_shifted() {
    for rate in [8_000, 22_050, 44_100, 48_000, 96_000] {
        for frames in [1, 1_023, 4_096, 44_100] {
            let track = Track::new(rate, 2, frames, 1.0);
            let outputs = all();
            let request = ExportRequest { raw: true, ..track.request(&outputs, Format::Wav32f) };
            let exported = export(&request, &Unwatched).unwrap();
            let mixture = track.mixture();
            let stems = track.read(&exported);
            let raw = sum(&stems);
            assert_eq!(raw.len() as u64, 2 * frames);
            let exported = export(&track.request(&outputs, Format::Flac24), &Unwatched).unwrap();
            assert_eq!(sum(&track.read(&exported)), mixture);
            if frames == 44_100 {
                let correlation = |lag: i64| -> f64 {
                    let at = |i: i64| raw.get((i + lag) as usize * 2).copied().unwrap_or(0.0);
                    (5_000..30_000).map(|i| at(i) * mixture[i as usize * 2]).sum()
                };
                let best = (-50..=50).max_by(|a, b| correlation(*a).total_cmp(&correlation(*b)));
                assert_eq!(best, Some(0), "{rate} Hz");
            }
        }
    }
}

#[test]
fn clipping_stems_get_one_common_gain() {
    let loud =
        |stem: usize, c: usize, t: f64| if stem == 3 { 9.0 * tone(3, c, t) } else { -3.0 * tone(stem, c, t) };
    let track = Track::with(44_100, 2, 20_000, loud, |c, t| (0..4).map(|stem| tone(stem, c, t)).sum());
    let mixture = track.mixture();
    for format in Format::ALL {
        let outputs = all();
        let exported = export(&track.request(&outputs, format), &Unwatched).unwrap();
        let stems = track.read(&exported);
        if format.is_float() {
            assert_eq!(exported.gain_db, 0.0);
            assert!(exported.files[3].peak_dbfs.unwrap() > 0.0);
            continue;
        }
        assert!(exported.gain_db < -1.0, "{}", exported.gain_db);
        let gain = 10f64.powf(exported.gain_db / 20.0);
        let step = 2.0 / f64::from(1u32 << (format.bits() - 1));
        let scaled: Vec<f64> = mixture.iter().map(|x| x * gain).collect();
        assert!(difference(&sum(&stems), &scaled) <= step / 4.0 * 1.001, "{format}");
        let peak = exported.files.iter().filter_map(|file| file.peak_dbfs).fold(f64::MIN, f64::max);
        assert!(peak < 0.0 && peak > -0.01, "{format}: {peak}");
        // A filter changes nothing about the level of what is left.
        let vocals = [Output::new("drums", [0])];
        let alone = export(&track.request(&vocals, format), &Unwatched).unwrap();
        assert_eq!(alone.gain_db, exported.gain_db);
    }
}

#[test]
fn karaoke_is_vocals_and_the_sum_of_the_rest() {
    let track = Track::new(48_000, 2, 30_000, 0.8);
    let (outputs, pair) = (all(), karaoke());
    let each = export(&track.request(&outputs, Format::Wav32f), &Unwatched).unwrap();
    let each = track.read(&each);
    let pair = export(&track.request(&pair, Format::Wav32f), &Unwatched).unwrap();
    let pair = track.read(&pair);
    assert!(difference(&pair[1], &sum(&each[..3])) <= 1e-6);
    assert!(pair[0] == each[3]);
    let outputs = karaoke();
    let exact = export(&track.request(&outputs, Format::Flac24), &Unwatched).unwrap();
    let exact = track.read(&exact);
    assert_eq!(difference(&sum(&exact), &track.mixture()), 0.0);
}

#[test]
fn only_what_is_asked_for_is_written() {
    let track = Track::new(44_100, 2, 5_000, 1.0);
    let two = [Output::new("vocals", [3]), Output::new("drums", [0])];
    export(&track.request(&two, Format::Flac16), &Unwatched).unwrap();
    let mut names = track.left_over();
    names.sort();
    assert_eq!(names, ["drums.flac", "vocals.flac"]);
}

#[test]
fn silence_and_a_silent_stem_stay_silent() {
    let silent = Track::with(44_100, 2, 9_000, |_, _, _| 0.0, |_, _| 0.0);
    for format in Format::ALL {
        let outputs = all();
        let exported = export(&silent.request(&outputs, format), &Unwatched).unwrap();
        assert!(exported.files.iter().all(|f| f.peak_dbfs.is_none() && f.rms_dbfs.is_none()));
        assert_eq!((exported.residual_before_dbfs, exported.residual_after_dbfs), (None, None));
        assert!(serde_json::to_string(&exported).unwrap().contains("\"peak_dbfs\":null"));
    }
    let no_vocals = |stem: usize, c: usize, t: f64| if stem == 3 { 0.0 } else { 0.5 * tone(stem, c, t) };
    let track = Track::with(48_000, 1, 9_000, no_vocals, |c, t| (0..3).map(|stem| tone(stem, c, t)).sum());
    let outputs = all();
    let exported = export(&track.request(&outputs, Format::Wav32f), &Unwatched).unwrap();
    assert_eq!(exported.files[3].peak_dbfs, None);
    let stems = track.read(&exported);
    assert!(difference(&sum(&stems), &track.mixture()) < 1e-7);
}

#[test]
fn raw_leaves_the_stems_alone_and_input_gain_counts() {
    let track = Track::new(44_100, 2, 5_000, 0.7);
    let outputs = all();
    let raw = ExportRequest { raw: true, ..track.request(&outputs, Format::Wav32f) };
    let exported = export(&raw, &Unwatched).unwrap();
    assert_eq!(exported.residual_before_dbfs, exported.residual_after_dbfs);
    let bytes = fs::read(&track.stems[0].1).unwrap();
    let model = bytes.as_chunks::<4>().0.iter().map(|raw| f64::from(f32::from_le_bytes(*raw)));
    assert!(model.eq(track.read(&exported).remove(0)));

    let half = ExportRequest { input_gain: 0.5, ..track.request(&outputs, Format::Wav24) };
    let exported = export(&half, &Unwatched).unwrap();
    let stems = track.read(&exported);
    let half: Vec<f64> = track.mixture().iter().map(|x| x * 0.5).collect();
    assert!(difference(&sum(&stems), &half) <= 0.5 / 8_388_608.0);
}

#[test]
fn a_rerun_over_leftovers_gives_the_same_bytes() {
    let track = Track::new(22_050, 2, 12_345, 0.9);
    let outputs = all();
    let first = export(&track.request(&outputs, Format::Flac24), &Unwatched).unwrap();
    fs::write(track.dest.join("drums.flac"), b"half").unwrap();
    fs::write(track.dest.join("bass.flac.part"), vec![9; 1 << 20]).unwrap();
    let second = export(&track.request(&outputs, Format::Flac24), &Unwatched).unwrap();
    assert_eq!(first, second);
    assert_eq!(track.left_over().len(), 4);
}

#[test]
fn flac_that_cannot_be_becomes_wav_with_a_warning() {
    let track = Track::new(705_600, 1, 2_000, 1.0);
    let outputs = all();
    let exported = export(&track.request(&outputs, Format::Flac24), &Unwatched).unwrap();
    assert_eq!((exported.files[0].format, exported.warnings.len()), (Format::Wav24, 1));
    assert_eq!(exported.files[0].file, "drums.wav");
}

/// Cancels once the progress has reached a fraction.
struct CancelAt(f64, Cell<f64>);

impl Monitor for CancelAt {
    fn progress(&self, done: f64) {
        assert!(done >= self.1.get() && done <= 1.0, "{done} after {}", self.1.get());
        self.1.set(done);
    }
    fn cancelled(&self) -> bool {
        self.1.get() >= self.0
    }
}

#[test]
fn cancelling_at_any_time_leaves_nothing() {
    let track = Track::new(44_100, 2, 100_000, 0.9);
    let outputs = all();
    for format in [Format::Wav32f, Format::Flac24] {
        for at in [0.0, 0.2, 0.5, 0.8, 1.0] {
            let error = export(&track.request(&outputs, format), &CancelAt(at, Cell::new(0.0))).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Cancelled, "{format} at {at}");
            assert_eq!(track.left_over(), [""; 0], "{format} at {at}");
        }
        export(&track.request(&outputs, format), &CancelAt(2.0, Cell::new(0.0))).unwrap();
        fs::remove_dir_all(&track.dest).unwrap();
        fs::create_dir(&track.dest).unwrap();
    }
}

#[test]
fn failures_are_typed_name_no_path_and_leave_nothing() {
    let outputs = all();
    let fails = |track: &Track, kind: ErrorKind, request: &ExportRequest<'_>| {
        let error = export(request, &Unwatched).unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(!serde_json::to_string(&error).unwrap().contains(track.dest.to_str().unwrap()));
        assert_eq!(track.left_over(), [""; 0]);
    };
    let track = Track::new(48_000, 2, 20_000, 1.0);
    let request = track.request(&outputs, Format::Flac24);
    fails(&track, ErrorKind::InvalidRequest, &ExportRequest { channels: 3, ..request.clone() });
    fails(&track, ErrorKind::InvalidRequest, &ExportRequest { frames: 0, ..request.clone() });
    fails(&track, ErrorKind::InvalidRequest, &ExportRequest { outputs: &[], ..request.clone() });
    fails(&track, ErrorKind::Internal, &ExportRequest { frames: 19_999, ..request.clone() });
    fails(&track, ErrorKind::Internal, &ExportRequest { source: Path::new("/nowhere"), ..request.clone() });

    // A stem that ends early, and one that is not finite near its end, after files were begun.
    let path = &track.stems[1].1;
    let good = fs::read(path).unwrap();
    fs::write(path, &good[..good.len() - 800]).unwrap();
    fails(&track, ErrorKind::Separation, &request);
    let mut bad = good.clone();
    let end = bad.len();
    bad[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(path, &bad).unwrap();
    fails(&track, ErrorKind::Separation, &request);
    fails(&track, ErrorKind::Separation, &ExportRequest { format: Format::Wav32f, ..request.clone() });
}

#[test]
fn a_full_disk_is_said() {
    for format in Format::ALL {
        // Writing to this device always fails for want of space.
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let spec = Spec { format, rate: 44_100, channels: 1, frames: 1 << 20 };
        let tags = Tags::read(None, Musical::default(), &mut Vec::new());
        let pcm = if format.is_float() {
            Pcm::Float(vec![0.5; 1 << 20])
        } else {
            Pcm::Int { samples: (0..1 << 20).map(|i| i * 1_234 % 32_768).collect(), bits: format.bits() }
        };
        let mut encoder = Encoder::new(full, spec, &tags).unwrap();
        let written = encoder.write(&pcm).and_then(|()| encoder.finish().map(drop));
        assert_eq!(encode::unwritable(&written.unwrap_err()).kind, ErrorKind::DiskFull, "{format}");
    }
}
