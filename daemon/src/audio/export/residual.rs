//! Spreading what the model lost over its stems, so that they sum to the mixture.
//!
//! Each stem takes the share of the residual that its own power has in the power of all stems around that time.
//! Powers are means over blocks and the shares are interpolated linearly between the centres of the blocks, so
//! that they never jump. The channels of a stem share one weight, which keeps its stereo image, and a stem that
//! is silent takes nothing.

use super::levels::Meter;

/// One block of samples of all stems with the mixture that they should sum to.
#[derive(Debug, Default)]
pub(super) struct RawBlock {
    /// The stems, interleaved, each as long as `mixture`.
    pub(super) stems: Vec<Vec<f32>>,
    /// The mixture, interleaved, full scale at ±1.
    pub(super) mixture: Vec<f64>,
}

impl RawBlock {
    /// The share of each stem in the power of all; equal shares if all are silent. The shares sum to 1.
    pub(super) fn shares(&self) -> Vec<f64> {
        let power = |stem: &Vec<f32>| stem.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        let powers: Vec<f64> = self.stems.iter().map(power).collect();
        let total: f64 = powers.iter().sum();
        if total > 0.0 {
            powers.iter().map(|power| power / total).collect()
        } else {
            vec![1.0 / powers.len().max(1) as f64; powers.len()]
        }
    }
}

/// The shares around one block.
#[derive(Debug)]
pub(super) struct Shares<'a> {
    /// Those of the block before it; its own for the first.
    pub(super) before: &'a [f64],
    /// Its own.
    pub(super) here: &'a [f64],
    /// Those of the block after it; its own for the last.
    pub(super) after: &'a [f64],
}

impl Shares<'_> {
    /// Replaces `weights` with the shares at frame `frame` of a block of nominally `hop` frames.
    fn at(&self, frame: usize, hop: usize, weights: &mut [f64]) {
        let position = (frame as f64 + 0.5) / hop as f64 - 0.5;
        let (from, to, t) = if position < 0.0 {
            (self.before, self.here, position + 1.0)
        } else {
            (self.here, self.after, position)
        };
        for ((weight, from), to) in weights.iter_mut().zip(from).zip(to) {
            *weight = from + (to - from) * t;
        }
    }
}

/// Adds the residual of `block` to its stems, frame by frame.
///
/// The stem that is loudest in a sample is chosen last, as the mixture minus all others, so that the only error
/// left is the rounding of that one sample to `f32` (at most −150 dB below it).
pub(super) fn spread(block: &mut RawBlock, shares: &Shares<'_>, hop: usize, channels: usize) {
    let mut weights = vec![0.0; block.stems.len()];
    for (frame, mixture) in block.mixture.chunks_exact(channels).enumerate() {
        shares.at(frame, hop, &mut weights);
        for (channel, &mixture) in mixture.iter().enumerate() {
            let index = frame * channels + channel;
            let residual = mixture - sum(&block.stems, index);
            let mut loudest = 0;
            for (stem, weight) in weights.iter().enumerate() {
                let sample = &mut block.stems[stem][index];
                *sample = (f64::from(*sample) + weight * residual) as f32;
                if sample.abs() > block.stems[loudest][index].abs() {
                    loudest = stem;
                }
            }
            let others = sum(&block.stems, index) - f64::from(block.stems[loudest][index]);
            block.stems[loudest][index] = (mixture - others) as f32;
        }
    }
}

fn sum(stems: &[Vec<f32>], index: usize) -> f64 {
    stems.iter().map(|stem| f64::from(stem[index])).sum()
}

/// Takes the mixture minus the sum of the stems of `block` into `meter`.
pub(super) fn measure(block: &RawBlock, meter: &mut Meter) {
    for (index, mixture) in block.mixture.iter().enumerate() {
        meter.add(mixture - sum(&block.stems, index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(stems: &[&[f32]], mixture: &[f64]) -> RawBlock {
        RawBlock { stems: stems.iter().map(|s| s.to_vec()).collect(), mixture: mixture.to_vec() }
    }

    #[test]
    fn shares_follow_power_and_sum_to_one() {
        let shares = block(&[&[0.3, 0.0], &[0.0, 0.1]], &[]).shares();
        assert!((shares[0] - 0.9).abs() < 1e-6 && (shares[0] + shares[1] - 1.0).abs() < 1e-12);
        assert_eq!(block(&[&[0.0], &[0.0]], &[]).shares(), [0.5, 0.5]);
    }

    #[test]
    fn weights_are_continuous_across_blocks() {
        let (a, b, c) = ([1.0, 0.0], [0.5, 0.5], [0.0, 1.0]);
        let hop = 100;
        let mut track = Vec::new();
        for shares in [
            Shares { before: &a, here: &a, after: &b },
            Shares { before: &a, here: &b, after: &c },
            Shares { before: &b, here: &c, after: &c },
        ] {
            for frame in 0..hop {
                let mut weights = [0.0; 2];
                shares.at(frame, hop, &mut weights);
                assert!((weights[0] + weights[1] - 1.0).abs() < 1e-12);
                track.push(weights[0]);
            }
        }
        let step = track.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f64::max);
        assert!(step < 0.5 / hop as f64 + 1e-12, "{step}");
    }

    #[test]
    fn a_silent_stem_stays_silent_and_the_sum_is_the_mixture() {
        let loud: Vec<f32> = (0..64).map(|i| (i as f32 * 0.37).sin() * 0.5).collect();
        let soft: Vec<f32> = loud.iter().map(|x| x * 1e-3 + 1e-4).collect();
        let mixture: Vec<f64> = (0..64).map(|i| (f64::from(i) * 0.21).cos() * 0.8).collect();
        let mut block = block(&[&loud, &[0.0; 64], &soft], &mixture);
        let shares = block.shares();
        spread(&mut block, &Shares { before: &shares, here: &shares, after: &shares }, 32, 2);
        assert!(block.stems[1].iter().all(|&x| x == 0.0));
        let mut meter = Meter::default();
        measure(&block, &mut meter);
        assert!(meter.peak_dbfs().is_none_or(|peak| peak < -145.0), "{:?}", meter.peak_dbfs());
    }
}
