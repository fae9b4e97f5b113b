use serde::Serialize;

/// How loud samples are, in dB relative to full scale; −∞ for silence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Level {
    /// Root mean square over all samples: a full-scale sine is −3.01, a full-scale square 0.
    pub rms: f64,
    /// Largest absolute sample.
    pub peak: f64,
}

impl Level {
    /// Peak over RMS in dB: 3 for a sine, 10 to 20 for music, more for single hits.
    #[must_use]
    pub fn crest(&self) -> f64 {
        self.peak - self.rms
    }
}

/// RMS and peak of samples.
#[must_use]
pub fn level(samples: &[f32]) -> Level {
    let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    Level { rms: db_power(energy / samples.len().max(1) as f64), peak: db(f64::from(peak)) }
}

/// An amplitude ratio in decibels.
#[must_use]
pub fn db(amplitude: f64) -> f64 {
    20.0 * amplitude.log10()
}

/// A power ratio in decibels.
#[must_use]
pub fn db_power(power: f64) -> f64 {
    10.0 * power.log10()
}

/// The amplitude of a level in dB relative to full scale.
#[must_use]
pub fn dbfs(decibels: f64) -> f64 {
    10f64.powf(decibels / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_sine_a_square_and_silence() {
        let sine: Vec<f32> =
            (0..4800).map(|i| (f64::from(i) / 48.0 * std::f64::consts::TAU).sin() as f32).collect();
        let found = level(&sine);
        assert!((found.rms + 3.0103).abs() < 1e-3 && found.peak.abs() < 1e-6, "{found:?}");
        assert!((found.crest() - 3.0103).abs() < 1e-3);
        assert_eq!(level(&[0.5, -0.5]).crest(), 0.0);
        assert_eq!(level(&[0.0; 3]).rms, f64::NEG_INFINITY);
        assert!((db(dbfs(-18.0)) + 18.0).abs() < 1e-12);
    }
}
