//! The parts of a track, and letters for parts that are alike.

mod borders;
mod units;

use crate::{analysis::Section, front::Rhythm, harmony::Harmony};
use units::Unit;

/// Share of the distance of any two units below which two parts share a letter.
const ALIKE: f32 = 0.62;
/// Distance that counts at least, so that a track of one sound is one part.
const LEAST: f32 = 0.8;
/// No part is shorter, in seconds.
const SHORTEST: f64 = 1.0;

/// The parts of a track; empty for silence.
pub(crate) fn sections(
    harmony: &Harmony,
    rhythm: Option<&Rhythm>,
    beats: &[f64],
    downbeats: &[f64],
) -> Vec<Section> {
    if harmony.frames.is_empty() || harmony.frames.iter().all(|f| f.level == 0) || harmony.duration <= 0.0 {
        return Vec::new();
    }
    let edges = units::edges(harmony.duration, beats, downbeats);
    let features = units::standardised(harmony, rhythm, &edges);
    let borders = borders::borders(&features, &units::accents(rhythm, &edges));
    let parts: Vec<&[Unit]> = borders.windows(2).map(|b| &features[b[0]..b[1]]).collect();
    let mut sections: Vec<Section> = Vec::new();
    for (label, b) in letters(&parts, usual(&features)).into_iter().zip(borders.windows(2)) {
        let (start, end) = (edges[b[0]], edges[b[1]]);
        match sections.last_mut() {
            Some(last) if end - start < SHORTEST || last.end - last.start < SHORTEST => last.end = end,
            _ => sections.push(Section { start, end, label }),
        }
    }
    sections
}

fn distance(a: &Unit, b: &Unit) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
}

/// Mean distance of units that are far from each other.
fn usual(features: &[Unit]) -> f32 {
    let apart = (features.len() / 3).max(1);
    let pairs = features.iter().zip(features.iter().skip(apart));
    let sum: f32 = pairs.map(|(a, b)| distance(a, b)).sum();
    (sum / features.len().saturating_sub(apart).max(1) as f32).max(LEAST)
}

/// Mean distance of two parts, bar by bar from their begin on: what is repeated is repeated in order.
fn apart(a: &[Unit], b: &[Unit]) -> f32 {
    let sum: f32 = a.iter().zip(b).map(|(a, b)| distance(a, b)).sum();
    sum / a.len().min(b.len()).max(1) as f32
}

/// A letter for each part: that of the part that is most like it, or a new one.
fn letters(parts: &[&[Unit]], usual: f32) -> Vec<String> {
    let mut known: Vec<usize> = Vec::with_capacity(parts.len());
    let mut letters = 0;
    for (i, part) in parts.iter().enumerate() {
        let nearest = (0..i).map(|j| (apart(part, parts[j]), j)).min_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((distance, j)) if distance < ALIKE * usual => known.push(known[j]),
            _ => {
                known.push(letters);
                letters += 1;
            }
        }
    }
    known.into_iter().map(spreadsheet).collect()
}

/// Values as deviations from their mean.
fn normalised(values: &[f32]) -> Vec<f32> {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
    values.iter().map(|v| if deviation > 1e-3 { (v - mean) / deviation } else { 0.0 }).collect()
}

/// `A` to `Z`, then `AA`, `AB`, …
fn spreadsheet(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.into() } else { format!("{}{letter}", spreadsheet(index / 26 - 1)) }
}
