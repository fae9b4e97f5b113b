//! From `f32` to integers that still null.
//!
//! There is no dither: stems at the source's bit depth then sum to the source bit by bit, which dither would
//! destroy.

use super::pcm::full_scale;

/// Rounds outputs to integers of `bits` bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantiser {
    /// Bits per sample, 16 or 24.
    pub(super) bits: u32,
    /// The common gain, at most 1.
    pub(super) gain: f64,
    /// The outputs sum to the mixture, and so shall their integers.
    pub(super) nulls: bool,
}

impl Quantiser {
    /// The integers of `outputs`, each rounded to the nearest, ties to even, within the range of the bits.
    ///
    /// If the outputs null, their integers sum to the rounded `gain` × `mixture`: the output with the largest
    /// sample takes the difference, which is at most half a step per output; the next one, if it would leave the
    /// range by that.
    pub(super) fn quantise(&self, outputs: &[Vec<f32>], mixture: &[f64]) -> Vec<Vec<i32>> {
        let scale = self.gain * full_scale(self.bits);
        let top = full_scale(self.bits) - 1.0;
        let round = |x: f64| (x * scale).round_ties_even();
        let integer = |&x: &f32| round(f64::from(x)).clamp(-top - 1.0, top) as i32;
        let mut integers: Vec<Vec<i32>> = outputs.iter().map(|o| o.iter().map(integer).collect()).collect();
        if self.nulls {
            for (index, &mixture) in mixture.iter().enumerate() {
                let sum: i64 = integers.iter().map(|o| i64::from(o[index])).sum();
                let difference = round(mixture) as i64 - sum;
                if difference != 0 {
                    settle(&mut integers, index, difference, top as i64);
                }
            }
        }
        integers
    }
}

/// Adds `difference` to the sample `index` of the outputs, the largest one first, without leaving
/// `-top - 1..=top`.
fn settle(integers: &mut [Vec<i32>], index: usize, mut difference: i64, top: i64) {
    let mut order: Vec<usize> = (0..integers.len()).collect();
    order.sort_by_key(|&output| std::cmp::Reverse(integers[output][index].unsigned_abs()));
    for output in order {
        let sample = &mut integers[output][index];
        let settled = (i64::from(*sample) + difference).clamp(-top - 1, top);
        difference -= settled - i64::from(*sample);
        *sample = settled as i32;
        if difference == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_to_the_rounded_mixture_and_stays_in_range() {
        let step = 1.0 / 32768.0f32;
        let outputs = [vec![0.4 * step, 1.0], vec![10.4 * step, 0.4 * step], vec![0.4 * step, 0.4 * step]];
        let mixture: Vec<f64> = (0..2).map(|i| outputs.iter().map(|o| f64::from(o[i])).sum()).collect();
        let mut quantiser = Quantiser { bits: 16, gain: 1.0, nulls: true };
        let integers = quantiser.quantise(&outputs, &mixture);
        assert_eq!(integers, [vec![0, 32767], vec![11, 2], vec![0, 0]]);
        quantiser.nulls = false;
        assert_eq!(quantiser.quantise(&outputs, &mixture), [vec![0, 32767], vec![10, 0], vec![0, 0]]);
    }

    #[test]
    fn never_wraps() {
        let quantiser = Quantiser { bits: 24, gain: 1.0, nulls: true };
        let integers = quantiser.quantise(&[vec![9.0, -9.0], vec![9.0, -9.0]], &[18.0, -18.0]);
        assert_eq!(integers, [[8_388_607, -8_388_608], [8_388_607, -8_388_608]]);
    }
}
