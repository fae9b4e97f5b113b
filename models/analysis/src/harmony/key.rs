//! The key of a track and where it changes.

use super::{
    folded::{Harmony, Pcs},
    profiles::correlations,
    wheel::{camelot, open_key, tonic_name},
};
use crate::{
    analysis::{Key, KeyCandidate, KeySpan, Scale},
    options::KeyProfile,
};

/// Share of the largest pitch class below which one counts as absent.
const GATE: f32 = 0.2;
/// Weight of the bass next to the treble: it plays roots.
const BASS: f32 = 0.4;
/// What one unit of correlation means as a logarithm of the odds. Fitted on 200 songs.
const SHARPNESS: f32 = 20.0;
/// Mean prominence of the peaks, in nepers, below which there are no tones.
const TONAL: f32 = 1.45;
/// Correlation below which no key fits.
const FITS: f32 = 0.45;
/// Length and step of the windows in which a change of key is looked for, in seconds.
const WINDOW: f64 = 24.0;
const STEP: f64 = 4.0;
/// What a change of key costs, in correlation: so much must be won by it over all windows after.
const CHANGE: f32 = 1.6;

impl Harmony {
    /// The key, or `None` where nothing is tonal.
    pub(crate) fn key(&self, which: KeyProfile) -> Option<Key> {
        let pcs = self.profile(0, self.frames.len())?;
        let scores = correlations(&pcs, which);
        let mut order: Vec<usize> = (0..24).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let best = order[0];
        if scores[best] < FITS {
            return None;
        }
        let odds = scores.map(|s| ((s - scores[best]) * SHARPNESS).exp());
        let total: f32 = odds.iter().sum();
        let share = |key: usize| thousandths(f64::from(odds[key] / total));
        let candidate = |key: &usize| {
            let (tonic, scale) = name(*key);
            KeyCandidate {
                tonic: tonic.into(),
                scale,
                camelot: camelot(tonic, scale).unwrap_or_default(),
                open_key: open_key(tonic, scale).unwrap_or_default(),
                confidence: share(*key),
            }
        };
        let first = candidate(&best);
        Some(Key {
            alternatives: order[1..4].iter().map(candidate).collect(),
            tonic: first.tonic,
            scale: first.scale,
            camelot: first.camelot,
            open_key: first.open_key,
            confidence: first.confidence,
            tuning_cents: (self.tuning * 10.0).round() / 10.0,
            profile: pcs,
            modulations: self.modulations(best, which),
        })
    }

    /// Mean prominence of the peaks of frames, in nepers.
    pub(super) fn tonal(&self, from: usize, to: usize) -> f32 {
        let sum: f32 = (from..to).map(|t| self.weights[t] * f32::from(self.frames[t].tonal) / 8.0).sum();
        sum / self.weights[from..to].iter().sum::<f32>().max(1e-6)
    }

    /// Gated mean pitch classes of frames, the largest 1. `None` where there are no tones.
    fn profile(&self, from: usize, to: usize) -> Option<Pcs> {
        let mut sums = [[0.0; 12]; 2];
        for t in from..to {
            for (sum, pcs) in sums.iter_mut().zip([&self.treble[t], &self.bass[t]]) {
                sum.iter_mut().zip(pcs).for_each(|(s, p)| *s += self.weights[t] * p);
            }
        }
        let [treble, bass] = sums.map(|sum| {
            let largest = sum.iter().fold(1e-6f32, |a, b| a.max(*b));
            sum.map(|s| s / largest)
        });
        let sum: Pcs = std::array::from_fn(|i| treble[i] + BASS * bass[i]);
        let largest = sum.iter().fold(0.0f32, |a, b| a.max(*b));
        if largest <= 0.0 || self.tonal(from, to) < TONAL {
            return None;
        }
        Some(sum.map(|s| if s / largest < GATE { 0.0 } else { s / largest }))
    }

    /// Keys over time: the path through the windows that fits best when each change costs.
    fn modulations(&self, overall: usize, which: KeyProfile) -> Vec<KeySpan> {
        let windows = ((self.duration - WINDOW) / STEP).ceil().max(0.0) as usize + 1;
        let scores: Vec<[f32; 24]> = (0..windows)
            .map(|i| {
                let start = i as f64 * STEP;
                let (from, to) = (self.at(start), self.at((start + WINDOW).min(self.duration)));
                // The windows overlap, so each says only a part of something new.
                let share = (STEP / WINDOW) as f32 * 4.0;
                self.profile(from, to).map_or([0.0; 24], |pcs| correlations(&pcs, which)).map(|s| s * share)
            })
            .collect();
        let path = viterbi(&scores, CHANGE);
        let mut spans: Vec<(f64, usize)> = Vec::new();
        for (i, key) in path.into_iter().enumerate() {
            if spans.last().is_none_or(|(_, k)| *k != key) {
                let middle = i as f64 * STEP + 0.5 * (WINDOW - STEP);
                spans.push((if i == 0 { 0.0 } else { middle }, key));
            }
        }
        // one key all along is the key of the track
        if let [(_, key)] = spans.as_mut_slice() {
            *key = overall;
        }
        let ends = spans.iter().skip(1).map(|(start, _)| *start).chain([self.duration]);
        let ends: Vec<f64> = ends.collect();
        spans
            .iter()
            .zip(ends)
            .map(|((start, key), end)| {
                let (tonic, scale) = name(*key);
                KeySpan { start: *start, end, tonic: tonic.into(), scale }
            })
            .collect()
    }
}

/// Tonic and scale of an index: 12 major keys from C on, then 12 minor ones.
fn name(key: usize) -> (&'static str, Scale) {
    (tonic_name(key), if key < 12 { Scale::Major } else { Scale::Minor })
}

/// The states with the highest sum of scores when each change costs `change`.
pub(super) fn viterbi<const N: usize>(scores: &[[f32; N]], change: f32) -> Vec<usize> {
    let mut total = [0.0f32; N];
    let mut from: Vec<[u16; N]> = Vec::with_capacity(scores.len());
    for score in scores {
        let best = (0..N).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
        let leap = total[best] - change;
        let mut origin = [0u16; N];
        for (state, ((total, origin), score)) in total.iter_mut().zip(&mut origin).zip(score).enumerate() {
            *origin = if *total >= leap { state } else { best } as u16;
            *total = total.max(leap) + score;
        }
        from.push(origin);
    }
    let mut state = (0..N).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let mut path = vec![0; scores.len()];
    for (t, origin) in from.iter().enumerate().rev() {
        path[t] = state;
        state = usize::from(origin[state]);
    }
    path
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
