//! Periods that may be the beat: the strongest of the tempogram and what they are halves, thirds and multiples of.

use super::tempogram::Tempogram;

/// Periods taken from the tempogram itself.
const STRONGEST: usize = 5;
/// Of these, how many are also taken in other ratios.
const RELATED: usize = 3;
const RATIOS: [f64; 8] = [0.5, 2.0, 1.0 / 3.0, 3.0, 2.0 / 3.0, 1.5, 0.75, 4.0 / 3.0];
/// Two periods closer than this, as a ratio, are one.
const SAME: f64 = 1.04;
/// Most candidates that are looked at.
const MOST: usize = 12;

/// Periods in frames between the tempi of `bpm_range`, the most salient first.
pub(crate) fn candidates(tempogram: &Tempogram, bpm_range: [f64; 2]) -> Vec<f64> {
    let period = |bpm: f64| 60.0 * tempogram.rate / bpm;
    let (shortest, longest) = (period(bpm_range[1]) * 0.995, period(bpm_range[0]) * 1.005);
    let salience = |p: f64| {
        tempogram.lag(p) * (0.2 + tempogram.fourier(p))
            + 0.5 * tempogram.lag(2.0 * p)
            + 0.3 * tempogram.lag(4.0 * p)
    };
    let mut peaks: Vec<(f64, f32)> = (period(300.0) as usize..period(28.0) as usize)
        .filter_map(|lag| peak(&tempogram.lags, lag))
        .map(|p| (p, salience(p)))
        .collect();
    peaks.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut found: Vec<f64> = Vec::new();
    let mut add = |p: f64| {
        let fits = (shortest..=longest).contains(&p);
        if fits && found.len() < MOST && !found.iter().any(|f| (f / p).max(p / f) < SAME) {
            found.push(p);
        }
    };
    peaks.iter().take(STRONGEST).for_each(|(p, _)| add(*p));
    for (p, _) in peaks.iter().take(RELATED) {
        RATIOS.iter().for_each(|r| add(p * r));
    }
    found
}

/// The place of a local maximum at `lag`, between the frames.
fn peak(lags: &[f32], lag: usize) -> Option<f64> {
    let [left, centre, right] = [lag.checked_sub(1)?, lag, lag + 1].map(|i| lags.get(i).copied());
    let (left, centre, right) = (left?, centre?, right?);
    if centre <= 0.0 || centre < left || centre <= right {
        return None;
    }
    let bend = left - 2.0 * centre + right;
    let shift = if bend < 0.0 { 0.5 * (left - right) / bend } else { 0.0 };
    Some(lag as f64 + f64::from(shift.clamp(-0.5, 0.5)))
}
