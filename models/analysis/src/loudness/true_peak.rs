//! Peaks between the samples: four values per sample below 96 kHz, two below 192 kHz, from 48 taps of a sinc under a
//! Hann window.
//!
//! No value can exceed the loudest sample that it is computed from by more than the sum of the taps' magnitudes. Where
//! that is not above the peak so far nothing is computed: the result is the same, and most of a track is skipped.

use super::loudest;

/// Taps of all phases together.
const TAPS: usize = 48;
/// The most taps of one phase.
const MOST: usize = TAPS / 2;
/// Samples that are looked at or skipped at once.
const BLOCK: usize = 32;
/// For the rounding of the sums.
const MARGIN: f32 = 1.0001;

/// The largest value between the samples of one channel.
pub(super) struct TruePeak {
    /// Taps of each phase, the newest sample's first.
    phases: Vec<Vec<f32>>,
    /// Largest gain over the loudest sample.
    gain: f32,
    /// The last samples, then the block.
    held: [f32; MOST - 1 + BLOCK],
    filled: usize,
    /// The largest sample or value between samples so far.
    peak: f32,
}

impl TruePeak {
    pub(super) fn new(sample_rate: u32) -> Self {
        let factor = match sample_rate {
            ..96_000 => 4,
            96_000..192_000 => 2,
            _ => 0,
        };
        let tap = |j: usize| {
            let window = 0.5 * (1.0 - (std::f64::consts::TAU * j as f64 / TAPS as f64).cos());
            let x = (j as f64 - TAPS as f64 / 2.0) * std::f64::consts::PI / f64::from(factor);
            let sinc = if x.abs() < 1e-6 { 1.0 } else { x.sin() / x };
            (window * sinc) as f32
        };
        let phase = |p: u32| (p as usize..TAPS).step_by(factor as usize).map(tap).collect::<Vec<f32>>();
        let phases: Vec<Vec<f32>> = (0..factor).map(phase).collect();
        let gain = phases.iter().map(|p| p.iter().map(|t| t.abs()).sum::<f32>()).fold(1.0, f32::max);
        Self { phases, gain: gain * MARGIN, held: [0.0; MOST - 1 + BLOCK], filled: 0, peak: 0.0 }
    }

    /// Takes every `stride`-th sample.
    pub(super) fn push(&mut self, samples: &[f32], stride: usize) {
        for sample in samples.iter().step_by(stride) {
            self.held[MOST - 1 + self.filled] = *sample;
            self.filled += 1;
            if self.filled == BLOCK {
                self.block();
            }
        }
    }

    /// The peak of all that was taken.
    pub(super) fn finish(mut self) -> f32 {
        self.block();
        self.peak
    }

    fn block(&mut self) {
        let count = std::mem::take(&mut self.filled);
        self.peak = self.peak.max(loudest(&self.held[MOST - 1..MOST - 1 + count]));
        if loudest(&self.held[..MOST - 1 + count]) * self.gain > self.peak {
            for taps in &self.phases {
                let mut sums = [0.0f32; BLOCK];
                for (back, tap) in taps.iter().enumerate() {
                    let from = MOST - 1 - back;
                    for (sum, sample) in sums.iter_mut().zip(&self.held[from..from + BLOCK]) {
                        *sum += sample * tap;
                    }
                }
                self.peak = self.peak.max(loudest(&sums[..count]));
            }
        }
        self.held.copy_within(count..count + MOST - 1, 0);
    }
}
