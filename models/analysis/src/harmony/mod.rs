//! Tuning, key and chords from the pitch classes of the frames.

mod chords;
mod folded;
mod key;
mod models;
mod profiles;
mod wheel;

pub(crate) use folded::Harmony;
pub use wheel::{camelot, open_key, tonic_name};
