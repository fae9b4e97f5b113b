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

/// A fault of another kind: `HARMONIX_FAULT=hang:<place>@<n>` lets an actor answer nothing more from the n-th pass on.
#[cfg(debug_assertions)]
pub(crate) fn hang<A: actix::Actor<Context = actix::Context<A>>>(place: &str, ctx: &mut actix::Context<A>) {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use actix::AsyncContext;

    static PASSES: AtomicUsize = AtomicUsize::new(0);
    let fault = std::env::var("HARMONIX_FAULT").unwrap_or_default();
    let wanted = fault.strip_prefix("hang:").and_then(|fault| fault.split_once('@'));
    if let Some((_, at)) = wanted.filter(|(wanted, _)| *wanted == place)
        && PASSES.fetch_add(1, Relaxed) + 1 == at.parse().unwrap_or(0)
    {
        ctx.wait(actix::fut::wrap_future::<_, A>(std::future::pending::<()>()));
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn hang<C>(_: &str, _: &mut C) {}

#[cfg(not(debug_assertions))]
pub(crate) fn strike(_: &str) {}
