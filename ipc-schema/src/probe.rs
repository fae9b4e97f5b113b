use serde::{Deserialize, Serialize};

/// What a source file is, as found by decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Container, such as `wave`, `flac`, `isomp4`, `ogg`.
    pub container: String,
    /// Codec, such as `pcm_s16le`, `flac`, `aac`.
    pub codec: String,
    /// Frames per second, `1_000..=768_000`.
    pub sample_rate: u32,
    /// Channels in the file, before any downmix; at least 1.
    pub channels: u16,
    /// Bits of a sample, where the codec keeps samples as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bit_depth: Option<u16>,
    /// Length in frames, without what encoders add in front and behind. Of a preview: the length that the
    /// header promises, or that of the preview where there is no promise.
    pub frames: u64,
    /// Length in seconds: `frames / sample_rate`.
    pub duration: f64,
}
