//! The residual branches of the encoder and decoder layers on a processor, in single precision.
//!
//! A branch squeezes the channels to an eighth, normalises, expands them again, normalises, gates and adds. As tensor
//! operations that is ten passes over memory; here all of it happens to a row (all channels of one frequency, along
//! time) while it lies in the cache, and the two products are recomputed instead of stored.

use std::{ops::Range, sync::Mutex};

use pulp::{Arch, Simd, WithSimd};

use crate::onednn::{lock, parallel};

/// Outputs that are accumulated at once, in registers.
const OUT: usize = 6;

/// Pairs of a value and its gate among them.
const PAIRS: usize = OUT / 2;

/// Vectors of each of them.
const VECS: usize = 2;

/// Room for a vector block beyond a row's end, in samples: twice the widest vectors, and the same before it for the taps.
const MARGIN: usize = 32;

/// Frames of a tile of a long row: all its channels lie in the cache.
const TILE: usize = 1024;

/// A branch's weights in the order in which they are used.
pub(crate) struct Branch {
    channels: usize,
    hidden: usize,
    layers: Vec<Layer>,
}

/// A layer of a branch. Everything is padded with zeros to whole groups.
pub(crate) struct Layer {
    dilation: usize,
    taps: usize,
    /// `[group][channel][tap][OUT]`
    squeeze: Vec<f32>,
    /// `[hidden]`: bias, weight and bias of the norm.
    hidden: [Vec<f32>; 3],
    /// `[group][hidden][OUT]`, values and gates of `PAIRS` channels.
    expand: Vec<f32>,
    /// `[2 · channels]` in the order of `expand`: bias, weight and bias of the norm.
    expanded: [Vec<f32>; 3],
    /// `[channels]`
    scale: Vec<f32>,
}

/// A layer's weights as the checkpoint has them.
pub(crate) struct Plain {
    pub(crate) dilation: usize,
    /// `[hidden, channels, taps]`
    pub(crate) squeeze: Vec<f32>,
    pub(crate) squeeze_bias: Vec<f32>,
    pub(crate) norm: [Vec<f32>; 2],
    /// `[2 · channels, hidden]`
    pub(crate) expand: Vec<f32>,
    pub(crate) expand_bias: Vec<f32>,
    pub(crate) norm_out: [Vec<f32>; 2],
    pub(crate) scale: Vec<f32>,
}

impl Branch {
    /// None if the weights do not have the shapes of a branch, or its taps reach too far.
    pub(crate) fn new(layers: Vec<Plain>) -> Option<Self> {
        let first = layers.first()?;
        let (channels, hidden) = (first.scale.len(), first.squeeze_bias.len());
        let layers =
            layers.into_iter().map(|plain| Layer::new(plain, channels, hidden)).collect::<Option<_>>()?;
        Some(Self { channels, hidden, layers })
    }

    /// Applies the branch in place to `x`, shape `[batch, channels, rows, time]`, with so many threads.
    pub(crate) fn apply(&self, x: &mut [f32], rows: usize, time: usize, threads: usize) {
        if x.is_empty() {
            return;
        }
        for x in x.chunks_exact_mut(self.channels * rows * time) {
            let planes: Vec<&mut [f32]> = x.chunks_exact_mut(rows * time).collect();
            if rows >= 4 * threads {
                self.rows_apart(planes, rows, time, threads);
            } else {
                self.row_by_row(planes, time);
            }
        }
    }

    /// Each thread takes some rows.
    fn rows_apart(&self, mut planes: Vec<&mut [f32]>, rows: usize, time: usize, threads: usize) {
        let each = rows.div_ceil(threads);
        let mut shares = Vec::new();
        while planes.first().is_some_and(|plane| !plane.is_empty()) {
            let mut mine = Vec::with_capacity(planes.len());
            for plane in &mut planes {
                let count = (each * time).min(plane.len());
                mine.push(plane.split_off_mut(..count).unwrap_or_default());
            }
            shares.push(Mutex::new(mine));
        }
        parallel(shares.len(), &|share| {
            let mut mine = lock(&shares[share]);
            let mut work = Work::new(self, time);
            for row in 0..mine[0].len() / time {
                let range = row * time..(row + 1) * time;
                work.load(mine.iter().map(|plane| &plane[range.clone()]));
                for layer in &self.layers {
                    work.whole(layer);
                }
                work.store(mine.iter_mut().map(|plane| &mut plane[range.clone()]));
            }
        });
    }

    /// All threads share each row: every one has some tiles of it, with what the taps reach beyond their ends.
    fn row_by_row(&self, mut planes: Vec<&mut [f32]>, time: usize) {
        let rows = planes.first().map_or(0, |plane| plane.len() / time);
        for _ in 0..rows {
            let mut row: Vec<&mut [f32]> =
                planes.iter_mut().map(|plane| plane.split_off_mut(..time).unwrap_or_default()).collect();
            for layer in &self.layers {
                self.tiles(layer, &mut row, time);
            }
        }
    }

    /// A layer on a row, tile by tile.
    fn tiles(&self, layer: &Layer, row: &mut [&mut [f32]], time: usize) {
        let tiles: Vec<Range<usize>> =
            (0..time).step_by(TILE).map(|from| from..(from + TILE).min(time)).collect();
        let works: Vec<_> = tiles.iter().map(|tile| Mutex::new(Work::new(self, tile.len()))).collect();
        // each tile's sums, added in the same order whatever the threads
        let each = |step: &(dyn Fn(&mut Work<'_>, usize) -> [f64; 2] + Sync)| {
            let parts: Vec<_> = tiles.iter().map(|_| Mutex::new([0.0; 2])).collect();
            parallel(tiles.len(), &|at| *lock(&parts[at]) = step(&mut lock(&works[at]), at));
            parts
                .iter()
                .map(|part| *lock(part))
                .fold([0.0; 2], |sum, part| [sum[0] + part[0], sum[1] + part[1]])
        };
        let shared: Vec<&[f32]> = row.iter().map(|plane| &**plane).collect();
        let sums = each(&|work, at| {
            work.load_part(&shared, tiles[at].clone());
            work.squeeze(layer)
        });
        let hidden = moments(sums, (self.hidden * time) as f64);
        let sums = each(&|work, _| {
            work.gelu(layer, hidden);
            work.expand_sums(layer)
        });
        let expanded = moments(sums, (2 * self.channels * time) as f64);
        let mut parts: Vec<Vec<&mut [f32]>> = tiles.iter().map(|_| Vec::with_capacity(row.len())).collect();
        for plane in row {
            for (part, samples) in parts.iter_mut().zip(plane.chunks_mut(TILE)) {
                part.push(samples);
            }
        }
        let parts: Vec<_> = parts.into_iter().map(Mutex::new).collect();
        each(&|work, at| {
            work.gate(layer, expanded);
            work.store(lock(&parts[at]).iter_mut().map(|samples| &mut **samples));
            [0.0; 2]
        });
    }
}

fn moments([sum, squares]: [f64; 2], count: f64) -> [f32; 2] {
    let mean = sum / count;
    let variance = (squares / count - mean * mean).max(0.0);
    [mean as f32, (1.0 / (variance + 1e-5).sqrt()) as f32]
}

impl Layer {
    fn new(plain: Plain, channels: usize, hidden: usize) -> Option<Self> {
        let taps = plain.squeeze.len().checked_div(channels * hidden)?;
        let fits = plain.squeeze.len() == channels * hidden * taps
            && taps % 2 == 1
            && plain.dilation * (taps / 2) <= MARGIN / 2
            && plain.squeeze_bias.len() == hidden
            && plain.norm.iter().all(|v| v.len() == hidden)
            && plain.expand.len() == 2 * channels * hidden
            && plain.expand_bias.len() == 2 * channels
            && plain.norm_out.iter().all(|v| v.len() == 2 * channels)
            && plain.scale.len() == channels;
        if !fits {
            return None;
        }
        let groups = hidden.div_ceil(OUT);
        let mut squeeze = vec![0.0; groups * channels * taps * OUT];
        for h in 0..hidden {
            for at in 0..channels * taps {
                squeeze[(h / OUT * channels * taps + at) * OUT + h % OUT] =
                    plain.squeeze[h * channels * taps + at];
            }
        }
        let padded = |mut values: Vec<f32>| {
            values.resize(groups * OUT, 0.0);
            values
        };
        let [weight, bias] = plain.norm;
        let pairs = channels.div_ceil(PAIRS);
        // place of an output: values first, gates after them, in each group
        let place = |out: usize| {
            let channel = out % channels;
            (channel / PAIRS, channel % PAIRS + PAIRS * (out / channels))
        };
        let mut expand = vec![0.0; pairs * hidden * OUT];
        let arrange = |values: &[f32]| {
            let mut arranged = vec![0.0; pairs * OUT];
            for (out, value) in values.iter().enumerate() {
                let (group, at) = place(out);
                arranged[group * OUT + at] = *value;
            }
            arranged
        };
        for out in 0..2 * channels {
            let (group, at) = place(out);
            for h in 0..hidden {
                expand[(group * hidden + h) * OUT + at] = plain.expand[out * hidden + h];
            }
        }
        let [weight_out, bias_out] = plain.norm_out;
        Some(Self {
            dilation: plain.dilation,
            taps,
            squeeze,
            hidden: [padded(plain.squeeze_bias), padded(weight), padded(bias)],
            expand,
            expanded: [arrange(&plain.expand_bias), arrange(&weight_out), arrange(&bias_out)],
            scale: plain.scale,
        })
    }
}

/// A thread's copy of a row, or of a stretch of it.
struct Work<'a> {
    branch: &'a Branch,
    arch: Arch,
    time: usize,
    stride: usize,
    /// `[channel][stride]`, the samples from `MARGIN` on, zero around them (or the neighbours of a stretch).
    x: Vec<f32>,
    /// `[hidden, padded to groups][stride]`, from 0 on.
    h: Vec<f32>,
}

impl<'a> Work<'a> {
    fn new(branch: &'a Branch, time: usize) -> Self {
        let stride = MARGIN + time.next_multiple_of(MARGIN) + MARGIN;
        let hidden = branch.hidden.next_multiple_of(OUT);
        let (x, h) = (vec![0.0; branch.channels * stride], vec![0.0; hidden * stride]);
        Self { branch, arch: Arch::new(), time, stride, x, h }
    }

    fn load<'x>(&mut self, row: impl Iterator<Item = &'x [f32]>) {
        for (to, from) in self.x.chunks_exact_mut(self.stride).zip(row) {
            to[MARGIN..MARGIN + self.time].copy_from_slice(from);
        }
    }

    /// A stretch with its neighbours.
    fn load_part(&mut self, row: &[&[f32]], range: Range<usize>) {
        let (before, after) = (range.start.min(MARGIN), (row[0].len() - range.end).min(MARGIN));
        for (to, from) in self.x.chunks_exact_mut(self.stride).zip(row) {
            to[MARGIN - before..MARGIN + self.time + after]
                .copy_from_slice(&from[range.start - before..range.end + after]);
        }
    }

    fn store<'x>(&self, row: impl Iterator<Item = &'x mut [f32]>) {
        for (from, to) in self.x.chunks_exact(self.stride).zip(row) {
            to.copy_from_slice(&from[MARGIN..MARGIN + self.time]);
        }
    }

    /// A layer on a whole row.
    fn whole(&mut self, layer: &Layer) {
        let (hidden, outputs) = (self.branch.hidden * self.time, 2 * self.branch.channels * self.time);
        let part = self.squeeze(layer);
        self.gelu(layer, moments(part, hidden as f64));
        let part = self.expand_sums(layer);
        self.gate(layer, moments(part, outputs as f64));
    }

    /// The first product, into `h`; its sum and sum of squares.
    fn squeeze(&mut self, layer: &Layer) -> [f64; 2] {
        self.arch.dispatch(Squeeze {
            layer,
            work: (self.branch, self.time, self.stride),
            x: &self.x,
            h: &mut self.h,
        })
    }

    /// Norm and GELU of `h`.
    fn gelu(&mut self, layer: &Layer, moments: [f32; 2]) {
        self.arch.dispatch(Gelu {
            layer,
            stride: self.stride,
            hidden: self.branch.hidden,
            moments,
            h: &mut self.h,
        });
    }

    /// Sum and sum of squares of the second product.
    fn expand_sums(&self, layer: &Layer) -> [f64; 2] {
        self.arch.dispatch(ExpandSums { layer, work: (self.branch, self.time, self.stride), h: &self.h })
    }

    /// The second product again, its norm, gate and scale, added to `x`.
    fn gate(&mut self, layer: &Layer, moments: [f32; 2]) {
        let work = (self.branch, self.time, self.stride);
        self.arch.dispatch(Gate { layer, work, moments, h: &self.h, x: &mut self.x });
    }
}

type Block<S> = [[<S as Simd>::f32s; VECS]; OUT];

#[inline(always)]
fn load<S: Simd>(samples: &[f32]) -> [S::f32s; VECS] {
    let vectors = S::as_simd_f32s(samples).0;
    [vectors[0], vectors[1]]
}

/// Adds products of `OUT` weights each with a block of inputs.
#[inline(always)]
fn multiply<S: Simd>(simd: S, block: &mut Block<S>, weights: &[f32], input: [S::f32s; VECS]) {
    for (sums, weight) in block.iter_mut().zip(weights) {
        let weight = simd.splat_f32s(*weight);
        sums[0] = simd.mul_add_f32s(weight, input[0], sums[0]);
        sums[1] = simd.mul_add_f32s(weight, input[1], sums[1]);
    }
}

#[inline(always)]
fn begin<S: Simd>(simd: S, bias: &[f32]) -> Block<S> {
    let mut block = [[simd.splat_f32s(0.0); VECS]; OUT];
    for (sums, bias) in block.iter_mut().zip(bias) {
        *sums = [simd.splat_f32s(*bias); VECS];
    }
    block
}

/// Sum and sum of squares of the first `count` samples of some outputs.
#[inline(always)]
fn add_up<S: Simd>(simd: S, block: &[[S::f32s; VECS]], count: usize, total: &mut [f64; 2]) {
    let lanes = S::F32_LANES;
    if count >= VECS * lanes {
        let [mut sum, mut squares] = [simd.splat_f32s(0.0); 2];
        for value in block.iter().flatten() {
            sum = simd.add_f32s(sum, *value);
            squares = simd.mul_add_f32s(*value, *value, squares);
        }
        total[0] += f64::from(simd.reduce_sum_f32s(sum));
        total[1] += f64::from(simd.reduce_sum_f32s(squares));
        return;
    }
    for vectors in block {
        for (at, vector) in vectors.iter().enumerate() {
            let mut samples = [0.0; MARGIN];
            S::as_mut_simd_f32s(&mut samples).0[0] = *vector;
            for sample in &samples[..count.saturating_sub(at * lanes).min(lanes)] {
                total[0] += f64::from(*sample);
                total[1] += f64::from(*sample).powi(2);
            }
        }
    }
}

struct Squeeze<'a> {
    layer: &'a Layer,
    work: (&'a Branch, usize, usize),
    x: &'a [f32],
    h: &'a mut [f32],
}

impl WithSimd for Squeeze<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let Self { layer, work: (branch, time, stride), x, h } = self;
        let (step, reach) = (VECS * S::F32_LANES, layer.dilation * (layer.taps / 2));
        let mut total = [0.0; 2];
        for (group, h) in h.chunks_exact_mut(OUT * stride).enumerate() {
            let weights = &layer.squeeze[group * branch.channels * layer.taps * OUT..];
            let real = OUT.min(branch.hidden - group * OUT);
            for t in (0..time).step_by(step) {
                let mut block = begin(simd, &layer.hidden[0][group * OUT..]);
                let mut weights = weights.chunks_exact(OUT);
                for row in x.chunks_exact(stride) {
                    let from = &row[MARGIN - reach + t..];
                    for tap in 0..layer.taps {
                        let Some(weights) = weights.next() else { break };
                        multiply(simd, &mut block, weights, load::<S>(&from[tap * layer.dilation..]));
                    }
                }
                for (row, sums) in h.chunks_exact_mut(stride).zip(&block) {
                    S::as_mut_simd_f32s(&mut row[t..t + step]).0.copy_from_slice(sums);
                }
                add_up(simd, &block[..real], time - t, &mut total);
            }
        }
        total
    }
}

struct Gelu<'a> {
    layer: &'a Layer,
    stride: usize,
    hidden: usize,
    moments: [f32; 2],
    h: &'a mut [f32],
}

impl WithSimd for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [mean, rate] = self.moments;
        for (at, row) in self.h.chunks_exact_mut(self.stride).take(self.hidden).enumerate() {
            let (weight, bias) = (self.layer.hidden[1][at] * rate, self.layer.hidden[2][at]);
            let (weight, bias) = (simd.splat_f32s(weight), simd.splat_f32s(bias - mean * weight));
            for value in S::as_mut_simd_f32s(row).0 {
                *value = gelu(simd, simd.mul_add_f32s(*value, weight, bias));
            }
        }
    }
}

/// Runs the second product over a row, block by block.
#[inline(always)]
fn expand<S: Simd>(
    simd: S,
    layer: &Layer,
    (branch, time, stride): (&Branch, usize, usize),
    h: &[f32],
    mut each: impl FnMut(usize, usize, &Block<S>),
) {
    let step = VECS * S::F32_LANES;
    for t in (0..time).step_by(step) {
        for group in 0..branch.channels.div_ceil(PAIRS) {
            let weights = &layer.expand[group * branch.hidden * OUT..];
            let mut block = begin(simd, &layer.expanded[0][group * OUT..]);
            for (weights, row) in weights.chunks_exact(OUT).zip(h.chunks_exact(stride)).take(branch.hidden) {
                multiply(simd, &mut block, weights, load::<S>(&row[t..t + step]));
            }
            each(group, t, &block);
        }
    }
}

struct ExpandSums<'a> {
    layer: &'a Layer,
    work: (&'a Branch, usize, usize),
    h: &'a [f32],
}

impl WithSimd for ExpandSums<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let Self { layer, work, h } = self;
        let (branch, time, _) = work;
        let mut total = [0.0; 2];
        expand(simd, layer, work, h, |group, t, block| {
            let real = PAIRS.min(branch.channels - group * PAIRS);
            add_up(simd, &block[..real], time - t, &mut total);
            add_up(simd, &block[PAIRS..PAIRS + real], time - t, &mut total);
        });
        total
    }
}

struct Gate<'a> {
    layer: &'a Layer,
    work: (&'a Branch, usize, usize),
    moments: [f32; 2],
    h: &'a [f32],
    x: &'a mut [f32],
}

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, work, moments: [mean, rate], h, x } = self;
        let (branch, time, stride) = work;
        let step = VECS * S::F32_LANES;
        expand(simd, layer, work, h, |group, t, block| {
            let [_, weight, bias] = &layer.expanded;
            let normed = |at: usize, value: S::f32s| {
                let weight = weight[group * OUT + at] * rate;
                let bias = bias[group * OUT + at] - mean * weight;
                simd.mul_add_f32s(value, simd.splat_f32s(weight), simd.splat_f32s(bias))
            };
            for pair in 0..PAIRS.min(branch.channels - group * PAIRS) {
                let channel = group * PAIRS + pair;
                let scale = simd.splat_f32s(layer.scale[channel]);
                let row = &mut x[channel * stride + MARGIN + t..][..step];
                let to = S::as_mut_simd_f32s(row).0;
                for vector in 0..VECS {
                    let value = simd.mul_f32s(scale, normed(pair, block[pair][vector]));
                    let gate = sigmoid(simd, normed(PAIRS + pair, block[PAIRS + pair][vector]));
                    to[vector] = simd.mul_add_f32s(value, gate, to[vector]);
                }
            }
        });
        // what was written beyond the end is outside of the track for the next layer's taps
        for row in x.chunks_exact_mut(stride) {
            row[MARGIN + time..].fill(0.0);
        }
    }
}

/// `x · Φ(x)`. erf is the rational approximation of Eigen and TensorFlow (absolute error 7e-8).
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const OVER: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const UNDER: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    let limit = simd.splat_f32s(4.0);
    let y = simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
    let y = simd.max_f32s(simd.min_f32s(y, limit), simd.splat_f32s(-4.0));
    let square = simd.mul_f32s(y, y);
    let polynomial = |coefficients: &[f32]| {
        let mut sum = simd.splat_f32s(coefficients[0]);
        for coefficient in &coefficients[1..] {
            sum = simd.mul_add_f32s(sum, square, simd.splat_f32s(*coefficient));
        }
        sum
    };
    let erf = simd.div_f32s(simd.mul_f32s(y, polynomial(&OVER)), polynomial(&UNDER));
    let half = simd.mul_f32s(x, simd.splat_f32s(0.5));
    simd.mul_add_f32s(half, erf, half)
}

/// `1 / (1 + e⁻ˣ)`. The exponential is Cephes' (relative error 2e-7).
#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const SERIES: [f32; 6] = [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // adding it rounds to an integer, which then lies in the low bits
    const ROUND: f32 = 12_582_912.0;
    let splat = |value: f32| simd.splat_f32s(value);
    let y = simd.max_f32s(simd.min_f32s(simd.mul_f32s(x, splat(-1.0)), splat(87.0)), splat(-87.0));
    let shifted = simd.mul_add_f32s(y, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let whole = simd.sub_f32s(shifted, splat(ROUND));
    let part = simd.mul_add_f32s(whole, splat(-0.693_359_4), y);
    let part = simd.mul_add_f32s(whole, splat(2.121_944_4e-4), part);
    let mut sum = splat(SERIES[0]);
    for coefficient in &SERIES[1..] {
        sum = simd.mul_add_f32s(sum, part, splat(*coefficient));
    }
    let sum = simd.mul_add_f32s(simd.mul_f32s(sum, part), part, part);
    let sum = simd.add_f32s(sum, splat(1.0));
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.transmute_f32s_u32s(simd.add_u32s(exponent, simd.splat_u32s(127 << 23)));
    simd.div_f32s(splat(1.0), simd.mul_add_f32s(sum, power, splat(1.0)))
}
