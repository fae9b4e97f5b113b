//! Beats as a line: a robust fit, the tempo to the hundredth, and whether one tempo is enough.

use crate::analysis::TempoPoint;

/// Scale of the Cauchy weights, in seconds: what is further off counts ever less.
const CAUCHY: f64 = 0.012;
/// Largest median distance of the beats from the line for a stable tempo, in seconds and as a share of the period.
const STABLE: f64 = 0.012;
const STABLE_SHARE: f64 = 0.035;
/// How far before the first onset a beat may lie, in periods.
const EARLY: f64 = 0.08;
/// Beats to either side that the tempo at a beat is taken from.
const AROUND: usize = 8;

/// A line through beats: beat `n` at `offset + n · period`, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) offset: f64,
    pub(crate) period: f64,
}

impl Line {
    /// Fits a line by iteratively reweighted least squares with Cauchy weights. `None` for fewer than two beats.
    pub(crate) fn fit(beats: &[(f64, f64)], scale: f64) -> Option<Self> {
        let mut line = Self::weighted(beats, |_| 1.0)?;
        for pass in 0..20 {
            // wide at first, so that no early outlier decides
            let scale = scale * (1.0 + 8.0 * 0.5f64.powi(pass));
            let weight = |(n, time): (f64, f64)| {
                let off = (time - line.offset - n * line.period) / scale;
                1.0 / (1.0 + off * off)
            };
            line = Self::weighted(beats, weight)?;
        }
        Some(line)
    }

    fn weighted(beats: &[(f64, f64)], weight: impl Fn((f64, f64)) -> f64) -> Option<Self> {
        let (mut w, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for beat in beats {
            let share = weight(*beat);
            w += share;
            x += share * beat.0;
            y += share * beat.1;
            xx += share * beat.0 * beat.0;
            xy += share * beat.0 * beat.1;
        }
        let determinant = w * xx - x * x;
        if beats.len() < 2 || determinant <= 1e-9 * w * w {
            return None;
        }
        let period = (w * xy - x * y) / determinant;
        Some(Self { offset: (y - period * x) / w, period })
    }

    /// Time of beat `n`.
    pub(crate) fn at(&self, n: f64) -> f64 {
        self.offset + n * self.period
    }
}

/// Beats after the fit.
pub(crate) struct Grid {
    pub(crate) bpm: f64,
    pub(crate) beats: Vec<f64>,
    pub(crate) stable: bool,
    pub(crate) curve: Vec<TempoPoint>,
}

impl Grid {
    /// From beats in seconds as they were tracked. `period` is their nominal distance, `extent` the time of the
    /// first and of the last onset, to which a stable grid is drawn out.
    pub(crate) fn new(tracked: &[f64], period: f64, extent: [f64; 2]) -> Option<Self> {
        let numbered = number(tracked, period);
        let line = Line::fit(&numbered, CAUCHY)?;
        let mut off: Vec<f64> = numbered.iter().map(|(n, t)| (t - line.at(*n)).abs()).collect();
        off.sort_by(f64::total_cmp);
        let stable = off[off.len() / 2] < STABLE.min(STABLE_SHARE * line.period)
            && off[off.len() * 9 / 10] < 3.5 * STABLE.min(STABLE_SHARE * line.period);
        if stable {
            let last = numbered.last().map_or(0.0, |(n, _)| *n);
            // A little before the first onset is still on it.
            let number = |time: f64| (time - line.offset) / line.period;
            let first = (number(extent[0]) - EARLY).ceil().min(0.0) as i64;
            let last = (number(extent[1]) + EARLY).floor().max(last) as i64;
            let beats = (first..=last).map(|n| line.at(n as f64)).collect();
            return Some(Self { bpm: 60.0 / line.period, beats, stable, curve: Vec::new() });
        }
        let beats = smoothed(&numbered, line.period);
        let curve: Vec<TempoPoint> = curve(&beats);
        let mut tempi: Vec<f64> = curve.iter().map(|p| p.bpm).collect();
        tempi.sort_by(f64::total_cmp);
        let bpm = tempi.get(tempi.len() / 2).copied().unwrap_or(60.0 / line.period);
        Some(Self { bpm, beats, stable, curve })
    }
}

/// Numbers beats: a beat that was left out keeps its number.
fn number(tracked: &[f64], period: f64) -> Vec<(f64, f64)> {
    let mut n = 0.0;
    let mut before = tracked.first().copied().unwrap_or_default();
    let mut numbered = Vec::with_capacity(tracked.len());
    for time in tracked {
        n += ((time - before) / period).round();
        numbered.push((n, *time));
        before = *time;
    }
    numbered
}

/// Each beat moved onto a line through the beats around it.
fn smoothed(numbered: &[(f64, f64)], period: f64) -> Vec<f64> {
    const NEAR: usize = 2;
    let at = |i: usize| {
        let near = &numbered[i.saturating_sub(NEAR)..(i + NEAR + 1).min(numbered.len())];
        let (n, time) = numbered[i];
        Line::fit(near, 0.5 * CAUCHY)
            .map(|l| l.at(n))
            .filter(|t| (t - time).abs() < 0.1 * period)
            .unwrap_or(time)
    };
    let mut beats: Vec<f64> = (0..numbered.len()).map(at).collect();
    beats.dedup_by(|b, a| *b <= *a);
    beats
}

/// Tempo every four beats.
fn curve(beats: &[f64]) -> Vec<TempoPoint> {
    let numbered: Vec<(f64, f64)> = beats.iter().enumerate().map(|(n, t)| (n as f64, *t)).collect();
    let point = |i: usize| {
        let near = &numbered[i.saturating_sub(AROUND)..(i + AROUND + 1).min(numbered.len())];
        let line = Line::fit(near, 2.0 * CAUCHY)?;
        let bpm = (6000.0 / line.period).round() / 100.0;
        Some(TempoPoint { time: (beats[i] * 1000.0).round() / 1000.0, bpm })
    };
    (0..beats.len()).step_by(4).filter_map(point).collect()
}
