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
/// Frames whose beats are settled together, and frames after them that must be known for that: the best paths have
/// become one by then.
const SETTLED: usize = 6000;
const DECIDED: usize = 6000;
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
    // Rows of [period on arrival], the oldest of which are settled and forgotten once there are many.
    let rows = (SETTLED + DECIDED).max(4 * longest);
    let (mut scores, mut from): (Vec<f32>, Vec<u16>) = (Vec::new(), Vec::new());
    let (mut first, mut beats) = (0, Vec::new());
    for (t, o) in odf.iter().enumerate() {
        if t - first == rows {
            settle(&from, &scores, [first, t - rows / 2], [shortest, longest], &mut beats);
            scores.drain(..rows / 2 * states);
            from.drain(..rows / 2 * states);
            first += rows / 2;
        }
        for (now, far) in far.iter().enumerate() {
            let (mut score, mut origin) = (o - WORTH, u16::MAX);
            if let Some(before) = t.checked_sub(shortest + now).and_then(|b| b.checked_sub(first)) {
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
                    score += best.0 - far;
                    origin = best.1;
                }
            }
            scores.push(score);
            from.push(origin);
        }
    }
    settle(&from, &scores, [first, odf.len()], [shortest, longest], &mut beats);
    beats
}

/// Appends the beats of the best path that lie before the frame `range[1]`, from what is kept from `range[0]` on.
fn settle(from: &[u16], scores: &[f32], range: [usize; 2], periods: [usize; 2], beats: &mut Vec<usize>) {
    let states = periods[1] - periods[0] + 1;
    let last = (scores.len() / states).saturating_sub(periods[1]) * states;
    let end = (last..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let mut path = Vec::new();
    let mut next = end.map(|at| (at / states, at % states));
    while let Some((t, now)) = next {
        path.push(range[0] + t);
        let then = from[t * states + now];
        // what lies before the rows that are kept was settled before
        let before = t.checked_sub(periods[0] + now).filter(|_| then != u16::MAX);
        next = before.map(|t| (t, usize::from(then)));
    }
    let settled = beats.last().map_or(0, |last| last + periods[0] / 2);
    beats.extend(path.into_iter().rev().filter(|t| (settled..range[1]).contains(t)));
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
