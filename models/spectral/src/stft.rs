//! Short-time Fourier transform with square-root Hann windows.
//!
//! Frame `t` covers the samples `(t − 3)·hop .. (t + 1)·hop`: the hop is a quarter of the window, so every
//! sample lies in four frames and the products of both windows add up to the constant 2 from the first
//! sample to the last. That makes the transform invertible at the edges without a correction.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex32};

/// How many frames a sample lies in.
const OVERLAP: usize = 4;

/// Forward and inverse transform of one size, with the scratch memory of both.
pub(crate) struct Stft {
    size: usize,
    hop: usize,
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    frame: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl Stft {
    /// A transform of `size` samples (a multiple of 4) every `size / 4`.
    pub(crate) fn new(size: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(size);
        let inverse = planner.plan_fft_inverse(size);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        let step = std::f64::consts::PI / size as f64;
        Self {
            size,
            hop: size / OVERLAP,
            // sin is the square root of the periodic Hann window
            window: (0..size).map(|i| (i as f64 * step).sin() as f32).collect(),
            frame: vec![0.0; size],
            scratch: vec![Complex32::default(); scratch],
            forward,
            inverse,
        }
    }

    /// Frequency bins of a frame, from 0 Hz to half the sample rate.
    pub(crate) fn bins(&self) -> usize {
        self.size / 2 + 1
    }

    /// Frames that cover `samples`.
    pub(crate) fn frames(&self, samples: usize) -> usize {
        samples.div_ceil(self.hop) + OVERLAP - 1
    }

    /// Transforms frame `t` of a mono `signal` into `out` (`bins` values). What lies outside is zero.
    pub(crate) fn analyse(&mut self, signal: &[f32], t: usize, out: &mut [Complex32]) {
        let lead = (OVERLAP - 1) * self.hop;
        let start = (t * self.hop).saturating_sub(lead);
        let skip = lead.saturating_sub(t * self.hop);
        let take = signal.len().saturating_sub(start).min(self.size - skip);
        self.frame.fill(0.0);
        let end = skip + take;
        for ((x, s), w) in
            self.frame[skip..end].iter_mut().zip(&signal[start..start + take]).zip(&self.window[skip..end])
        {
            *x = s * w;
        }
        // The lengths come from the plan, which is all that can fail here.
        let _ = self.forward.process_with_scratch(&mut self.frame, out, &mut self.scratch);
    }

    /// Adds the inverse of frame `t` to the mono signal `out`. The frame is used up.
    pub(crate) fn overlap_add(&mut self, frame: &mut [Complex32], t: usize, out: &mut [f32]) {
        // Both are real by symmetry; masking by a matrix may leave a rounding error.
        let last = frame.len() - 1;
        frame[0].im = 0.0;
        frame[last].im = 0.0;
        let _ = self.inverse.process_with_scratch(frame, &mut self.frame, &mut self.scratch);
        // 2 from the sum of the squared windows, `size` from the unnormalised inverse transform
        let scale = 1.0 / (2 * self.size) as f32;
        let lead = (OVERLAP - 1) * self.hop;
        let start = (t * self.hop).saturating_sub(lead).min(out.len());
        let skip = lead.saturating_sub(t * self.hop);
        for ((y, x), w) in out[start..].iter_mut().zip(&self.frame[skip..]).zip(&self.window[skip..]) {
            *y += x * w * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Plane;

    #[test]
    fn inverts_itself_to_the_edges() {
        let mut stft = Stft::new(64);
        let signal: Vec<f32> = (0..160).map(|i| ((i * i) as f32 * 0.37).sin()).collect();
        let mut plane = Plane::new(stft.frames(signal.len()), stft.bins());
        for t in 0..plane.frames() {
            stft.analyse(&signal, t, plane.row_mut(t));
        }
        let mut back = vec![0.0; signal.len()];
        for t in 0..plane.frames() {
            stft.overlap_add(plane.row_mut(t), t, &mut back);
        }
        for (a, b) in signal.iter().zip(&back) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
