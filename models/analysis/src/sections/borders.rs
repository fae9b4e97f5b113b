//! Where parts begin: novelty along the diagonal of the self-similarity matrix at several scales (Foote 2000,
//! "Automatic audio segmentation using a measure of audio novelty"), the last bar of a part, which is played
//! differently, and the stroke that begins one; of all ways to cut a track, the one that has most of it in parts of
//! usual lengths.

use super::{normalised, units::Unit};

/// Units to either side of a border that are compared.
const SCALES: [usize; 3] = [2, 4, 8];
/// Weights of novelty, of a last bar and of an accent.
const NOVELTY: f32 = 1.0;
const FILL: f32 = 0.35;
const ACCENT: f32 = 0.3;
/// What a border must bring.
const PRICE: f32 = 0.9;
/// The longest part, in units.
const LONGEST: usize = 64;

/// Indices of units that begin a part, and the number of units.
pub(super) fn borders(features: &[Unit], accents: &[f32]) -> Vec<usize> {
    let n = features.len();
    let strength = strength(features, accents);
    // the best way to cut the first `i` units, and where its last part begins
    let mut total = vec![f32::MIN; n + 1];
    let mut from = vec![0; n + 1];
    total[0] = 0.0;
    for end in 1..=n {
        for begin in end.saturating_sub(LONGEST)..end {
            let score = total[begin] + strength[begin] + usual(end - begin, begin == 0 || end == n);
            if score > total[end] {
                (total[end], from[end]) = (score, begin);
            }
        }
    }
    let mut borders = vec![n];
    let mut at = n;
    while at > 0 {
        at = from[at];
        borders.push(at);
    }
    borders.reverse();
    borders
}

/// How usual a part of a length is. The first and the last one may be cut off.
fn usual(length: usize, outer: bool) -> f32 {
    match length {
        8 | 16 => 0.6,
        4 | 12 => 0.3,
        1..=2 if !outer => -2.0,
        1..=2 => -0.8,
        _ if length.is_multiple_of(4) => 0.0,
        _ if length.is_multiple_of(2) => -0.4,
        _ if outer => -0.4,
        _ => -0.9,
    }
}

/// What speaks for a border before each unit.
fn strength(features: &[Unit], accents: &[f32]) -> Vec<f32> {
    let n = features.len();
    let mut novelty = vec![0.0; n + 1];
    for scale in SCALES {
        let at: Vec<f32> = (0..=n).map(|border| novelty_at(features, border, scale)).collect();
        for (sum, v) in novelty.iter_mut().zip(normalised(&at)) {
            *sum += v / SCALES.len() as f32;
        }
    }
    // what differs from the bar before and the bar after, while these are alike
    let fill = |border: usize| {
        if border < 2 || border >= n {
            return 0.0;
        }
        let [a, b, c] = [border - 2, border - 1, border].map(|i| &features[i][24..]);
        let gap = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt();
        gap(a, b).min(gap(b, c))
    };
    let fills = normalised(&(0..=n).map(fill).collect::<Vec<f32>>());
    let strength = |i: usize| {
        let accent = accents.get(i).copied().unwrap_or_default();
        NOVELTY * novelty[i] + FILL * fills[i].clamp(-1.0, 3.0) + ACCENT * accent.clamp(-1.0, 3.0) - PRICE
    };
    (0..=n).map(|i| if i == 0 || i == n { 0.0 } else { strength(i) }).collect()
}

/// How much what follows a border differs from what is before, against how much each differs in itself.
fn novelty_at(features: &[Unit], border: usize, scale: usize) -> f32 {
    let n = features.len();
    let reach = scale.min(border).min(n - border);
    if reach == 0 {
        return 0.0;
    }
    let distance = |a: usize, b: usize| {
        features[a].iter().zip(&features[b]).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
    };
    let (mut across, mut within) = ([0.0f32; 2], [0.0f32; 2]);
    for i in border - reach..border + reach {
        for j in i + 1..border + reach {
            let sum = if (i < border) == (j < border) { &mut within } else { &mut across };
            sum[0] += distance(i, j);
            sum[1] += 1.0;
        }
    }
    let gain = across[0] / across[1] - within[0] / within[1].max(1.0);
    // with one unit a side there is nothing within
    gain.max(0.0) * if reach == 1 { 0.3 } else { (reach as f32 / scale as f32).sqrt() }
}
