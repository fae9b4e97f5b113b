//! What a job is, and what it does next. Pure: no actor, no file.

mod id;
mod identity;
mod outcome;
mod plan;
mod record;
mod request;
mod shelf;
#[cfg(test)]
pub(crate) mod tests;
mod timing;

pub use id::new_id;
pub use identity::{request_key, stems_key};
pub use outcome::{Exported, Outcome, apply, resume};
pub use plan::{Capacity, Step, Turns, next_step, preempted, schedule};
pub use record::{Record, Separated};
pub use request::{Resolved, effective, model_of, resolve};
pub use shelf::{BUILT_IN, Shelf, Shelved};
pub use timing::{TIMINGS, Timings, stage_key};

/// Seconds since the Unix epoch.
pub fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
