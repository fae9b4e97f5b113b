//! The few building blocks that instruments share. Frequencies in Hz, times in seconds.

use std::f64::consts::{PI, TAU};

use super::RATE;

/// Frequency of a MIDI note number, 69 = A4 = 440 Hz.
pub(super) fn hertz(pitch: f64) -> f64 {
    440.0 * 2f64.powf((pitch - 69.0) / 12.0)
}

/// Per-sample factor of a decay to 1/e in `seconds`.
pub(super) fn decay(seconds: f64) -> f64 {
    (-1.0 / (seconds * RATE)).exp()
}

/// `seconds` as times of samples: 0, 1/rate, 2/rate, …
pub(super) fn times(seconds: f64) -> impl Iterator<Item = f64> {
    (0..(seconds * RATE) as usize).map(|n| n as f64 / RATE)
}

/// Rises from 0 to 1 in `attack`, holds, and falls to 0 in `release` before `length`; raised cosines.
pub(super) fn envelope(t: f64, length: f64, attack: f64, release: f64) -> f64 {
    let edge = |x: f64| 0.5 - 0.5 * (PI * x.clamp(0.0, 1.0)).cos();
    edge(t / attack) * edge((length - t) / release)
}

/// What a step of height one at `phase = 0` lacks to be band-limited, over one sample to either side
/// (Välimäki & Huovilainen 2007, "Antialiasing oscillators in subtractive synthesis"). `step` is the phase per sample.
pub(super) fn poly_blep(phase: f64, step: f64) -> f64 {
    if phase < step {
        let x = phase / step;
        x - 0.5 * x * x - 0.5
    } else if phase > 1.0 - step {
        let x = (phase - 1.0) / step;
        x + 0.5 * x * x + 0.5
    } else {
        0.0
    }
}

/// A phase in `0..1` that runs at a frequency.
#[derive(Clone, Copy, Default)]
pub(super) struct Phase(pub(super) f64);

impl Phase {
    pub(super) fn advance(&mut self, frequency: f64) -> f64 {
        let now = self.0;
        self.0 = (self.0 + frequency / RATE).fract();
        now
    }

    pub(super) fn sine(&mut self, frequency: f64) -> f64 {
        (TAU * self.advance(frequency)).sin()
    }

    /// A falling band-limited sawtooth in ±1.
    pub(super) fn saw(&mut self, frequency: f64) -> f64 {
        let phase = self.advance(frequency);
        1.0 - 2.0 * phase + 2.0 * poly_blep(phase, frequency / RATE)
    }
}

/// Moves towards a target: a first-order low-pass with a time constant.
#[derive(Clone, Copy)]
pub(super) struct Smooth {
    pub(super) value: f64,
    keep: f64,
}

impl Smooth {
    pub(super) fn new(value: f64, seconds: f64) -> Self {
        Self { value, keep: decay(seconds) }
    }

    pub(super) fn towards(&mut self, target: f64) -> f64 {
        self.value = target + self.keep * (self.value - target);
        self.value
    }
}

/// A second-order state-variable filter with trapezoidal integration, stable under any modulation
/// (Zavalishin 2012, "The art of VA filter design"; Simper 2013).
#[derive(Clone, Copy, Default)]
pub(super) struct Svf {
    first: f64,
    second: f64,
}

/// The three outputs of one [`Svf`].
pub(super) struct Bands {
    pub(super) low: f64,
    /// Unity gain at the centre frequency.
    pub(super) band: f64,
    pub(super) high: f64,
}

impl Svf {
    /// Filters one sample; `q` 0.7 is flat, higher resonates.
    pub(super) fn step(&mut self, input: f64, frequency: f64, q: f64) -> Bands {
        let g = (PI * (frequency / RATE).min(0.49)).tan();
        let k = 1.0 / q;
        let a1 = 1.0 / (1.0 + g * (g + k));
        let v3 = input - self.second;
        let v1 = a1 * (self.first + g * v3);
        let v2 = self.second + g * v1;
        self.first = 2.0 * v1 - self.first;
        self.second = 2.0 * v2 - self.second;
        Bands { low: v2, band: k * v1, high: input - k * v1 - v2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_splits_low_from_high() {
        let gain_at = |frequency: f64, pick: fn(Bands) -> f64| {
            let (mut filter, mut phase) = (Svf::default(), Phase::default());
            (0..8000)
                .map(|_| pick(filter.step(phase.sine(frequency), 1000.0, 0.707)).abs())
                .skip(4000)
                .fold(0.0, f64::max)
        };
        assert!(gain_at(100.0, |b| b.low) > 0.98 && gain_at(10_000.0, |b| b.low) < 0.02);
        assert!(gain_at(100.0, |b| b.high) < 0.02 && gain_at(10_000.0, |b| b.high) > 0.98);
        assert!((gain_at(1000.0, |b| b.band) - 1.0).abs() < 0.01);
    }

    #[test]
    fn pitches_and_envelopes() {
        assert!((hertz(57.0) - 220.0).abs() < 1e-9);
        assert_eq!((envelope(0.0, 1.0, 0.1, 0.1), envelope(0.5, 1.0, 0.1, 0.1)), (0.0, 1.0));
    }
}
