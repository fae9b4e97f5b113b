//! Medians of many short sequences at once.
//!
//! A running median with heaps or a histogram branches on every value. Here magnitudes are quantised to
//! eight bits on a logarithmic scale and the median is found bit by bit, from the highest to the lowest, by
//! counting: eight passes of comparisons over the window, without a branch, sixteen and more neighbouring
//! positions per instruction. For the windows of this crate (17 to 80 values) that costs a few nanoseconds
//! per median.

/// Decibels per step of a [level code](level_code): 255 steps span 127 dB.
pub(crate) const DECIBELS_PER_CODE: f32 = 0.5;

/// Nepers of *power* per step of a level code.
pub(crate) const NEPERS_PER_CODE: f32 = DECIBELS_PER_CODE * std::f32::consts::LN_10 / 10.0;

/// Positions worked on together.
const LANES: usize = 64;

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
    let rank = ((rows.len() - 1) / 2) as u8;
    for (tile, out) in out.chunks_mut(LANES).enumerate() {
        let from = tile * LANES;
        let mut found = [0u8; LANES];
        for bit in (0..8).rev() {
            let mut candidate = found;
            candidate.iter_mut().for_each(|c| *c |= 1 << bit);
            let mut below = [0u8; LANES];
            for row in rows {
                let row = &row[from..];
                if let Some(values) = row.first_chunk::<LANES>() {
                    for ((n, v), c) in below.iter_mut().zip(values).zip(&candidate) {
                        *n += u8::from(v < c);
                    }
                } else {
                    for ((n, v), c) in below.iter_mut().zip(row).zip(&candidate) {
                        *n += u8::from(v < c);
                    }
                }
            }
            // The median is the largest value that at most `rank` others lie below.
            for ((f, n), c) in found.iter_mut().zip(&below).zip(&candidate) {
                *f = if *n <= rank { *c } else { *f };
            }
        }
        let length = out.len();
        out.copy_from_slice(&found[..length]);
    }
}

/// Median over `2 · reach + 1` neighbours of each value, with the edges mirrored.
pub(crate) fn median_along(values: &[u8], reach: usize, padded: &mut Vec<u8>, out: &mut [u8]) {
    padded.clear();
    let last = values.len() - 1;
    let at = |i: isize| values[mirror(i, last)];
    padded.extend((-(reach as isize)..0).map(at));
    padded.extend_from_slice(values);
    padded.extend((1..=reach as isize).map(|i| at(last as isize + i)));
    let mut rows = [&padded[..0]; 255];
    let rows = &mut rows[..2 * reach + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &padded[i..];
    }
    median_across(rows, out);
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
        median_along(&values, 8, &mut Vec::new(), &mut out);
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
