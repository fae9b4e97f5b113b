//! Beats along the onset strength.
//!
//! Two searches: one around a fixed period (Ellis 2007, "Beat tracking by dynamic programming"), fast enough for every
//! candidate; and one whose state is the period itself, which may change a little at each beat, as in the bar-pointer
//! model (Krebs, Böck & Widmer 2015, "An efficient state-space model for joint tempo and meter tracking"). Between two
//! beats nothing is decided, so only beats are states: position and period on arrival.

/// How far a beat may lie from the fixed period, as a ratio, and what that costs per squared natural logarithm.
const REACH: f64 = 1.15;
const STIFF: f32 = 150.0;
/// How far the period may go from that of the track, and what a change from one beat to the next costs.
const DRIFT: f64 = 1.22;
const STEADY: f32 = 350.0;
/// What an onset on the beat is worth less than its strength: beats in silence cost a little.
const WORTH: f32 = 0.1;

/// Frames of beats about `period` frames apart.
pub(crate) fn fixed(odf: &[f32], period: f64) -> Vec<usize> {
    let shortest = (period / REACH).round().max(1.0) as usize;
    let longest = ((period * REACH).round() as usize).max(shortest);
    let cost: Vec<f32> =
        (shortest..=longest).map(|d| STIFF * ((d as f64 / period).ln() as f32).powi(2)).collect();
    let mut scores: Vec<f32> = Vec::with_capacity(odf.len());
    let mut from: Vec<u32> = Vec::with_capacity(odf.len());
    for (t, o) in odf.iter().enumerate() {
        // A beat without one before it is where the music begins.
        let mut best = (0.0, 0);
        for (i, c) in cost.iter().enumerate() {
            let Some(before) = t.checked_sub(shortest + i) else { break };
            let score = scores[before] - c;
            if score > best.0 {
                best = (score, (shortest + i) as u32);
            }
        }
        scores.push(best.0 + o - WORTH);
        from.push(best.1);
    }
    let last = odf.len().saturating_sub(longest);
    let end = (last..odf.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    walk(end, |t| from[t] as usize)
}

/// Frames of beats whose period follows the music, starting from `period` frames.
pub(crate) fn following(odf: &[f32], period: f64) -> Vec<usize> {
    let shortest = (period / DRIFT).floor().max(2.0) as usize;
    let longest = (period * DRIFT).ceil() as usize;
    let states = longest - shortest + 1;
    // cost of going from one period to another, and of the distance of a period from that of the track
    let change: Vec<f32> = (0..states * states)
        .map(|i| {
            let (a, b) = ((shortest + i / states) as f64, (shortest + i % states) as f64);
            STEADY * ((a / b).ln() as f32).powi(2)
        })
        .collect();
    let far: Vec<f32> =
        (0..states).map(|i| 0.2 * STIFF * (((shortest + i) as f64 / period).ln() as f32).powi(2)).collect();
    // [frame, period on arrival]
    let mut scores = vec![0.0f32; odf.len() * states];
    let mut from = vec![u16::MAX; odf.len() * states];
    for (t, o) in odf.iter().enumerate() {
        for (now, far) in far.iter().enumerate() {
            let at = t * states + now;
            scores[at] = o - WORTH;
            let Some(before) = t.checked_sub(shortest + now) else { continue };
            let row = &scores[before * states..(before + 1) * states];
            let mut best = (0.0, u16::MAX);
            // Periods far from this one cannot win.
            let near = now.saturating_sub(states / 4 + 2)..(now + states / 4 + 3).min(states);
            for (then, (score, cost)) in
                row[near.clone()].iter().zip(&change[now * states..][near.clone()]).enumerate()
            {
                let score = score - cost;
                if score > best.0 {
                    best = (score, (near.start + then) as u16);
                }
            }
            if best.1 != u16::MAX {
                scores[at] += best.0 - far;
                from[at] = best.1;
            }
        }
    }
    let last = odf.len().saturating_sub(longest) * states;
    let end = (last..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut beats = Vec::new();
    let mut next = end.map(|at| (at / states, at % states));
    while let Some((t, now)) = next {
        beats.push(t);
        let then = from[t * states + now];
        next = (then != u16::MAX).then(|| (t - (shortest + now), usize::from(then)));
    }
    beats.reverse();
    beats
}

fn walk(end: Option<usize>, step: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut beats = Vec::new();
    let mut next = end;
    while let Some(t) = next {
        beats.push(t);
        next = (step(t) > 0).then(|| t - step(t));
    }
    beats.reverse();
    beats
}
