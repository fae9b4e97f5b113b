//! One task: load if need be, compute under `catch_unwind`, report.

use std::{
    cell::Cell,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use harmonix_engine::{
    Checkpoint, Conditions, EngineError, Monitor, Separator, Summary, Task,
    protocol::{Ran, Reason, Say, Separate},
    separate_track,
    spool::SpoolReader,
};

use crate::{
    control::Control,
    models::{Models, Wanted},
};

/// Progress is said at most this often.
const SAY_EVERY: Duration = Duration::from_millis(50);

/// Sample rate and channels of the spool of the mixture.
const MIX: (u32, usize) = (44_100, 2);

/// Loads a model and says what it is.
pub(crate) fn load(control: &Control, models: &mut Models, wanted: &Wanted) {
    match models.get(wanted) {
        Ok((separator, _)) => control.say(&loaded(separator)),
        Err(error) => control.say(&failed(&wanted.model.id, &error)),
    }
}

fn loaded(separator: &dyn Separator) -> Say {
    Say::Loaded { info: separator.info().clone(), device: separator.conditions().device }
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
    let Separate { model, sources, device, precision, layout, stats, .. } = separate;
    let (model, sources, device) = (model.clone(), sources.clone(), device.clone());
    let (separator, fresh) = models.get(&Wanted { model, sources, device, precision: *precision })?;
    let model = separator.info().clone();
    if fresh {
        control.say(&loaded(separator));
    }
    if (model.sample_rate, model.channels) != MIX {
        let message = format!("the model takes {} channels at {} Hz", model.channels, model.sample_rate);
        return Err(EngineError::Model(message));
    }
    let mix = SpoolReader::open(&separate.mix, model.channels)?;
    let Conditions { device, precision, .. } = separator.conditions();
    let key = Checkpoint::key(&model, &device, precision, layout, &separate.input);
    let task = Task { mix: &mix, stats, layout, key: &key, dir: &separate.stems };
    let watch = Watch { control, task: &separate.task, said: Cell::new(None) };
    separator.take_notes();
    let summary = separate_track(separator, &task, &watch, &mut |frames| {
        control.say(&Say::Checkpoint { task: separate.task.clone(), frames });
    })?;
    let (Conditions { device, precision, batch }, notes) = (separator.conditions(), separator.take_notes());
    Ok((summary, Ran { model, device, precision, batch, notes }))
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
        EngineError::Device(_) => Reason::Device,
        EngineError::ModelCorrupt(_) => Reason::ModelCorrupt,
    };
    // the source of an I/O error is what tells the reader anything; paths stay inside
    let message = match error {
        EngineError::Io { source, .. } => format!("cannot read or write the work files: {source}"),
        other => other.to_string(),
    };
    Say::Failed { task: task.to_owned(), reason, message }
}
