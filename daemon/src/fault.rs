//! Faults on purpose, for tests of debug builds: `HARMONIX_FAULT=<place>@<n>` makes the n-th pass through a place
//! panic. A release build has none of it.

#[cfg(debug_assertions)]
pub(crate) fn strike(place: &str) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static PASSES: AtomicUsize = AtomicUsize::new(0);
    let Ok(fault) = std::env::var("HARMONIX_FAULT") else { return };
    if let Some((wanted, Ok(at))) = fault.split_once('@').map(|(wanted, at)| (wanted, at.parse::<usize>()))
        && wanted == place
        && PASSES.fetch_add(1, Relaxed) + 1 == at
    {
        std::panic::panic_any("as the test asked for");
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn strike(_: &str) {}
