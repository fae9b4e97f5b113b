//! Scaled dot-product attention on a processor with 512-bit vectors, in single precision.
//!
//! Scores never leave the cache: a few queries meet a block of keys, the block's softmax joins the running one (Milakov and
//! Gimelshein 2018; Dao et al. 2022), and the weighted values are added up in registers.

use std::{ops::Range, sync::Mutex};

use pulp::{Arch, Simd, WithSimd};

use crate::onednn::{lock, parallel};

/// Queries at once, in registers.
const ROWS: usize = 6;

/// Samples of a vector.
const LANES: usize = 16;

/// Keys of a block: they and their values fill the first-level cache.
const KEYS: usize = 64;

/// Vectors of a block's scores.
const VECS: usize = KEYS / LANES;

/// Queries of a task.
const QUERIES: usize = 8 * ROWS;

/// Widest head, in samples.
const DIM: usize = 64;

/// Below any score.
const LOWEST: f32 = -1e30;

/// Queries, keys or values: row `i` of head `h` begins at `from + i · stride + h · dim`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) samples: &'a [f32],
    pub(crate) from: usize,
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

impl<'a> Rows<'a> {
    /// Of an item of a batch, with the first head at `column`.
    pub(crate) fn from(self, item: usize, column: usize) -> Self {
        Self { from: item * self.count * self.stride + column, ..self }
    }

    fn head(self, head: usize, dim: usize, rows: Range<usize>) -> impl Iterator<Item = &'a [f32]> {
        rows.map(move |row| &self.samples[self.from + row * self.stride + head * dim..][..dim])
    }
}

/// Whether heads of this width can be computed on this processor.
pub(crate) fn fits(dim: usize) -> bool {
    (1..=DIM).contains(&dim) && Arch::new().dispatch(Lanes) == LANES
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Attends with each of `heads` heads of width `dim` and writes `[query, head, dim]`. [`fits`] has said yes to `dim`.
pub(crate) fn attend([query, key, value]: [Rows<'_>; 3], heads: usize, dim: usize, out: &mut [f32]) {
    let arch = Arch::new();
    let packed: Vec<_> = (0..heads).map(|_| Mutex::new(None)).collect();
    parallel(heads, &|head| *lock(&packed[head]) = Some(Packed::new(key, value, head, dim)));
    let packed: Vec<Packed> =
        packed.into_iter().filter_map(|packed| packed.into_inner().ok().flatten()).collect();
    let tasks: Vec<_> = out.chunks_mut(QUERIES * heads * dim).map(Mutex::new).collect();
    parallel(tasks.len(), &|task| {
        let queries = task * QUERIES..((task + 1) * QUERIES).min(query.count);
        let mut out = lock(&tasks[task]);
        for (head, packed) in packed.iter().enumerate() {
            arch.dispatch(Attend {
                packed,
                query,
                queries: queries.clone(),
                head,
                dim,
                heads,
                out: &mut out,
            });
        }
    });
}

/// The keys and values of a head.
struct Packed {
    count: usize,
    /// Width in vectors, with zeros behind.
    vectors: usize,
    /// `[block][dim][KEYS]`
    keys: Vec<f32>,
    /// `[key][vectors · LANES]`
    values: Vec<f32>,
}

impl Packed {
    fn new(key: Rows<'_>, value: Rows<'_>, head: usize, dim: usize) -> Self {
        let (vectors, padded) = (dim.div_ceil(LANES), key.count.next_multiple_of(KEYS));
        let mut keys = vec![0.0; padded * dim];
        for (at, row) in key.head(head, dim, 0..key.count).enumerate() {
            let block = &mut keys[at / KEYS * KEYS * dim + at % KEYS..];
            for (to, sample) in block.iter_mut().step_by(KEYS).zip(row) {
                *to = *sample;
            }
        }
        let mut values = vec![0.0; padded * vectors * LANES];
        let rows = value.head(head, dim, 0..value.count);
        for (to, row) in values.chunks_exact_mut(vectors * LANES).zip(rows) {
            to[..dim].copy_from_slice(row);
        }
        Self { count: key.count, vectors, keys, values }
    }
}

/// Some queries of a head.
struct Attend<'a> {
    packed: &'a Packed,
    query: Rows<'a>,
    queries: Range<usize>,
    head: usize,
    dim: usize,
    heads: usize,
    /// `[queries, heads, dim]`
    out: &'a mut [f32],
}

/// What some queries have seen so far.
#[derive(Clone, Copy)]
struct Seen<S: Simd, const V: usize> {
    /// Highest score of each, in powers of two.
    top: [f32; LANES],
    /// Sum of the weights of each, in parts.
    weight: [S::f32s; ROWS],
    /// Weighted sum of the values of each.
    sum: [[S::f32s; V]; ROWS],
}

impl WithSimd for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.packed.vectors {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            3 => self.run::<S, 3>(simd),
            _ => self.run::<S, 4>(simd),
        }
    }
}

impl Attend<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { packed, query, queries, head, dim, heads, out } = self;
        // weights are powers of two
        let scale = std::f32::consts::LOG2_E / (dim as f32).sqrt();
        let mut scaled = [[[0.0; DIM]; ROWS]; QUERIES / ROWS];
        for (to, row) in scaled.as_flattened_mut().iter_mut().zip(query.head(head, dim, queries.clone())) {
            to.iter_mut().zip(row).for_each(|(to, sample)| *to = scale * *sample);
        }
        let zero = simd.splat_f32s(0.0);
        let none = Seen { top: [LOWEST; LANES], weight: [zero; ROWS], sum: [[zero; V]; ROWS] };
        let mut seen = [none; QUERIES / ROWS];
        let groups = queries.len().div_ceil(ROWS);
        let blocks = packed.keys.chunks_exact(KEYS * dim).zip(packed.values.chunks_exact(KEYS * V * LANES));
        for (block, (keys, values)) in blocks.enumerate() {
            let (keys, values) = (S::as_simd_f32s(keys).0, S::as_simd_f32s(values).0);
            let count = KEYS.min(packed.count - block * KEYS);
            for (query, seen) in scaled.iter().zip(&mut seen).take(groups) {
                step::<S, V>(simd, query, keys, values, count, seen);
            }
        }
        let rows = seen.iter().flat_map(|seen| seen.weight.iter().zip(&seen.sum));
        for (to, (weight, sum)) in out.chunks_exact_mut(heads * dim).zip(rows) {
            let rate = simd.splat_f32s(1.0 / simd.reduce_sum_f32s(*weight));
            let mut row = [0.0; DIM];
            for (to, sum) in S::as_mut_simd_f32s(&mut row).0.iter_mut().zip(sum) {
                *to = simd.mul_f32s(*sum, rate);
            }
            to[head * dim..][..dim].copy_from_slice(&row[..dim]);
        }
    }
}

/// Some queries meet a block of keys, of which `count` are there.
#[inline(always)]
fn step<S: Simd, const V: usize>(
    simd: S,
    query: &[[f32; DIM]; ROWS],
    keys: &[S::f32s],
    values: &[S::f32s],
    count: usize,
    seen: &mut Seen<S, V>,
) {
    let mut scores = multiply(simd, [[simd.splat_f32s(0.0); VECS]; ROWS], query, keys);
    if count < KEYS {
        for row in &mut scores {
            let mut samples = [0.0; KEYS];
            S::as_mut_simd_f32s(&mut samples).0.copy_from_slice(row);
            samples[count..].fill(LOWEST);
            row.copy_from_slice(S::as_simd_f32s(&samples).0);
        }
    }
    let mut top = seen.top;
    for (top, row) in top.iter_mut().zip(&scores) {
        let highest = row[1..].iter().fold(row[0], |top, scores| simd.max_f32s(top, *scores));
        *top = top.max(simd.reduce_max_f32s(highest));
    }
    let (before, now) = (S::as_simd_f32s(&seen.top).0[0], S::as_simd_f32s(&top).0[0]);
    let mut rates = [0.0; LANES];
    S::as_mut_simd_f32s(&mut rates).0[0] = power(simd, simd.sub_f32s(before, now));
    seen.top = top;
    let mut weights = [[0.0; KEYS]; ROWS];
    for row in 0..ROWS {
        let (rate, top) = (simd.splat_f32s(rates[row]), simd.splat_f32s(top[row]));
        let mut total = simd.mul_f32s(seen.weight[row], rate);
        for (to, score) in S::as_mut_simd_f32s(&mut weights[row]).0.iter_mut().zip(scores[row]) {
            *to = power(simd, simd.sub_f32s(score, top));
            total = simd.add_f32s(total, *to);
        }
        seen.weight[row] = total;
    }
    let mut sum = seen.sum;
    for row in 0..ROWS {
        let rate = simd.splat_f32s(rates[row]);
        for part in &mut sum[row] {
            *part = simd.mul_f32s(*part, rate);
        }
    }
    seen.sum = multiply(simd, sum, &weights, values);
}

/// Adds a product to `sums`: `left` is `[ROWS, inner]`, `right` is `[inner, V]` vectors.
#[inline(always)]
fn multiply<S: Simd, const V: usize>(
    simd: S,
    mut sums: [[S::f32s; V]; ROWS],
    left: &[[f32; KEYS]; ROWS],
    right: &[S::f32s],
) -> [[S::f32s; V]; ROWS] {
    // arrays of known size, or the sums would not stay in registers
    for (at, right) in right.as_chunks::<V>().0.iter().take(KEYS).enumerate() {
        for row in 0..ROWS {
            let left = simd.splat_f32s(left[row][at]);
            for vector in 0..V {
                sums[row][vector] = simd.mul_add_f32s(left, right[vector], sums[row][vector]);
            }
        }
    }
    sums
}

/// `2ˣ` for `x ≤ 0`, at least `2⁻¹²⁶` (polynomial of Cephes' `exp2f`, relative error 2e-7).
#[inline(always)]
fn power<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const SERIES: [f32; 6] =
        [1.535_336_2e-4, 1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1];
    // adding it rounds to an integer, which then lies in the low bits
    const ROUND: f32 = 12_582_912.0;
    // in this order what is not a number stays so
    let x = simd.max_f32s(simd.splat_f32s(-126.0), x);
    let shifted = simd.add_f32s(x, simd.splat_f32s(ROUND));
    let part = simd.sub_f32s(x, simd.sub_f32s(shifted, simd.splat_f32s(ROUND)));
    let mut sum = simd.splat_f32s(SERIES[0]);
    for coefficient in &SERIES[1..] {
        sum = simd.mul_add_f32s(sum, part, simd.splat_f32s(*coefficient));
    }
    let sum = simd.mul_add_f32s(sum, part, simd.splat_f32s(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(sum), exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in −1..1 that look random.
    fn noise(seed: u32, len: usize) -> Vec<f32> {
        let hash = |at: u32| at.wrapping_mul(0x9E37_79B1).rotate_left(15).wrapping_mul(0x85EB_CA77);
        (0..len as u32).map(|at| hash(at ^ hash(seed)) as f32 / (1_u64 << 31) as f32 - 1.0).collect()
    }

    /// By definition, in double precision.
    fn plain([q, k, v]: [&[f32]; 3], dim: usize, width: usize, counts: [usize; 2]) -> Vec<f64> {
        let mut out = vec![0.0; counts[0] * width];
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for head in (0..width).step_by(dim) {
                let dot = |key: usize| {
                    (0..dim)
                        .map(|at| {
                            f64::from(q[row * width + head + at]) * f64::from(k[key * width + head + at])
                        })
                        .sum::<f64>()
                };
                let scores: Vec<f64> = (0..counts[1]).map(|key| dot(key) / (dim as f64).sqrt()).collect();
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
                for (key, score) in scores.iter().enumerate() {
                    for at in 0..dim {
                        out[head + at] += (score - top).exp() / total * f64::from(v[key * width + head + at]);
                    }
                }
            }
        }
        out
    }

    #[test]
    fn any_width_and_count_is_what_the_definition_says() {
        for (heads, dim, queries, keys, gain) in [
            (2, 8, 5, 3, 1.0),
            (3, 48, 50, 64, 4.0),
            (2, 64, 97, 130, 30.0),
            (1, 20, 1, 1, 1.0),
            (2, 33, 6, 65, 0.1),
        ] {
            if !fits(dim) {
                eprintln!("left out: this processor has no 512-bit vectors");
                return;
            }
            let width = heads * dim;
            let q: Vec<f32> = noise(1, queries * width).iter().map(|sample| sample * gain).collect();
            let (k, v) = (noise(2, keys * width), noise(3, keys * width));
            let rows = |samples, count| Rows { samples, from: 0, stride: width, count };
            let mut out = vec![0.0; queries * width];
            attend([rows(&q, queries), rows(&k, keys), rows(&v, keys)], heads, dim, &mut out);
            let expected = plain([&q, &k, &v], dim, width, [queries, keys]);
            let worst = out.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-5, "{heads} × {dim}, {queries} queries, {keys} keys: off by {worst:e}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_lost() {
        if !fits(16) {
            return;
        }
        let (mut q, k, v) = (noise(1, 16 * 7), noise(2, 16 * 9), noise(3, 16 * 9));
        q[16 * 3] = f32::NAN;
        let rows = |samples, count| Rows { samples, from: 0, stride: 16, count };
        let mut out = vec![0.0; 16 * 7];
        attend([rows(&q, 7), rows(&k, 9), rows(&v, 9)], 1, 16, &mut out);
        let finite: Vec<bool> = out.chunks_exact(16).map(|row| row.iter().all(|x| x.is_finite())).collect();
        assert_eq!(finite, [true, true, true, false, true, true, true]);
    }
}
