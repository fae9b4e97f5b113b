//! How alike two signals are. Sums run in `f64` over all channels and samples.

mod lag;
mod level;
mod null;
mod sdr;

pub use lag::{Lag, lag};
pub use level::{Level, db, db_power, dbfs, level};
pub use null::{Null, null};
pub use sdr::{sdr, si_sdr, snr};
