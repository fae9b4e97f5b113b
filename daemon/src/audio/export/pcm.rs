//! Blocks of finished samples on their way into a file.

/// A block of interleaved samples as they stand in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Pcm {
    /// Signed integers of `bits` bits (16 or 24).
    Int {
        /// The samples, within the range of `bits`.
        samples: Vec<i32>,
        /// Bits per sample.
        bits: u32,
    },
    /// IEEE floats, full scale ±1.
    Float(Vec<f32>),
}

impl Pcm {
    /// Replaces `bytes` with the samples in little-endian order, each in as few whole bytes as hold it: what a
    /// WAV file stores and what a FLAC file's MD5 is taken over.
    pub(super) fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        match self {
            Self::Int { samples, bits: 16 } => {
                bytes.extend(samples.iter().flat_map(|&s| (s as i16).to_le_bytes()));
            }
            Self::Int { samples, .. } => {
                for sample in samples {
                    bytes.extend_from_slice(&sample.to_le_bytes()[..3]);
                }
            }
            Self::Float(samples) => bytes.extend(samples.iter().flat_map(|s| s.to_le_bytes())),
        }
    }

    /// The samples with full scale at ±1.
    pub(super) fn for_each(&self, mut each: impl FnMut(f64)) {
        match self {
            Self::Int { samples, bits } => {
                let scale = full_scale(*bits).recip();
                samples.iter().for_each(|&s| each(f64::from(s) * scale));
            }
            Self::Float(samples) => samples.iter().for_each(|&s| each(f64::from(s))),
        }
    }
}

/// The integer that stands for 1.0 at `bits` bits: 2^(bits − 1), one more than the largest sample.
pub(super) fn full_scale(bits: u32) -> f64 {
    f64::from(1u32 << (bits - 1))
}
