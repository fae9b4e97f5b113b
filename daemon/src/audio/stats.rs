//! Whole-track statistics, gathered while the audio streams past.

use harmonix_engine::TrackStats;

/// Mean and deviation of the mono mix by Welford's method in `f64`, and the peak of all channels.
#[derive(Debug, Clone, Default)]
pub(super) struct Gather {
    frames: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    squares: f64,
    peak: f32,
}

impl Gather {
    /// Takes interleaved stereo.
    pub(super) fn stereo(&mut self, interleaved: &[f32]) {
        for [left, right] in interleaved.as_chunks::<2>().0 {
            self.frames += 1;
            let mono = (f64::from(*left) + f64::from(*right)) / 2.0;
            let distance = mono - self.mean;
            self.mean += distance / self.frames as f64;
            self.squares += distance * (mono - self.mean);
            self.peak = self.peak.max(left.abs()).max(right.abs());
        }
    }

    pub(super) fn finish(&self) -> TrackStats {
        let std = match self.frames {
            0 | 1 => 0.0,
            frames => (self.squares / (frames - 1) as f64).sqrt(),
        };
        TrackStats { frames: self.frames, mean: self.mean, std, peak: self.peak }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_signal_on_a_large_offset_keeps_its_deviation() {
        let mut gather = Gather::default();
        for n in 0..100_000 {
            let sample = 1.0 + if n % 2 == 0 { 1e-4 } else { -1e-4 };
            gather.stereo(&[sample, sample]);
        }
        let stats = gather.finish();
        assert_eq!(stats.frames, 100_000);
        assert!((stats.mean - 1.0).abs() < 1e-7);
        assert!((stats.std - 1e-4).abs() < 1e-7, "{}", stats.std);
        assert_eq!(stats.peak, 1.0001);
    }

    #[test]
    fn bessel_and_the_mono_mix() {
        let mut gather = Gather::default();
        gather.stereo(&[1.0, 0.0, 0.0, -3.0]);
        // Mono mix 0.5 and −1.5: mean −0.5, sample variance 2.
        let stats = gather.finish();
        assert_eq!((stats.mean, stats.peak), (-0.5, 3.0));
        assert!((stats.std - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(Gather::default().finish(), TrackStats::default());
    }
}
