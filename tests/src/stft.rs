//! Short-time Fourier transform with perfect reconstruction.

use std::{f64::consts::PI, sync::Arc};

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

/// √Hann analysis and synthesis windows; with `hop ≤ size / 2`, `hop` a divisor of `size`, the inverse of an
/// unchanged transform is the signal itself.
pub struct Stft {
    size: usize,
    hop: usize,
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Stft {
    /// Frames of `size` samples every `hop` samples.
    #[must_use]
    pub fn new(size: usize, hop: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let window = (0..size).map(|n| (PI * n as f64 / size as f64).sin() as f32).collect();
        Self {
            size,
            hop,
            window,
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
        }
    }

    /// Frequencies of one frame: `size / 2 + 1`, from zero to half the sample rate.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.size / 2 + 1
    }

    /// Frames that cover a signal of `length` samples; frame `i` is centred on sample `i · hop + hop − size / 2`.
    #[must_use]
    pub fn frames(&self, length: usize) -> usize {
        (length + self.size).div_ceil(self.hop) - 1
    }

    /// Spectrum of one channel, shape `[frames, bins]`.
    #[must_use]
    pub fn analyse(&self, signal: &[f32]) -> Vec<Complex32> {
        let mut spectrum = vec![Complex32::default(); self.frames(signal.len()) * self.bins()];
        let mut frame = vec![0.0; self.size];
        for (index, bins) in spectrum.chunks_exact_mut(self.bins()).enumerate() {
            let start = self.start(index);
            for (n, (value, window)) in frame.iter_mut().zip(&self.window).enumerate() {
                let at = start + n as i64;
                *value = usize::try_from(at).ok().and_then(|at| signal.get(at)).unwrap_or(&0.0) * window;
            }
            transformed(&self.forward.process(&mut frame, bins));
        }
        spectrum
    }

    /// The signal of `length` samples whose spectrum, shape `[frames, bins]`, is `spectrum`.
    #[must_use]
    pub fn synthesise(&self, spectrum: &[Complex32], length: usize) -> Vec<f32> {
        let mut signal = vec![0.0; length];
        let mut bins = vec![Complex32::default(); self.bins()];
        let mut frame = vec![0.0; self.size];
        // Overlapping squared √Hann windows sum to size / (2 · hop); the transforms scale by size.
        let scale = 2.0 * self.hop as f32 / (self.size as f32 * self.size as f32);
        for (index, source) in spectrum.chunks_exact(self.bins()).enumerate() {
            bins.copy_from_slice(source);
            bins[0].im = 0.0;
            bins[self.size / 2].im = 0.0;
            transformed(&self.inverse.process(&mut bins, &mut frame));
            let start = self.start(index);
            for (n, (value, window)) in frame.iter().zip(&self.window).enumerate() {
                if let Some(sum) = usize::try_from(start + n as i64).ok().and_then(|at| signal.get_mut(at)) {
                    *sum += value * window * scale;
                }
            }
        }
        signal
    }

    fn start(&self, frame: usize) -> i64 {
        (frame * self.hop + self.hop) as i64 - self.size as i64
    }
}

/// A transform refuses only buffers of a wrong length, and these are made to measure.
fn transformed(result: &Result<(), realfft::FftError>) {
    debug_assert!(result.is_ok(), "{result:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::snr, rng::Rng};

    #[test]
    fn reconstructs() {
        let mut rng = Rng::new(1);
        let signal: Vec<f32> = (0..5001).map(|_| rng.noise() as f32).collect();
        for (size, hop) in [(512, 128), (256, 128)] {
            let stft = Stft::new(size, hop);
            let back = stft.synthesise(&stft.analyse(&signal), signal.len());
            let error: Vec<f32> = back.iter().zip(&signal).map(|(a, b)| a - b).collect();
            assert!(snr(&signal, &error) > 120.0);
        }
    }
}
