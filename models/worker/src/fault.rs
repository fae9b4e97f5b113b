//! Faults on purpose, for tests of debug builds: `HARMONIX_FAULT=<what>@<n>` lets the n-th segment of a worker's
//! life fail. `<what>` is `panic`, `abort`, `hang`, `nan` or `oom`.

use std::{
    env, process,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use harmonix_engine::{
    Conditions, EngineError, ModelInfo, Monitor, Segments, Separator, TrackStats, protocol::Note,
    spool::SpoolReader,
};

/// Segments that this process has computed, over all models that it loaded.
static SEGMENTS: AtomicUsize = AtomicUsize::new(0);

struct Faulty {
    inner: Box<dyn Separator>,
    what: String,
    at: usize,
}

/// Wraps a model if the environment asks for a fault.
pub(crate) fn wrap(inner: Box<dyn Separator>) -> Box<dyn Separator> {
    let Ok(fault) = env::var("HARMONIX_FAULT") else { return inner };
    match fault.split_once('@').map(|(what, at)| (what.to_owned(), at.parse())) {
        Some((what, Ok(at))) => Box::new(Faulty { inner, what, at }),
        _ => inner,
    }
}

impl Separator for Faulty {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    fn window(&self) -> &[f32] {
        self.inner.window()
    }

    fn prepare(
        &mut self,
        stats: &TrackStats,
        mix: &SpoolReader,
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError> {
        self.inner.prepare(stats, mix, monitor)
    }

    fn conditions(&self) -> Conditions {
        self.inner.conditions()
    }

    fn take_notes(&mut self) -> Vec<Note> {
        self.inner.take_notes()
    }

    fn weight_bytes(&self) -> u64 {
        self.inner.weight_bytes()
    }

    fn max_batch(&self) -> usize {
        self.inner.max_batch()
    }

    fn fills_up(&self) -> bool {
        self.inner.fills_up()
    }

    fn separate(
        &mut self,
        segments: &Segments<'_>,
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError> {
        self.inner.separate(segments, stems, monitor)?;
        if SEGMENTS.fetch_add(1, Relaxed) + 1 != self.at {
            return Ok(());
        }
        match self.what.as_str() {
            "abort" => process::abort(),
            "hang" => loop {
                thread::park();
            },
            "nan" => stems.fill(f32::NAN),
            "oom" => return Err(EngineError::OutOfMemory("as the test asked for".into())),
            "panic" => std::panic::panic_any("as the test asked for"),
            _ => {}
        }
        Ok(())
    }
}
