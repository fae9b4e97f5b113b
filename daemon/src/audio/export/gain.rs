//! The common gain of integer outputs.

use harmonix_engine::Monitor;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{ExportRequest, outputs, pcm::full_scale, stems::FinalStems};

/// The largest and the smallest sample over a set of outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Extremes {
    high: f32,
    low: f32,
}

impl Extremes {
    fn add(&mut self, samples: &[f32]) {
        for &sample in samples {
            self.high = self.high.max(sample);
            self.low = self.low.min(sample);
        }
    }

    /// 1 if every sample, rounded to `bits` bits, is in range; else the gain that brings the extremes `margin`
    /// integer steps below full scale, which is room for the rounding difference of the stems.
    pub(super) fn gain(&self, bits: u32, margin: usize) -> f64 {
        let full = full_scale(bits);
        let (high, low) = (f64::from(self.high) * full, -f64::from(self.low) * full);
        if high.round_ties_even() < full && low.round_ties_even() <= full {
            return 1.0;
        }
        let room = full - 1.0 - margin as f64;
        (room / high.max(low)).min(1.0)
    }
}

/// Reads the whole track once and finds the extremes of all outputs that count for the common gain.
pub(super) fn extremes(request: &ExportRequest<'_>, monitor: &dyn Monitor) -> Result<Extremes> {
    let relevant = outputs::gain_relevant(request.outputs, request.stems.len());
    let mut stems = FinalStems::open(request)?;
    let (mut found, mut sum, mut frames) = (Extremes::default(), Vec::new(), 0);
    while let Some(block) = stems.next_block()? {
        check_cancelled(monitor)?;
        for output in &relevant {
            output.mix(&block.stems, &mut sum);
            found.add(&sum);
        }
        frames += (block.mixture.len() / usize::from(request.channels)) as u64;
        monitor.progress(frames as f64 / request.frames as f64);
    }
    Ok(found)
}

/// [`ErrorKind::Cancelled`] once nobody wants the result.
pub(super) fn check_cancelled(monitor: &dyn Monitor) -> Result<()> {
    if monitor.cancelled() {
        Err(Error::new(ErrorKind::Cancelled, "the export was cancelled"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(high: f32, low: f32) -> f64 {
        Extremes { high, low }.gain(16, 4)
    }

    #[test]
    fn is_one_up_to_full_scale_and_below_it_beyond() {
        assert_eq!(gain(32767.0 / 32768.0, -1.0), 1.0);
        assert_eq!(gain(0.0, 0.0), 1.0);
        assert!(gain(1.0, 0.0) < 1.0);
        assert!(gain(0.0, -32769.0 / 32768.0) < 1.0);
        assert!((gain(2.0, -0.5) - 32763.0 / 65536.0).abs() < 1e-12);
        assert!((gain(0.5, -4.0) - 32763.0 / 131072.0).abs() < 1e-12);
    }
}
