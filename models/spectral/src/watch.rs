//! Progress and cancellation within a segment.

use harmonix_engine::{EngineError, Monitor};

/// Counts small units of work (a frame of one stage, some ten microseconds) against their total.
pub(crate) struct Watch<'a> {
    monitor: &'a dyn Monitor,
    done: usize,
    total: usize,
}

/// Units between two questions to the monitor: well below the 50 ms it asks for, well above its cost.
const STRIDE: usize = 16;

impl<'a> Watch<'a> {
    /// Watches over `total` units.
    pub(crate) fn new(monitor: &'a dyn Monitor, total: usize) -> Self {
        Self { monitor, done: 0, total }
    }

    /// One unit is done. Fails once the monitor has cancelled.
    pub(crate) fn tick(&mut self) -> Result<(), EngineError> {
        self.done += 1;
        if self.done.is_multiple_of(STRIDE) {
            if self.monitor.cancelled() {
                return Err(EngineError::Cancelled);
            }
            self.monitor.progress((self.done as f64 / self.total as f64).min(1.0));
        }
        Ok(())
    }
}
