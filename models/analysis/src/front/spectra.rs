//! Magnitude spectra of overlapping frames of a stream.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex, num_complex::Complex32};

/// Cuts a mono stream into Hann-windowed frames. Frame `n` is centred at sample `n · hop`.
pub(crate) struct Spectra {
    size: usize,
    hop: usize,
    window: Vec<f32>,
    plan: Arc<dyn RealToComplex<f32>>,
    held: Vec<f32>,
    frame: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    magnitudes: Vec<f32>,
}

impl Spectra {
    /// Frames of `size` samples (even) every `hop`.
    pub(crate) fn new(size: usize, hop: usize) -> Self {
        let plan = RealFftPlanner::new().plan_fft_forward(size);
        let step = std::f64::consts::TAU / size as f64;
        // A sine of amplitude 1 at the middle of a bin has magnitude 1.
        let scale = 4.0 / size as f64;
        Self {
            size,
            hop,
            window: (0..size).map(|i| ((0.5 - 0.5 * (i as f64 * step).cos()) * scale) as f32).collect(),
            held: vec![0.0; size / 2],
            frame: vec![0.0; size],
            spectrum: plan.make_output_vec(),
            scratch: plan.make_scratch_vec(),
            magnitudes: vec![0.0; size / 2 + 1],
            plan,
        }
    }

    /// Samples of a frame.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Gives the magnitudes (`size / 2 + 1`) of each frame that `input` completes to `each`.
    pub(crate) fn push(&mut self, input: &[f32], mut each: impl FnMut(&[f32])) {
        self.held.extend_from_slice(input);
        let mut at = 0;
        while at + self.size <= self.held.len() {
            let frame = &self.held[at..at + self.size];
            for ((x, s), w) in self.frame.iter_mut().zip(frame).zip(&self.window) {
                *x = s * w;
            }
            // The lengths come from the plan, which is all that can fail here.
            let _ = self.plan.process_with_scratch(&mut self.frame, &mut self.spectrum, &mut self.scratch);
            for (m, c) in self.magnitudes.iter_mut().zip(&self.spectrum) {
                *m = c.norm_sqr().sqrt();
            }
            each(&self.magnitudes);
            at += self.hop;
        }
        self.held.drain(..at.min(self.held.len()));
    }

    /// Gives the frames up to the one whose centre is the last sample or just before it.
    pub(crate) fn finish(&mut self, each: impl FnMut(&[f32])) {
        self.push(&vec![0.0; self.size / 2], each);
    }
}
