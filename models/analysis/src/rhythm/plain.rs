//! What needs no model: metronomes, and music with nothing between its beats.

use super::{Candidate, evidence::sampled, odf::Odf};

/// Share of all onsets that must lie on the beats, and of the beats that must have one.
const COVERED: f32 = 0.85;
const PRESENT: f32 = 0.85;
/// Deviation over mean up to which all strokes of a band are alike.
const ALIKE: f32 = 0.2;
/// Strength below which a band has no strokes, in deviations.
const SILENT: f32 = 0.3;
/// What a candidate loses that has beats in silence or leaves every second stroke of many alike out.
const PENALTY: f32 = 20.0;

/// What beats cover.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    /// Nothing but these beats is heard, and each of them is.
    complete: bool,
    /// They all sound the same.
    alike: bool,
    /// Every third one sounds the same, and neither every one nor every second.
    threes: bool,
}

/// Judges beats `period` frames apart.
pub(super) fn judge(odf: &Odf, period: f64, beats: &[f64]) -> Plain {
    let reach = (0.08 * period).clamp(2.0, 6.0);
    let total: f32 = odf.all.iter().sum();
    let near = |b: &f64| {
        let from = (b - reach).round().max(0.0) as usize;
        let to = ((b + reach).round() as usize + 1).min(odf.all.len());
        odf.all.get(from..to).map_or(0.0, |o| o.iter().sum::<f32>())
    };
    let covered: f32 = beats.iter().map(near).sum();
    let on = sampled(&odf.all, beats, 0.0, 2.0);
    let present = on.iter().filter(|o| **o > 1.0).count() as f32;
    let bands: Vec<Vec<f32>> = odf.bands.iter().map(|b| sampled(b, beats, 0.0, 2.0)).collect();
    let change = |distance: usize| {
        let pairs = bands.iter().flat_map(|b| b.iter().zip(b.iter().skip(distance)));
        pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / on.len().saturating_sub(distance).max(1) as f32
    };
    let even = |on: &Vec<f32>| {
        let mean = on.iter().sum::<f32>() / on.len().max(1) as f32;
        let variance = on.iter().map(|o| (o - mean).powi(2)).sum::<f32>() / on.len().max(1) as f32;
        mean < SILENT || variance.sqrt() < ALIKE * mean
    };
    Plain {
        complete: covered > COVERED * total && present > PRESENT * on.len() as f32,
        alike: bands.iter().all(even),
        threes: change(3) < 0.5 * change(1).min(change(2)),
    }
}

/// Where beats are complete, nobody counts faster; where they are alike as well, or come in threes, nobody counts
/// slower.
pub(super) fn decide(found: &mut [Candidate]) {
    let Some(slowest) = found.iter().filter(|c| c.plain.complete).map(|c| c.period).reduce(f64::max) else {
        return;
    };
    let counted = |c: &Candidate| c.plain.complete && (c.plain.alike || c.plain.threes);
    let alike = found.iter().any(|c| counted(c) && c.period > 0.97 * slowest);
    for c in found {
        if c.period < 0.97 * slowest || alike && c.period > 1.03 * slowest {
            c.score -= PENALTY;
        }
    }
}
