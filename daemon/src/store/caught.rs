//! Panics of the database become errors.

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

/// Runs `act`; none if it panicked.
pub(super) fn caught<T>(act: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act)).ok()
}

/// The same, and what panics meanwhile goes to the log instead of standard error: the database's threads may do so too.
pub(super) fn caught_silently<T>(act: impl FnOnce() -> T) -> Option<T> {
    /// The hook is the process's: one at a time may change it.
    static HOOK: Mutex<()> = Mutex::new(());
    let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = panic::take_hook();
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "the database gave up");
    }));
    let result = caught(act);
    panic::set_hook(before);
    result
}
