//! Levels in dB relative to full scale.

use super::pcm::Pcm;

/// Gathers the peak and the power of a signal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter {
    peak: f64,
    sum: f64,
    count: u64,
}

impl Meter {
    /// Takes one sample in, full scale at ±1.
    pub(super) fn add(&mut self, sample: f64) {
        self.peak = self.peak.max(sample.abs());
        self.sum += sample * sample;
        self.count += 1;
    }

    /// Takes a block in.
    pub(super) fn add_pcm(&mut self, pcm: &Pcm) {
        pcm.for_each(|sample| self.add(sample));
    }

    /// Largest absolute sample in dBFS; nothing for silence.
    pub(super) fn peak_dbfs(&self) -> Option<f64> {
        dbfs(self.peak)
    }

    /// Root mean square in dBFS; nothing for silence.
    pub(super) fn rms_dbfs(&self) -> Option<f64> {
        dbfs((self.sum / self.count.max(1) as f64).sqrt())
    }
}

/// An amplitude in dB; nothing for zero, which has no finite level.
pub(super) fn dbfs(amplitude: f64) -> Option<f64> {
    (amplitude > 0.0).then(|| 20.0 * amplitude.log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_and_silence_has_no_level() {
        let mut meter = Meter::default();
        assert_eq!((meter.peak_dbfs(), meter.rms_dbfs()), (None, None));
        meter.add_pcm(&Pcm::Int { samples: vec![-32768, 0, 0, 0], bits: 16 });
        assert_eq!(meter.peak_dbfs(), Some(0.0));
        assert!((meter.rms_dbfs().unwrap() + 6.0206).abs() < 1e-3);
    }
}
