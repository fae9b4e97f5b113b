use serde::{Deserialize, Serialize};

use crate::Format;

/// An output file of a job, as it was verified after it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StemFile {
    /// Name of the output, e.g. `vocals`.
    pub stem: String,
    /// File name within the job.
    pub file: String,
    /// Its encoding.
    pub format: Format,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of the file, hexadecimal.
    pub blake3: String,
    /// Length in frames: the input's.
    pub frames: u64,
    /// Frames per second: the input's.
    pub sample_rate: u32,
    /// Channels: the input's, at most 2.
    pub channels: u16,
    /// Largest sample in dBFS; absent for silence.
    pub peak_dbfs: Option<f64>,
    /// Root mean square in dBFS; absent for silence.
    pub rms_dbfs: Option<f64>,
}
