//! Bars: which beats are the first ones, and how many beats make a bar.
//!
//! A small network says of each beat, from itself and four beats to either side, how likely it begins a bar. For each
//! number of beats per bar the likeliest path through the bars is found, on which a beat may be lost or gained at a
//! price. A second network chooses the metre from how well the paths fit and from how beats are divided.

use super::{
    evidence::{self, BEAT_FEATURES},
    odf::Odf,
    tempogram::Tempogram,
    weights::{DOWNBEAT, METRE},
};
use crate::{analysis::TimeSignature, harmony::Harmony, network::softmax};

/// Beats to either side that a beat is judged from.
const CONTEXT: usize = 4;
/// What a bar of another length costs, as a logarithm of the odds.
const SLIP: f32 = 9.0;
/// Values that the metre is chosen from.
pub(crate) const METRE_FEATURES: usize = 15;
/// The metres, in the order of the network's outputs, with their beats per bar.
const METRES: [(TimeSignature, usize); 3] =
    [(TimeSignature::FourFour, 4), (TimeSignature::ThreeFour, 3), (TimeSignature::SixEight, 2)];
/// Probability below which the metre is not said.
const SURE: f32 = 0.55;

/// What is known of the bars.
pub(crate) struct Metre {
    pub(crate) time_signature: Option<TimeSignature>,
    pub(crate) confidence: f32,
    /// Indices of beats.
    pub(crate) downbeats: Vec<usize>,
    pub(crate) features: [f32; METRE_FEATURES],
    pub(crate) inputs: Vec<Vec<f32>>,
}

/// The bars of beats at `times`, in seconds.
pub(crate) fn metre(odf: &Odf, tempogram: &Tempogram, harmony: &Harmony, times: &[f64]) -> Metre {
    let inputs = contexts(&evidence::per_beat(odf, harmony, times));
    let logits: Vec<f32> = inputs.iter().map(|i| DOWNBEAT.run::<1>(i)[0]).collect();
    let paths = METRES.map(|(_, size)| bars(&logits, size));
    let features = features(odf, tempogram, times, &paths);
    let shares = softmax(&METRE.run::<3>(&features));
    let best = (0..3).max_by(|a, b| shares[*a].total_cmp(&shares[*b])).unwrap_or(0);
    let known = shares[best] > SURE && times.len() >= 8;
    let downbeats = if known { paths[best].1.clone() } else { Vec::new() };
    Metre {
        time_signature: known.then_some(METRES[best].0),
        confidence: if known { shares[best] } else { 0.0 },
        downbeats,
        features,
        inputs,
    }
}

/// Features of each beat and its neighbours, against the mean of the track.
fn contexts(beats: &[[f32; BEAT_FEATURES]]) -> Vec<Vec<f32>> {
    let mut mean = [0.0; BEAT_FEATURES];
    for b in beats {
        mean.iter_mut().zip(b).for_each(|(m, v)| *m += v / beats.len() as f32);
    }
    let at = |i: usize, offset: usize| {
        let beat = (i + offset).checked_sub(CONTEXT).and_then(|i| beats.get(i));
        std::array::from_fn::<f32, BEAT_FEATURES, _>(|k| beat.map_or(0.0, |b| b[k] - mean[k]))
    };
    (0..beats.len()).map(|i| (0..=2 * CONTEXT).flat_map(|o| at(i, o)).collect()).collect()
}

/// Log-likelihood per beat and the downbeats of the best path through bars of `size` beats.
fn bars(logits: &[f32], size: usize) -> (f32, Vec<usize>) {
    let soft = |x: f32| if x > 20.0 { x } else { x.exp().ln_1p() };
    // state: place in the bar
    let mut total = vec![0.0f32; size];
    let mut from: Vec<Vec<u8>> = Vec::with_capacity(logits.len());
    for logit in logits {
        let mut next = vec![0.0; size];
        let mut origin = vec![0u8; size];
        let best = (0..size).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
        for (place, (next, origin)) in next.iter_mut().zip(&mut origin).enumerate() {
            let before = (place + size - 1) % size;
            let slips = place == 0 && total[best] - SLIP > total[before];
            *origin = if slips { best } else { before } as u8;
            let arrived = if slips { total[best] - SLIP } else { total[before] };
            *next = arrived - if place == 0 { soft(-logit) } else { soft(*logit) };
        }
        total = next;
        from.push(origin);
    }
    let mut place = (0..size).max_by(|a, b| total[*a].total_cmp(&total[*b])).unwrap_or(0);
    let likelihood = total[place] / logits.len().max(1) as f32;
    let mut downbeats = Vec::new();
    for (i, origin) in from.iter().enumerate().rev() {
        if place == 0 {
            downbeats.push(i);
        }
        place = usize::from(origin[place]);
    }
    downbeats.reverse();
    (likelihood, downbeats)
}

fn features(
    odf: &Odf,
    tempogram: &Tempogram,
    times: &[f64],
    paths: &[(f32, Vec<usize>); 3],
) -> [f32; METRE_FEATURES] {
    let frames: Vec<f64> = times.iter().map(|t| t * odf.rate).collect();
    let period = match frames.as_slice() {
        [first, .., last] => (last - first) / (frames.len() - 1) as f64,
        _ => 50.0,
    };
    let reach = (0.04 * period).clamp(1.0, 3.0);
    let mean = |phase: f64| {
        let values = evidence::sampled(&odf.all, &frames, phase, reach);
        values.iter().sum::<f32>() / values.len().max(1) as f32
    };
    let lag = |beats: f64| tempogram.lag(beats * period);
    [
        paths[0].0,
        paths[1].0,
        paths[2].0,
        paths[0].0 - paths[1].0,
        mean(0.0),
        mean(0.5),
        mean(1.0 / 3.0),
        mean(2.0 / 3.0),
        mean(0.25) + mean(0.75),
        lag(2.0),
        lag(3.0),
        lag(4.0),
        lag(6.0),
        lag(1.0 / 3.0) - lag(0.5),
        (60.0 * odf.rate / period / 110.0).log2() as f32,
    ]
}
