//! What speaks for a period being the beat, and for a beat being the first of a bar.

use super::{odf::Odf, tempogram::Tempogram};
use crate::{front::BANDS, harmony::Harmony};

/// Values that the octave model is given per candidate.
pub(crate) const OCTAVE_FEATURES: usize = 36;
/// Values per beat, and beats to either side, that the downbeat model is given.
pub(crate) const BEAT_FEATURES: usize = 12;

/// Onset strength at a place within each beat: the largest near it.
pub(super) fn sampled(odf: &[f32], beats: &[f64], phase: f64, reach: f64) -> Vec<f32> {
    let at = |frame: f64| {
        let from = (frame - reach).round().max(0.0) as usize;
        let to = ((frame + reach).round() as usize + 1).min(odf.len());
        odf.get(from..to).map_or(0.0, |o| o.iter().fold(0.0f32, |a, b| a.max(*b)))
    };
    let last = beats.len().saturating_sub(1);
    let period = |i: usize| {
        if last == 0 {
            return 0.0;
        }
        if i < last { beats[i + 1] - beats[i] } else { beats[last] - beats[last - 1] }
    };
    beats.iter().enumerate().map(|(i, b)| at(b + phase * period(i))).collect()
}

/// Change of treble and bass from the span before to the span after each of `times`, each `span` long.
pub(super) fn novelty(harmony: &Harmony, times: &[f64], span: f64) -> [Vec<f32>; 2] {
    let change = |a: &[f32; 12], b: &[f32; 12]| {
        let dot = |x: &[f32; 12], y: &[f32; 12]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
        let length = (dot(a, a) * dot(b, b)).sqrt();
        if length > 1e-3 { 1.0 - dot(a, b) / length } else { 0.0 }
    };
    let mut out = [Vec::with_capacity(times.len()), Vec::with_capacity(times.len())];
    for time in times {
        if harmony.frames.is_empty() {
            out.iter_mut().for_each(|o| o.push(0.0));
            continue;
        }
        let before = harmony.mean(time - span, time - 0.05);
        let after = harmony.mean(time + 0.05, time + span);
        for (o, (a, b)) in out.iter_mut().zip(before.iter().zip(&after)) {
            o.push(change(a, b));
        }
    }
    out
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

/// How far the strongest place in groups of `size` stands out of the mean of all places.
fn grouped(values: &[f32], size: usize) -> f32 {
    let place = |p: usize| {
        let of: Vec<f32> = values.iter().copied().skip(p).step_by(size).collect();
        mean(&of)
    };
    (0..size).map(place).fold(0.0, f32::max) - mean(values)
}

/// What speaks for beats `period` frames apart, tracked at the frames `beats`.
pub(super) fn octave(
    odf: &Odf,
    tempogram: &Tempogram,
    harmony: &Harmony,
    period: f64,
    beats: &[f64],
) -> [f32; OCTAVE_FEATURES] {
    let reach = (0.05 * period).clamp(1.0, 3.0);
    let bpm = 60.0 * odf.rate / period;
    let octaves = (bpm / 110.0).log2() as f32;
    let at = |band: &[f32], phase: f64| sampled(band, beats, phase, reach);
    let on = at(&odf.all, 0.0);
    let on_bands: [Vec<f32>; BANDS] = std::array::from_fn(|b| at(&odf.bands[b], 0.0));
    let half: [f32; BANDS] = std::array::from_fn(|b| mean(&at(&odf.bands[b], 0.5)));
    let all = |phase: f64| mean(&at(&odf.all, phase));
    let times: Vec<f64> = beats.iter().map(|b| b / odf.rate).collect();
    let span = period / odf.rate;
    let middles: Vec<f64> = times.iter().map(|t| t + 0.5 * span).collect();
    let [treble, bass] = novelty(harmony, &times, span);
    let [half_treble, half_bass] = novelty(harmony, &middles, span);
    let thirds = [all(1.0 / 3.0), all(2.0 / 3.0)];
    let quarters = [all(0.25), all(0.75)];
    let strong = on.iter().filter(|o| **o > 1.0).count() as f32 / on.len().max(1) as f32;
    [
        octaves,
        octaves * octaves,
        tempogram.lag(period),
        tempogram.lag(2.0 * period),
        tempogram.lag(0.5 * period),
        tempogram.lag(3.0 * period),
        tempogram.lag(period / 3.0),
        tempogram.lag(4.0 * period),
        tempogram.lag(1.5 * period),
        tempogram.fourier(period),
        tempogram.fourier(2.0 * period),
        tempogram.fourier(0.5 * period),
        mean(&on),
        mean(&on_bands[0]),
        mean(&on_bands[1]),
        mean(&on_bands[2]),
        mean(&on_bands[3]),
        all(0.5),
        half[0],
        half[1],
        half[2],
        half[3],
        thirds[0],
        thirds[1],
        quarters[0].max(quarters[1]),
        quarters[0].min(quarters[1]),
        grouped(&on_bands[0], 2),
        grouped(&on_bands[1], 2),
        grouped(&on_bands[2], 2),
        grouped(&on_bands[3], 2),
        mean(&treble) - mean(&half_treble),
        mean(&bass) - mean(&half_bass),
        grouped(&treble, 2) + grouped(&bass, 2),
        grouped(&treble, 3) + grouped(&bass, 3),
        grouped(&on_bands[0], 3),
        strong,
    ]
}

/// What is known of each beat: onsets on it and halfway to the next, changes of harmony, thirds.
pub(super) fn per_beat(odf: &Odf, harmony: &Harmony, times: &[f64]) -> Vec<[f32; BEAT_FEATURES]> {
    let frames: Vec<f64> = times.iter().map(|t| t * odf.rate).collect();
    let span = match times {
        [first, .., last] => (last - first) / (times.len() - 1) as f64,
        _ => 0.5,
    };
    let reach = (0.05 * span * odf.rate).clamp(1.0, 3.0);
    let on: [Vec<f32>; BANDS] = std::array::from_fn(|b| sampled(&odf.bands[b], &frames, 0.0, reach));
    let half: [Vec<f32>; BANDS] = std::array::from_fn(|b| sampled(&odf.bands[b], &frames, 0.5, reach));
    let [treble, bass] = novelty(harmony, times, span);
    let [long_treble, long_bass] = novelty(harmony, times, 2.0 * span);
    (0..times.len())
        .map(|i| {
            [
                on[0][i],
                on[1][i],
                on[2][i],
                on[3][i],
                half[0][i],
                half[1][i],
                half[2][i],
                half[3][i],
                3.0 * treble[i],
                3.0 * bass[i],
                3.0 * long_treble[i],
                3.0 * long_bass[i],
            ]
        })
        .collect()
}
