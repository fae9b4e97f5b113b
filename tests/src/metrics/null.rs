use serde::Serialize;

use super::{db, level};
use crate::Signal;

/// What is left when the mixture is taken from the sum of its stems: zero for exact stems.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Null {
    /// Largest absolute difference, in dB relative to full scale.
    pub peak: f64,
    /// Root mean square of the difference, in dB relative to full scale.
    pub rms: f64,
}

impl Null {
    /// The peak in steps of a `bits`-bit integer format, whose step is `2^(1 − bits)`.
    #[must_use]
    pub fn lsb(&self, bits: u32) -> f64 {
        super::dbfs(self.peak) * 2f64.powi(bits as i32 - 1)
    }
}

/// Null test of stems against their mixture. `None` when a stem's shape is not the mixture's.
#[must_use]
pub fn null(mixture: &Signal, stems: &[&Signal]) -> Option<Null> {
    if stems.iter().any(|s| (s.channels, s.samples.len()) != (mixture.channels, mixture.samples.len())) {
        return None;
    }
    let (mut energy, mut peak) = (0.0f64, 0.0f64);
    for (index, &mix) in mixture.samples.iter().enumerate() {
        let sum: f64 = stems.iter().map(|stem| f64::from(stem.samples[index])).sum();
        let difference = sum - f64::from(mix);
        energy += difference * difference;
        peak = peak.max(difference.abs());
    }
    let mean = energy / mixture.samples.len().max(1) as f64;
    Some(Null { peak: db(peak), rms: level::db_power(mean) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_of_16_bits() {
        let step = 2f32.powi(-15);
        let mixture = Signal { sample_rate: 8, channels: 1, samples: vec![0.5, 0.25] };
        let stem = Signal { samples: vec![0.5, 0.25 + step], ..mixture.clone() };
        let found = null(&mixture, &[&stem]).unwrap();
        assert!((found.lsb(16) - 1.0).abs() < 1e-9, "{found:?}");
        assert!((found.peak + 90.309).abs() < 1e-3 && (found.rms + 93.319).abs() < 1e-3, "{found:?}");
        assert_eq!(null(&mixture, &[&mixture]).unwrap().peak, f64::NEG_INFINITY);
        assert_eq!(null(&mixture, &[&stem.resized(5)]), None);
    }
}
