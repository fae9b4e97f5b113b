use serde::{Deserialize, Serialize};

/// What an input turned out to be, from its decoded audio rather than from its header alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Container, e.g. `wav`, `flac`, `mp4`.
    pub container: String,
    /// Codec, e.g. `flac`, `mp3`, `aac`.
    pub codec: String,
    /// Frames per second.
    pub sample_rate: u32,
    /// Channels of the file.
    pub channels: u16,
    /// Bits per sample, where the codec has such a thing.
    pub bit_depth: Option<u16>,
    /// Length in frames.
    pub frames: u64,
    /// Length in seconds.
    pub duration: f64,
}
