/// Audio in memory: interleaved samples, full scale ±1.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Frames per second.
    pub sample_rate: u32,
    /// Samples per frame.
    pub channels: usize,
    /// `frames × channels` values, frame by frame.
    pub samples: Vec<f32>,
}

impl Signal {
    /// `frames` frames of digital silence.
    #[must_use]
    pub fn silent(sample_rate: u32, channels: usize, frames: usize) -> Self {
        Self { sample_rate, channels, samples: vec![0.0; frames * channels] }
    }

    /// The same mono samples in every one of `channels` channels.
    #[must_use]
    pub fn from_mono(sample_rate: u32, channels: usize, mono: &[f32]) -> Self {
        let samples = mono.iter().flat_map(|&s| std::iter::repeat_n(s, channels)).collect();
        Self { sample_rate, channels, samples }
    }

    /// Length in frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// Length in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.frames() as f64 / f64::from(self.sample_rate)
    }

    /// One channel, `index < channels`.
    #[must_use]
    pub fn channel(&self, index: usize) -> Vec<f32> {
        self.samples.iter().skip(index).step_by(self.channels).copied().collect()
    }

    /// The mean of the channels.
    #[must_use]
    pub fn mono(&self) -> Vec<f32> {
        let scale = 1.0 / self.channels as f32;
        self.samples.chunks_exact(self.channels).map(|frame| frame.iter().sum::<f32>() * scale).collect()
    }

    /// Cuts off or pads with silence to `frames` frames.
    #[must_use]
    pub fn resized(mut self, frames: usize) -> Self {
        self.samples.resize(frames * self.channels, 0.0);
        self
    }

    /// Adds `other` sample by sample; beyond the shorter of the two nothing is added.
    pub fn add(&mut self, other: &Self) {
        for (sum, sample) in self.samples.iter_mut().zip(&other.samples) {
            *sum += sample;
        }
    }

    /// The sum of signals of one shape, `None` of nothing.
    pub fn sum<'a>(signals: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut signals = signals.into_iter();
        let mut total = signals.next()?.clone();
        for signal in signals {
            total.add(signal);
        }
        Some(total)
    }

    /// Multiplies every sample by `gain`.
    #[must_use]
    pub fn scaled(mut self, gain: f32) -> Self {
        for sample in &mut self.samples {
            *sample *= gain;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_apart_and_together() {
        let signal = Signal { sample_rate: 2, channels: 2, samples: vec![1.0, 3.0, 2.0, -2.0] };
        assert_eq!((signal.frames(), signal.seconds()), (2, 1.0));
        assert_eq!((signal.channel(1), signal.mono()), (vec![3.0, -2.0], vec![2.0, 0.0]));
        let sum = Signal::sum([&signal, &signal]).unwrap();
        assert_eq!(sum, signal.clone().scaled(2.0));
        assert_eq!(signal.resized(3).samples, [1.0, 3.0, 2.0, -2.0, 0.0, 0.0]);
    }
}
