use std::f64::consts::FRAC_PI_4;

use super::{RATE, SAMPLE_RATE, dsp::Smooth};
use crate::Signal;

/// A stereo track of fixed length that sounds are laid onto.
pub(super) struct Bus {
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
}

impl Bus {
    pub(super) fn new(seconds: f64) -> Self {
        let frames = (seconds * RATE).round() as usize;
        Self { left: vec![0.0; frames], right: vec![0.0; frames] }
    }

    /// Adds a mono sound that begins at `start` seconds; what lies outside of the track is dropped.
    /// `pan`: −1 left, 0 centre, 1 right, of equal power.
    pub(super) fn add(&mut self, start: f64, sound: impl Iterator<Item = f64>, gain: f64, pan: f64) {
        let angle = (pan + 1.0) * FRAC_PI_4;
        let (left, right) = (gain * angle.cos(), gain * angle.sin());
        let start = (start * RATE).round() as i64;
        let skip = usize::try_from(-start).unwrap_or(0);
        let start = usize::try_from(start).unwrap_or(0).min(self.left.len());
        let frames = self.left[start..].iter_mut().zip(&mut self.right[start..]);
        for ((l, r), value) in frames.zip(sound.skip(skip)) {
            *l += (left * value) as f32;
            *r += (right * value) as f32;
        }
    }

    /// Adds another track.
    pub(super) fn mix(&mut self, other: &Self, gain: f32) {
        for (sum, value) in
            self.left.iter_mut().zip(&other.left).chain(self.right.iter_mut().zip(&other.right))
        {
            *sum += gain * value;
        }
    }

    /// Evens out loudness: over 30 ms, a level that is `ratio` dB louder comes out 1 dB louder.
    pub(super) fn compress(&mut self, ratio: f64) {
        let loudest = |(l, r): (&f32, &f32)| f64::from(l.abs().max(r.abs()));
        let top = self.left.iter().zip(&self.right).map(loudest).fold(1e-9, f64::max);
        let mut follow = Smooth::new(0.0, 0.03);
        for (left, right) in self.left.iter_mut().zip(&mut self.right) {
            let level = follow.towards(loudest((&*left, &*right)) / top);
            let gain = level.max(0.02).powf(1.0 / ratio - 1.0) as f32;
            *left *= gain;
            *right *= gain;
        }
    }

    /// Rounds off peaks smoothly (hyperbolic tangent); `drive` is the amplitude that comes out as 0.76.
    pub(super) fn saturate(&mut self, drive: f32) {
        for value in self.left.iter_mut().chain(&mut self.right) {
            *value = (*value / drive).tanh();
        }
    }

    /// Interleaves, with a fade of 30 ms at the end.
    pub(super) fn into_signal(self) -> Signal {
        let (frames, fade) = (self.left.len(), 0.03 * RATE);
        let samples = self
            .left
            .iter()
            .zip(&self.right)
            .enumerate()
            .flat_map(|(n, (&l, &r))| {
                let gain = ((frames - 1 - n) as f64 / fade).min(1.0) as f32;
                [l * gain, r * gain]
            })
            .collect();
        Signal { sample_rate: SAMPLE_RATE, channels: 2, samples }
    }
}
