//! Medians of many short sequences at once.
//!
//! A running median with heaps or a histogram branches on every value. Here magnitudes are quantised to
//! eight bits on a logarithmic scale and the median is found bit by bit, from the highest to the lowest, by
//! counting: eight passes of comparisons over the window, without a branch, sixteen and more neighbouring
//! positions per instruction. For the windows of this crate (17 to 80 values) that costs a few nanoseconds
//! per median.

use pulp::{Arch, Simd, WithSimd};

/// Decibels per step of a [level code](level_code): 255 steps span 127 dB.
pub(crate) const DECIBELS_PER_CODE: f32 = 0.5;

/// Nepers of *power* per step of a level code.
pub(crate) const NEPERS_PER_CODE: f32 = DECIBELS_PER_CODE * std::f32::consts::LN_10 / 10.0;

/// Positions worked on together: their counts and candidates fit into the registers of any x86-64.
const LANES: usize = 32;

/// Quantises the natural logarithm of a power relative to `full_scale` (also a logarithm).
pub(crate) fn level_code(log_power: f32, full_scale: f32) -> u8 {
    // the cast saturates at both ends and maps NaN to 0
    (255.5 + (log_power - full_scale) / NEPERS_PER_CODE) as u8
}

/// For each position `i`, writes the median of `row[i]` over all `rows` to `out[i]`.
///
/// There are 1 to 255 rows, each at least as long as `out`. Of an even number of values this is the lower
/// of the two in the middle.
pub(crate) fn median_across(rows: &[&[u8]], out: &mut [u8]) {
    // with the widest vectors of this processor: integers, so the same on all of them
    Arch::new().dispatch(Tiles { rows, out });
}

struct Tiles<'a> {
    rows: &'a [&'a [u8]],
    out: &'a mut [u8],
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        tiles(self.rows, self.out);
    }
}

#[inline(always)]
fn tiles(rows: &[&[u8]], out: &mut [u8]) {
    let rank = ((rows.len() - 1) / 2) as u8;
    let mut from = 0;
    while from + LANES <= out.len() {
        let tile = tile_median(&rows.iter().filter_map(|row| row[from..].first_chunk()), rank);
        out[from..from + LANES].copy_from_slice(&tile);
        from += LANES;
    }
    let rest = out.len() - from;
    let padded = rows.iter().map(|row| {
        let mut values = [0; LANES];
        values[..rest].copy_from_slice(&row[from..from + rest]);
        values
    });
    let padded: Vec<_> = padded.collect();
    out[from..].copy_from_slice(&tile_median(&padded.iter(), rank)[..rest]);
}

/// The value of each lane that `rank` others are not above, bit by bit.
#[inline(always)]
fn tile_median<'a>(rows: &(impl Iterator<Item = &'a [u8; LANES]> + Clone), rank: u8) -> [u8; LANES] {
    let mut found = [0u8; LANES];
    for bit in (0..8).rev() {
        let candidate = found.map(|f| f | 1 << bit);
        let mut below = [0u8; LANES];
        for row in rows.clone() {
            for i in 0..LANES {
                below[i] += u8::from(row[i] < candidate[i]);
            }
        }
        // The median is the largest value that at most `rank` others lie below.
        for i in 0..LANES {
            found[i] = if below[i] <= rank { candidate[i] } else { found[i] };
        }
    }
    found
}

/// Median over the neighbours of each value up to `reach` away, every `step`-th, with the edges mirrored.
pub(crate) fn median_along(values: &[u8], reach: usize, step: usize, padded: &mut Vec<u8>, out: &mut [u8]) {
    padded.clear();
    let last = values.len() - 1;
    let at = |i: isize| values[mirror(i, last)];
    padded.extend((-(reach as isize)..0).map(at));
    padded.extend_from_slice(values);
    padded.extend((1..=reach as isize).map(|i| at(last as isize + i)));
    let mut rows = [&padded[..0]; 255];
    let mut count = 0;
    for (row, start) in rows.iter_mut().zip((0..=2 * reach).step_by(step)) {
        *row = &padded[start..];
        count += 1;
    }
    median_across(&rows[..count], out);
}

/// Mirrors an index at 0 and `last`.
pub(crate) fn mirror(i: isize, last: usize) -> usize {
    let i = i.unsigned_abs();
    if i <= last { i } else { (2 * last).saturating_sub(i) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_sorting() {
        let values: Vec<u8> = (0..150u32).map(|i| (i * i * 7 + i * 31) as u8).collect();
        let mut out = vec![0; values.len()];
        median_along(&values, 8, 1, &mut Vec::new(), &mut out);
        for i in 0..values.len() as isize {
            let mut near: Vec<u8> = (i - 8..=i + 8).map(|j| values[mirror(j, 149)]).collect();
            near.sort_unstable();
            assert_eq!(out[i as usize], near[8], "at {i}");
        }
    }

    #[test]
    fn level_codes_saturate() {
        assert_eq!(level_code(f32::NEG_INFINITY, 0.0), 0);
        assert_eq!(level_code(5.0, 0.0), 255);
        assert_eq!(level_code(0.0, 0.0), 255);
        assert_eq!(level_code(-NEPERS_PER_CODE * 10.0, 0.0), 245);
    }
}
