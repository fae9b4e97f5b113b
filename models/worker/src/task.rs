//! One task: load if need be, compute under `catch_unwind`, report.

use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use harmonix_engine::{
    EngineError, Monitor, Summary, Task,
    protocol::{Model, Precision, Ran, Reason, Say, Separate},
    separate_track,
    spool::SpoolReader,
};

use crate::{control::Control, models::Models};

/// Progress is said at most this often.
const SAY_EVERY: Duration = Duration::from_millis(50);

/// Loads a model and says what it is.
pub(crate) fn load(control: &Control, models: &mut Models, model: &Model, device: &str) {
    match models.get(model, device) {
        Ok((loaded, _)) => {
            let say = Say::Loaded { info: loaded.separator.info().clone(), device: loaded.device.into() };
            control.say(&say);
        }
        Err(error) => control.say(&failed(&model.id, &error)),
    }
}

/// Separates a track and says how it went.
pub(crate) fn separate(control: &Control, models: &mut Models, separate: &Separate) {
    let task = separate.task.clone();
    let say = match catch_unwind(AssertUnwindSafe(|| run(control, models, separate))) {
        Ok(Ok((summary, ran))) => Say::Done { task, summary, ran },
        Ok(Err(error)) => failed(&task, &error),
        Err(_) => {
            models.drop_all();
            Say::Failed { task, reason: Reason::Panic, message: "the engine panicked".into() }
        }
    };
    control.say(&say);
}

fn run(control: &Control, models: &mut Models, separate: &Separate) -> Result<(Summary, Ran), EngineError> {
    let (loaded, fresh) = models.get(&separate.model, &separate.device)?;
    let info = loaded.separator.info().clone();
    if fresh {
        control.say(&Say::Loaded { info: info.clone(), device: loaded.device.into() });
    }
    let mix = SpoolReader::open(&separate.mix, info.channels)?;
    let layout = &separate.layout;
    let key = format!(
        "{} {} {} overlap {} shifts {} seed {} input {}",
        info.id, info.fingerprint, loaded.device, layout.overlap, layout.shifts, layout.seed, separate.input
    );
    let task = Task { mix: &mix, stats: &separate.stats, layout, key: &key, dir: &separate.stems };
    let watch = Watch { control, task: &separate.task, said: Cell::new(None) };
    let (device, precision) = (loaded.device.into(), Precision::F32);
    let ran = Ran { model: info, device, precision, batch: 1, notes: Vec::new() };
    let summary = separate_track(loaded.separator.as_mut(), &task, &watch, &mut |frames| {
        control.say(&Say::Checkpoint { task: separate.task.clone(), frames });
    })?;
    Ok((summary, ran))
}

/// Progress to the daemon, cancellation from it.
struct Watch<'a> {
    control: &'a Control,
    task: &'a str,
    said: Cell<Option<Instant>>,
}

impl Monitor for Watch<'_> {
    fn progress(&self, done: f64) {
        if self.said.get().is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said.set(Some(Instant::now()));
            self.control.say(&Say::Progress { task: self.task.to_owned(), done });
        }
    }

    fn cancelled(&self) -> bool {
        self.control.is_cancelled(self.task)
    }
}

fn failed(task: &str, error: &EngineError) -> Say {
    let reason = match error {
        EngineError::Cancelled => Reason::Cancelled,
        EngineError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => Reason::DiskFull,
        EngineError::Io { .. } => Reason::Io,
        EngineError::OutOfMemory(_) => Reason::OutOfMemory,
        EngineError::NonFinite(_) => Reason::NonFinite,
        EngineError::Model(_) => Reason::Model,
        EngineError::ModelCorrupt(_) => Reason::ModelCorrupt,
    };
    // the source of an I/O error is what tells the reader anything; paths stay inside
    let message = match error {
        EngineError::Io { source, .. } => format!("cannot read or write the work files: {source}"),
        other => other.to_string(),
    };
    Say::Failed { task: task.to_owned(), reason, message }
}
