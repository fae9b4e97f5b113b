//! What is accepted, enforced while it is decoded: headers lie.

use harmonix_ipc::{Error, ErrorKind, Result};

use super::{decode::Stream, resample};

/// Bounds of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Size of the file in bytes, at most.
    pub max_bytes: u64,
    /// Length in seconds, at most; `None` for any length.
    pub max_duration: Option<f64>,
    /// Length in frames, at least.
    pub min_frames: u64,
    /// Channels, at most.
    pub max_channels: u16,
    /// Sample rate in Hz, at least.
    pub min_rate: u32,
    /// Sample rate in Hz, at most.
    pub max_rate: u32,
}

impl Default for Limits {
    /// 2 GiB, any length but zero, 64 channels, every rate that can be converted.
    fn default() -> Self {
        Self {
            max_bytes: 2 << 30,
            max_duration: None,
            min_frames: 1,
            max_channels: 64,
            min_rate: *resample::RATES.start(),
            max_rate: *resample::RATES.end(),
        }
    }
}

impl Limits {
    /// Refuses a file of `bytes` bytes when that is too many.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] with both numbers.
    pub fn bytes(&self, bytes: u64) -> Result<()> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        Err(too_large(
            format!("the file has {bytes} bytes, the limit is {}", self.max_bytes),
            "split the file, use a compressed format, or raise the size limit",
        ))
    }

    /// Refuses a stream whose channels or sample rate are out of bounds.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] with both numbers; [`ErrorKind::AudioLoad`] for a rate that is too low.
    pub fn stream(&self, stream: &Stream) -> Result<()> {
        let (channels, rate) = (stream.channels, stream.sample_rate);
        if channels > self.max_channels {
            return Err(too_large(
                format!("the audio has {channels} channels, the limit is {}", self.max_channels),
                "mix it down first",
            ));
        }
        if rate > self.max_rate {
            return Err(too_large(
                format!("the sample rate is {rate} Hz, the limit is {} Hz", self.max_rate),
                "convert it to a lower sample rate first",
            ));
        }
        if rate < self.min_rate || channels == 0 {
            return Err(Error::new(
                ErrorKind::AudioLoad,
                format!("audio of {channels} channels at {rate} Hz cannot be used"),
            )
            .hint(format!("use a sample rate of at least {} Hz", self.min_rate)));
        }
        Ok(())
    }

    /// Refuses audio of `frames` frames at `rate` Hz when it is too long; exactly the limit is not.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] with both numbers.
    pub fn length(&self, frames: u64, rate: u32) -> Result<()> {
        match self.max_duration {
            Some(limit) if frames > (limit * f64::from(rate)).round() as u64 => Err(too_large(
                format!("the audio lasts {}, the limit is {limit} s", seconds(frames, rate)),
                "cut it, ask for a preview, or raise the duration limit",
            )),
            _ => Ok(()),
        }
    }
}

/// `frames` at `rate` Hz in words: seconds to the millisecond.
pub(super) fn seconds(frames: u64, rate: u32) -> String {
    format!("{:.3} s", frames as f64 / f64::from(rate.max(1)))
}

fn too_large(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::TooLarge, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_both_numbers_are_said() {
        let limits = Limits { max_duration: Some(600.0), max_bytes: 10, ..Limits::default() };
        assert!(limits.length(600 * 44_100, 44_100).is_ok());
        let error = limits.length(601 * 44_100, 44_100).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert_eq!(error.message, "the audio lasts 601.000 s, the limit is 600 s");
        assert!(limits.bytes(10).is_ok());
        assert_eq!(limits.bytes(11).unwrap_err().message, "the file has 11 bytes, the limit is 10");
    }

    #[test]
    fn channels_and_rates_have_bounds() {
        let stream = |channels, sample_rate| Stream { channels, sample_rate, ..Stream::default() };
        let limits = Limits::default();
        assert!(limits.stream(&stream(64, 768_000)).is_ok());
        assert_eq!(limits.stream(&stream(65, 44_100)).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(limits.stream(&stream(2, 768_001)).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(limits.stream(&stream(2, 999)).unwrap_err().kind, ErrorKind::AudioLoad);
        assert_eq!(limits.stream(&stream(0, 44_100)).unwrap_err().kind, ErrorKind::AudioLoad);
    }
}
