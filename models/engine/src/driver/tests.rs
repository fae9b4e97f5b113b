use std::{cell::Cell, path::Path};

use super::*;
use crate::{ModelInfo, Unwatched};

/// Two stems: a quarter and three quarters of the mixture, with the segment's position mixed in so that
/// a wrong segment, window or order shows.
struct Split {
    info: ModelInfo,
    window: Vec<f32>,
    batch: usize,
}

impl Split {
    fn new(batch: usize) -> Self {
        let sources = vec!["one".into(), "two".into()];
        let info = ModelInfo {
            id: "split".into(),
            fingerprint: "1".into(),
            sources,
            sample_rate: 100,
            channels: 2,
            segment: 64,
        };
        let window = (0..64).map(|i| (i.min(63 - i) + 1) as f32).collect();
        Self { info, window, batch }
    }
}

impl Separator for Split {
    fn info(&self) -> &ModelInfo {
        &self.info
    }
    fn window(&self) -> &[f32] {
        &self.window
    }
    fn max_batch(&self) -> usize {
        self.batch
    }
    fn prepare(&mut self, _: &TrackStats, _: &SpoolReader, _: &dyn Monitor) -> Result<(), EngineError> {
        Ok(())
    }
    fn separate(
        &mut self,
        segments: &Segments<'_>,
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError> {
        let mix = segments.mix;
        if monitor.cancelled() {
            return Err(EngineError::Cancelled);
        }
        for (mix, stems) in mix.chunks_exact(128).zip(stems.chunks_exact_mut(256)) {
            let (one, two) = stems.split_at_mut(128);
            for (at, sample) in mix.iter().enumerate() {
                one[at] = 0.25 * sample + 0.01 * at as f32;
                two[at] = sample - one[at];
            }
        }
        Ok(())
    }
}

/// Cancels once it was asked so many times.
struct After(Cell<usize>);

impl Monitor for After {
    fn progress(&self, _: f64) {}
    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

fn mixture(dir: &Path, frames: usize) -> SpoolReader {
    let path = dir.join("mix.f32");
    let samples: Vec<f32> = (0..frames * 2).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    SpoolWriter::open(&path, 2, 0).unwrap().write(&samples).unwrap();
    SpoolReader::open(&path, 2).unwrap()
}

const LAYOUTS: [Layout; 3] = [
    Layout { overlap: 0.05, shifts: 0, seed: 0 },
    Layout { overlap: 0.25, shifts: 1, seed: 1 },
    Layout { overlap: 0.5, shifts: 3, seed: 2 },
];

fn run(
    mix: &SpoolReader,
    layout: &Layout,
    dir: &Path,
    batch: usize,
    monitor: &dyn Monitor,
) -> Result<Summary, EngineError> {
    run_as("key", mix, layout, dir, batch, monitor)
}

fn run_as(
    key: &str,
    mix: &SpoolReader,
    layout: &Layout,
    dir: &Path,
    batch: usize,
    monitor: &dyn Monitor,
) -> Result<Summary, EngineError> {
    let task = Task { mix, stats: &TrackStats::default(), layout, key, dir };
    separate_track(&mut Split::new(batch), &task, monitor, &mut |_| {})
}

fn stem(dir: &Path, name: &str) -> Vec<u8> {
    fs::read(dir.join(name).with_extension("f32")).unwrap()
}

#[test]
fn stems_are_exact_in_length_and_sum_to_the_mixture() {
    for frames in [1, 63, 64, 65, 640, 1001] {
        for layout in &LAYOUTS {
            let dir = tempfile::tempdir().unwrap();
            let mix = mixture(dir.path(), frames);
            run(&mix, layout, dir.path(), 1, &Unwatched).unwrap();
            let read = |name: &str| {
                let mut out = vec![0.0; frames * 2];
                let spool = SpoolReader::open(&dir.path().join(name), 2).unwrap();
                assert_eq!(spool.frames(), frames as u64);
                spool.read(0, &mut out).unwrap();
                out
            };
            let (mix, one, two) = (read("mix.f32"), read("one.f32"), read("two.f32"));
            for at in 0..frames * 2 {
                assert!((mix[at] - one[at] - two[at]).abs() < 2e-6);
            }
        }
    }
}

#[test]
fn an_interrupted_run_gives_the_bits_of_an_undisturbed_one() {
    for layout in &LAYOUTS {
        let dir = tempfile::tempdir().unwrap();
        let mix = mixture(dir.path(), 1001);
        let whole = dir.path().join("whole");
        run(&mix, layout, &whole, 1, &Unwatched).unwrap();
        for stop in 2..12 {
            let cut = dir.path().join(format!("cut{stop}"));
            let stopped = run(&mix, layout, &cut, 1, &After(Cell::new(stop)));
            assert!(matches!(stopped, Err(EngineError::Cancelled)));
            // what a crash may leave behind the checkpoint
            fs::OpenOptions::new().append(true).open(cut.join("one.f32")).unwrap().set_len(1001 * 8).unwrap();
            let resumed = run(&mix, layout, &cut, 1, &Unwatched).unwrap();
            assert_eq!((stem(&whole, "one"), stem(&whole, "two")), (stem(&cut, "one"), stem(&cut, "two")));
            assert!(stop < 11 || resumed.resumed_at > 0, "nothing was resumed");
        }
    }
}

#[test]
fn a_batch_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mix = mixture(dir.path(), 1001);
    let outputs = [1, 3, 100].map(|batch| {
        let out = dir.path().join(batch.to_string());
        run(&mix, &LAYOUTS[2], &out, batch, &Unwatched).unwrap();
        stem(&out, "one")
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}

#[test]
fn another_key_or_a_damaged_spool_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let mix = mixture(dir.path(), 1001);
    let out = dir.path().join("out");
    run(&mix, &LAYOUTS[0], &out, 1, &After(Cell::new(8))).unwrap_err();
    fs::write(out.join("two.f32"), b"short").unwrap();
    assert_eq!(run(&mix, &LAYOUTS[0], &out, 1, &Unwatched).unwrap().resumed_at, 0);
    let again = run_as("other", &mix, &LAYOUTS[0], &out, 1, &Unwatched);
    assert_eq!(again.unwrap().resumed_at, 0);
}

/// Whoever reads stems early goes by the checkpoint: it covers what is final, and is gone before anything changes.
#[test]
fn a_checkpoint_never_covers_what_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let mix = mixture(dir.path(), 1001);
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    run(&mix, &LAYOUTS[0], &whole, 1, &Unwatched).unwrap();
    fs::create_dir(&out).unwrap();
    assert_eq!(Checkpoint::read(&out).unwrap(), None);
    run(&mix, &LAYOUTS[0], &out, 1, &After(Cell::new(8))).unwrap_err();
    let checkpoint = Checkpoint::read(&out).unwrap().unwrap();
    let bytes = checkpoint.frames as usize * 8;
    assert!(checkpoint.key == "key" && bytes > 0, "{checkpoint:?}");
    assert_eq!(stem(&out, "one")[..bytes], stem(&whole, "one")[..bytes]);
    // under another key nothing is final until it has its own
    run_as("other", &mix, &LAYOUTS[1], &out, 1, &After(Cell::new(0))).unwrap_err();
    assert_eq!(Checkpoint::read(&out).unwrap(), None);
}
