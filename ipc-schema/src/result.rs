use serde::{Deserialize, Serialize};

use crate::Format;

/// One stem as a finished file.
///
/// It was decoded again before it was listed here: its frames, rate, channels and every sample are those that
/// were handed to the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StemFile {
    /// Which stem it is, e.g. `vocals` or `instrumental`.
    pub stem: String,
    /// The file's name, without a folder.
    pub file: String,
    /// How it is encoded.
    pub format: Format,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// BLAKE3 digest of the file, 64 lower-case hexadecimal digits.
    pub blake3: String,
    /// Length in frames: that of the source.
    pub frames: u64,
    /// Frames per second: those of the source.
    pub sample_rate: u32,
    /// Samples per frame: 1 or 2, as in the source.
    pub channels: u16,
    /// Largest absolute sample in dBFS; nothing if the stem is silent.
    pub peak_dbfs: Option<f64>,
    /// Root mean square over all samples in dBFS (a constant full-scale signal has 0); nothing if the stem is
    /// silent.
    pub rms_dbfs: Option<f64>,
}

/// What an export made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// The one gain that was applied to all stems alike so that none clips, in dB; 0 if none would have.
    pub gain_db: f64,
    /// Root mean square of the mixture minus the sum of the stems as the model made them, in dBFS; nothing if
    /// they are equal.
    pub residual_before_dbfs: Option<f64>,
    /// The same for the final stems, before they are rounded to the format's bits; nothing if they sum to the
    /// mixture exactly.
    pub residual_after_dbfs: Option<f64>,
    /// One file per requested output, in the order of the request.
    pub files: Vec<StemFile>,
    /// What went otherwise than asked, without being a failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
