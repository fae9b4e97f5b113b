//! The parts of a track: novelty along the diagonal of a self-similarity matrix (Foote 2000, "Automatic audio
//! segmentation using a measure of audio novelty"), and letters for parts that sound alike.

use crate::{analysis::Section, front::TIMBRE, harmony::Harmony};

/// Pitch classes of treble and bass, and timbre.
const FEATURES: usize = 24 + TIMBRE;
/// Units to either side of a border that are compared.
const KERNEL: usize = 6;
/// Length of a unit where there are no bars, in seconds, and the least length of one.
const UNIT: f64 = 2.0;
const SHORTEST_UNIT: f64 = 1.2;
/// Novelty of a border, in means of all novelties, and the least distance of two borders in units.
const PROMINENT: f32 = 1.6;
const APART: usize = 3;
/// Likeness (cosine) from which on two parts share a letter.
const ALIKE: f32 = 0.93;
/// No part is shorter, in seconds.
const SHORTEST: f64 = 1.0;

type Unit = [f32; FEATURES];

/// The parts of a track; empty for silence.
pub(crate) fn sections(harmony: &Harmony, beats: &[f64], downbeats: &[f64]) -> Vec<Section> {
    if harmony.frames.is_empty() || harmony.frames.iter().all(|f| f.level == 0) || harmony.duration <= 0.0 {
        return Vec::new();
    }
    let edges = units(harmony.duration, beats, downbeats);
    let features = standardised(harmony, &edges);
    let mut borders = vec![0];
    borders.extend(peaks(&novelty(&features)));
    borders.push(edges.len() - 1);
    borders.dedup();
    let means: Vec<Unit> = borders.windows(2).map(|b| mean(&features[b[0]..b[1]])).collect();
    let mut sections: Vec<Section> = Vec::new();
    for (label, b) in letters(&means).into_iter().zip(borders.windows(2)) {
        let (start, end) = (edges[b[0]], edges[b[1]]);
        match sections.last_mut() {
            Some(last) if end - start < SHORTEST || last.end - last.start < SHORTEST => last.end = end,
            _ => sections.push(Section { start, end, label }),
        }
    }
    sections
}

/// Borders of the units that are compared: bars, else groups of beats, else steps of two seconds.
fn units(duration: f64, beats: &[f64], downbeats: &[f64]) -> Vec<f64> {
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
        let parts = ((mark - last) / (2.0 * UNIT)).floor() as usize;
        edges.extend((1..=parts).map(|i| last + (mark - last) * i as f64 / (parts + 1) as f64));
        if mark - edges.last().unwrap_or(&0.0) >= SHORTEST_UNIT && duration - mark >= SHORTEST_UNIT {
            edges.push(mark);
        }
    }
    let last = *edges.last().unwrap_or(&0.0);
    let parts = ((duration - last) / (2.0 * UNIT)).floor() as usize;
    edges.extend((1..=parts).map(|i| last + (duration - last) * i as f64 / (parts + 1) as f64));
    edges.push(duration);
    edges
}

/// Features of each unit, so that each kind of feature counts the same.
fn standardised(harmony: &Harmony, edges: &[f64]) -> Vec<Unit> {
    let mut features: Vec<Unit> = edges.windows(2).map(|e| unit(harmony, e[0], e[1])).collect();
    let count = features.len() as f32;
    let mut means = [0.0; FEATURES];
    for f in &features {
        means.iter_mut().zip(f).for_each(|(m, v)| *m += v / count);
    }
    let kinds = [0..12, 12..24, 24..FEATURES];
    for kind in kinds {
        let spread = |f: &Unit| kind.clone().map(|i| (f[i] - means[i]).powi(2)).sum::<f32>();
        let variance = features.iter().map(spread).sum::<f32>() / count;
        // A kind that hardly varies says nothing.
        let least = if kind.start == 24 { 4.0 } else { 0.02 };
        let scale = 1.0 / variance.max(least).sqrt();
        for f in &mut features {
            kind.clone().for_each(|i| f[i] = (f[i] - means[i]) * scale);
        }
    }
    features
}

/// Pitch classes relative to the largest, and levels in decibels.
fn unit(harmony: &Harmony, start: f64, end: f64) -> Unit {
    let [treble, bass] = harmony.mean(start, end);
    let from = harmony.at(start).min(harmony.frames.len() - 1);
    let to = harmony.at(end).clamp(from + 1, harmony.frames.len().max(from + 1));
    let share = |pcs: [f32; 12], i: usize| pcs[i] / pcs.iter().fold(0.2f32, |a, b| a.max(*b));
    std::array::from_fn(|i| match i {
        0..12 => share(treble, i),
        12..24 => share(bass, i - 12),
        _ => {
            let frames = &harmony.frames[from..to];
            frames.iter().map(|f| 0.5 * f32::from(f.timbre[i - 24])).sum::<f32>() / frames.len() as f32
        }
    })
}

/// How much what follows each border of two units differs from what is before, against how much each differs in
/// itself.
fn novelty(features: &[Unit]) -> Vec<f32> {
    let distance = |a: usize, b: usize| {
        features[a].iter().zip(&features[b]).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
    };
    let n = features.len();
    let at = |border: usize| {
        let reach = KERNEL.min(border).min(n - border);
        if reach < 2 {
            return 0.0;
        }
        let (mut across, mut within) = ([0.0f32; 2], [0.0f32; 2]);
        for i in border - reach..border + reach {
            for j in i + 1..border + reach {
                let sum = if (i < border) == (j < border) { &mut within } else { &mut across };
                sum[0] += distance(i, j);
                sum[1] += 1.0;
            }
        }
        let gain = across[0] / across[1] - within[0] / within[1].max(1.0);
        gain.max(0.0) * (reach as f32 / KERNEL as f32).sqrt()
    };
    (0..=n).map(|border| if border == 0 || border == n { 0.0 } else { at(border) }).collect()
}

/// Borders whose novelty is the largest around and stands out.
fn peaks(novelty: &[f32]) -> Vec<usize> {
    let mean = novelty.iter().sum::<f32>() / novelty.len() as f32;
    let floor = (PROMINENT * mean).max(0.25);
    (1..novelty.len().saturating_sub(1))
        .filter(|i| {
            let near = &novelty[i.saturating_sub(APART)..(i + APART + 1).min(novelty.len())];
            novelty[*i] > floor && near.iter().all(|v| *v <= novelty[*i])
        })
        .collect()
}

fn mean(units: &[Unit]) -> Unit {
    let mut sum = [0.0; FEATURES];
    for unit in units {
        sum.iter_mut().zip(unit).for_each(|(s, v)| *s += v / units.len() as f32);
    }
    sum
}

/// A letter for each part: that of the part that is most like it, or a new one.
fn letters(means: &[Unit]) -> Vec<String> {
    let mut models: Vec<Unit> = Vec::new();
    let mut names = Vec::new();
    for part in means {
        let likeness = |model: &Unit| likeness(model, part);
        let best = (0..models.len()).max_by(|a, b| likeness(&models[*a]).total_cmp(&likeness(&models[*b])));
        let letter = match best {
            Some(best) if likeness(&models[best]) > ALIKE => best,
            _ => {
                models.push(*part);
                models.len() - 1
            }
        };
        names.push(spreadsheet(letter));
    }
    names
}

/// 1 for the same, less the further apart.
fn likeness(a: &Unit, b: &Unit) -> f32 {
    let distance = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>();
    1.0 / (1.0 + 0.1 * distance)
}

/// `A` to `Z`, then `AA`, `AB`, …
fn spreadsheet(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.into() } else { format!("{}{letter}", spreadsheet(index / 26 - 1)) }
}
