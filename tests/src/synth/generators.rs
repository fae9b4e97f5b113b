//! Signals with known answers. Rates in Hz, lengths in seconds, gains as linear amplitude; every channel is the same
//! unless said otherwise.

use std::f64::consts::TAU;

use crate::{Signal, rng::Rng};

fn generate(rate: u32, channels: usize, seconds: f64, mut value: impl FnMut(f64) -> f64) -> Signal {
    let frames = (seconds * f64::from(rate)).round() as usize;
    let mono: Vec<f32> = (0..frames).map(|n| value(n as f64 / f64::from(rate)) as f32).collect();
    Signal::from_mono(rate, channels, &mono)
}

/// A sine of `frequency` Hz.
#[must_use]
pub fn sine(rate: u32, channels: usize, seconds: f64, frequency: f64, gain: f64) -> Signal {
    generate(rate, channels, seconds, |t| gain * (TAU * frequency * t).sin())
}

/// An exponential sine sweep from `from` to `to` Hz (Farina 2000, "Simultaneous measurement of impulse response and
/// distortion with a swept-sine technique").
#[must_use]
pub fn sweep(rate: u32, channels: usize, seconds: f64, from: f64, to: f64, gain: f64) -> Signal {
    let octaves = (to / from).ln();
    let scale = TAU * from * seconds / octaves;
    generate(rate, channels, seconds, |t| gain * (scale * ((t / seconds * octaves).exp() - 1.0)).sin())
}

/// One-sample clicks every `interval` seconds, the first at zero.
#[must_use]
pub fn clicks(rate: u32, channels: usize, seconds: f64, interval: f64, gain: f64) -> Signal {
    let period = (interval * f64::from(rate)).round().max(1.0) as usize;
    let mut index = 0;
    generate(rate, channels, seconds, |_| {
        index += 1;
        if (index - 1) % period == 0 { gain } else { 0.0 }
    })
}

/// White noise, uniform in `±gain`, its channels independent.
#[must_use]
pub fn noise(rate: u32, channels: usize, seconds: f64, gain: f64, seed: u64) -> Signal {
    let mut rng = Rng::new(seed);
    let mut signal = silence(rate, channels, seconds);
    signal.samples.fill_with(|| (gain * rng.noise()) as f32);
    signal
}

/// Digital silence.
#[must_use]
pub fn silence(rate: u32, channels: usize, seconds: f64) -> Signal {
    Signal::silent(rate, channels, (seconds * f64::from(rate)).round() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::level;

    #[test]
    fn have_their_levels_and_lengths() {
        let tone = sine(48_000, 2, 0.5, 997.0, 0.5);
        assert_eq!((tone.frames(), tone.channels), (24_000, 2));
        assert!((level(&tone.samples).rms + 9.03).abs() < 0.01);
        assert!((level(&noise(8000, 2, 2.0, 1.0, 7).samples).rms + 4.77).abs() < 0.1);
        assert!((level(&sweep(44_100, 1, 1.0, 20.0, 20_000.0, 1.0).samples).rms + 3.01).abs() < 0.2);
        assert_eq!(clicks(1000, 1, 1.0, 0.25, 0.9).samples.iter().filter(|&&s| s != 0.0).count(), 4);
        assert_eq!(silence(44_100, 2, 1.0).samples.len(), 88_200);
    }
}
