//! The bars that are compared, and what is known of each.

use crate::{
    front::{BANDS, Rhythm, TIMBRE},
    harmony::Harmony,
};

/// Pitch classes of treble and bass, timbre, and how much is struck in each band.
pub(super) const FEATURES: usize = 24 + TIMBRE + BANDS;
/// Length of a unit where there are no bars, in seconds, and the least length of one.
const UNIT: f64 = 2.0;
const SHORTEST_UNIT: f64 = 1.2;
/// How far from its border the first stroke of a unit is looked for, in seconds.
const STROKE: f64 = 0.06;

pub(super) type Unit = [f32; FEATURES];

/// Borders of the units that are compared: bars, else groups of beats, else steps of two seconds.
pub(super) fn edges(duration: f64, beats: &[f64], downbeats: &[f64]) -> Vec<f64> {
    let marks: Vec<f64> = if downbeats.len() > 3 {
        downbeats.to_vec()
    } else if beats.len() > 15 {
        beats.iter().copied().step_by(4).collect()
    } else {
        (1..(duration / UNIT) as usize).map(|i| i as f64 * UNIT).collect()
    };
    let mut edges = vec![0.0];
    for mark in marks {
        let last = *edges.last().unwrap_or(&0.0);
        // before and after the beats there may be music, too
        let parts = ((mark - last) / (2.5 * UNIT)).floor() as usize;
        edges.extend((1..=parts).map(|i| last + (mark - last) * i as f64 / (parts + 1) as f64));
        if mark - edges.last().unwrap_or(&0.0) >= SHORTEST_UNIT && duration - mark >= SHORTEST_UNIT {
            edges.push(mark);
        }
    }
    let last = *edges.last().unwrap_or(&0.0);
    let parts = ((duration - last) / (2.5 * UNIT)).floor() as usize;
    edges.extend((1..=parts).map(|i| last + (duration - last) * i as f64 / (parts + 1) as f64));
    edges.push(duration);
    edges
}

/// Features of each unit, so that each kind of feature counts the same.
pub(super) fn standardised(harmony: &Harmony, rhythm: Option<&Rhythm>, edges: &[f64]) -> Vec<Unit> {
    let bands: [Vec<f32>; BANDS] =
        std::array::from_fn(|b| rhythm.map_or_else(Vec::new, |r| r.onsets.band(b)));
    let rate = rhythm.map_or(1.0, |r| r.onsets.rate);
    let struck = |e: &[f64]| -> [f32; BANDS] {
        std::array::from_fn(|b| {
            let to = ((e[1] * rate) as usize).min(bands[b].len());
            let from = ((e[0] * rate) as usize).min(to);
            bands[b][from..to].iter().sum::<f32>() / (to - from).max(1) as f32
        })
    };
    let mut features: Vec<Unit> = edges.windows(2).map(|e| unit(harmony, struck(e), e[0], e[1])).collect();
    let count = features.len() as f32;
    let mut means = [0.0; FEATURES];
    for f in &features {
        means.iter_mut().zip(f).for_each(|(m, v)| *m += v / count);
    }
    // A kind that hardly varies says nothing.
    let kinds = [(0..12, 0.02), (12..24, 0.02), (24..24 + TIMBRE, 4.0), (24 + TIMBRE..FEATURES, 1e-4)];
    for (kind, least) in kinds {
        let spread = |f: &Unit| kind.clone().map(|i| (f[i] - means[i]).powi(2)).sum::<f32>();
        let variance = features.iter().map(spread).sum::<f32>() / count;
        let scale = 1.0 / variance.max(least).sqrt();
        for f in &mut features {
            kind.clone().for_each(|i| f[i] = (f[i] - means[i]) * scale);
        }
    }
    features
}

/// Pitch classes relative to the largest, levels in decibels, mean rises.
fn unit(harmony: &Harmony, struck: [f32; BANDS], start: f64, end: f64) -> Unit {
    let [treble, bass] = harmony.mean(start, end);
    let from = harmony.at(start).min(harmony.frames.len() - 1);
    let to = harmony.at(end).clamp(from + 1, harmony.frames.len().max(from + 1));
    let share = |pcs: [f32; 12], i: usize| pcs[i] / pcs.iter().fold(0.2f32, |a, b| a.max(*b));
    std::array::from_fn(|i| match i {
        0..12 => share(treble, i),
        12..24 => share(bass, i - 12),
        _ if i < 24 + TIMBRE => {
            let frames = &harmony.frames[from..to];
            frames.iter().map(|f| 0.5 * f32::from(f.timbre[i - 24])).sum::<f32>() / frames.len() as f32
        }
        _ => struck[i - 24 - TIMBRE],
    })
}

/// How much stronger the heights are struck at the begin of each unit than at those of the others, in deviations: a
/// cymbal begins a part.
pub(super) fn accents(rhythm: Option<&Rhythm>, edges: &[f64]) -> Vec<f32> {
    let Some(rhythm) = rhythm else { return vec![0.0; edges.len()] };
    let heights = rhythm.onsets.band(BANDS - 1);
    let at = |time: f64| {
        let place = |t: f64| ((t * rhythm.onsets.rate).max(0.0) as usize).min(heights.len());
        heights[place(time - STROKE)..place(time + STROKE)].iter().fold(0.0f32, |a, b| a.max(*b))
    };
    let strokes: Vec<f32> = edges.iter().map(|e| at(*e)).collect();
    super::normalised(&strokes)
}
