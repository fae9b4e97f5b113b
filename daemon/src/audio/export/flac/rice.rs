//! Partitioned Rice coding of a prediction's residual (RFC 9639, section 9.2.7).

use super::bits::BitWriter;

/// Highest partition order of the streamable subset.
const MAX_ORDER: u32 = 8;
/// Highest parameter with 4 bits; above it the 5-bit form is used. All bits set would be an escape code.
const MAX_SHORT: u32 = 14;
const MAX_LONG: u32 = 30;

/// How a residual is divided and coded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Partitions {
    order: u32,
    parameters: Vec<u32>,
    /// Upper bound of the size in bits, which is tight to a few percent.
    pub(super) bits: u64,
}

/// A signed residual as Rice codes count it: 0, −1, 1, −2, …
fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31) as u32
}

/// The parameter for `count` values whose sum is `sum`, and the size in bits that it leads to at most.
fn best_parameter(sum: u64, count: u64) -> (u32, u64) {
    let cost = |k: u32| count * u64::from(k + 1) + (sum >> k);
    let guess = (sum / count.max(1)).max(1).ilog2();
    let nearby = guess.saturating_sub(1)..=(guess + 1).min(MAX_LONG);
    nearby.map(|k| (k, cost(k))).min_by_key(|&(_, bits)| bits).unwrap_or((0, cost(0)))
}

impl Partitions {
    /// The best division of `residual`, which belongs to a block of `block` samples, the first
    /// `block - residual.len()` of which are warm-up.
    pub(super) fn find(residual: &[i32], block: usize) -> Self {
        let warm_up = block - residual.len();
        let fits = |order: &u32| block.is_multiple_of(1 << order) && block >> order > warm_up;
        let finest = (0..=MAX_ORDER).rev().find(fits).unwrap_or(0);
        let mut sums: Vec<u64> = chunks(residual, block, finest)
            .map(|chunk| chunk.iter().map(|&r| u64::from(fold(r))).sum())
            .collect();
        let mut best: Option<Self> = None;
        for order in (0..=finest).rev() {
            let candidate = Self::price(&sums, order, block, warm_up);
            if best.as_ref().is_none_or(|best| candidate.bits < best.bits) {
                best = Some(candidate);
            }
            sums = sums.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        best.unwrap_or(Self { order: 0, parameters: vec![0], bits: u64::MAX })
    }

    fn price(sums: &[u64], order: u32, block: usize, warm_up: usize) -> Self {
        let mut parameters = Vec::with_capacity(sums.len());
        let mut bits = 0;
        for (partition, &sum) in sums.iter().enumerate() {
            let count = (block >> order) - if partition == 0 { warm_up } else { 0 };
            let (parameter, cost) = best_parameter(sum, count as u64);
            parameters.push(parameter);
            bits += cost;
        }
        let mut this = Self { order, parameters, bits };
        this.bits += 6 + u64::from(this.parameter_bits()) * sums.len() as u64;
        this
    }

    fn parameter_bits(&self) -> u32 {
        if self.parameters.iter().all(|&k| k <= MAX_SHORT) { 4 } else { 5 }
    }

    /// Writes `residual`, for which this division was found.
    pub(super) fn write(&self, residual: &[i32], block: usize, bits: &mut BitWriter) {
        let parameter_bits = self.parameter_bits();
        bits.put(parameter_bits - 4, 2);
        bits.put(self.order, 4);
        for (chunk, &parameter) in chunks(residual, block, self.order).zip(&self.parameters) {
            bits.put(parameter, parameter_bits);
            chunk.iter().for_each(|&r| bits.put_rice(fold(r), parameter));
        }
    }
}

/// The partitions of `residual`: equal parts of the block, the first one without the warm-up.
fn chunks(residual: &[i32], block: usize, order: u32) -> impl Iterator<Item = &[i32]> {
    let size = block >> order;
    let (first, rest) = residual.split_at(size - (block - residual.len()));
    std::iter::once(first).chain(rest.chunks_exact(size.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_fold_into_small_numbers() {
        assert_eq!([0, -1, 1, -2, i32::MAX, i32::MIN].map(fold), [0, 1, 2, 3, u32::MAX - 1, u32::MAX]);
    }

    #[test]
    fn the_price_bounds_what_is_written() {
        let mut state = 1u32;
        for scale in [0, 3, 11, 17, 22] {
            let residual: Vec<i32> = (0..4096 - 2)
                .map(|i| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let loud = if i > 3000 { scale } else { scale / 2 };
                    (state as i32) >> (31 - loud)
                })
                .collect();
            let partitions = Partitions::find(&residual, 4096);
            let mut bits = BitWriter::default();
            partitions.write(&residual, 4096, &mut bits);
            let written = bits.bytes().len() as u64 * 8;
            assert!(
                written <= partitions.bits && partitions.bits < written * 6 / 5 + 64,
                "{scale}: {written} of {partitions:?}"
            );
        }
    }
}
