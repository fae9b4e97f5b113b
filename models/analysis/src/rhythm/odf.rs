//! Onset detection functions of a whole track: each band against what is usual around it.

use crate::front::{BANDS, Rhythm};

/// Reach of the mean that a rise must exceed, and of the deviation it is measured in, in seconds.
const MEAN_REACH: f64 = 0.8;
const DEVIATION_REACH: f64 = 4.0;
/// Deviation below which a band counts as silent, in decades, and as a share of its mean.
const LEAST: f32 = 0.02;
const LEAST_SHARE: f32 = 0.4;
/// The largest value of a frame.
const LARGEST: f32 = 5.0;
/// Strength of an onset that counts as one, in deviations.
const AUDIBLE: f32 = 0.5;
/// Weights of the bands in the sum.
const WEIGHTS: [f32; BANDS] = [1.0, 0.8, 1.0, 0.8];

/// Onset strength at a fixed rate.
pub(crate) struct Odf {
    /// Frames per second.
    pub(crate) rate: f64,
    /// The bands, in deviations above the mean.
    pub(crate) bands: [Vec<f32>; BANDS],
    /// Their weighted sum, scaled to a deviation of 1.
    pub(crate) all: Vec<f32>,
    /// How unevenly the rises are spread over time: deviation over mean of the liveliest band.
    pub(crate) liveliness: f32,
}

impl Odf {
    /// From the onsets of one or several streams of the same length, all counting the same.
    pub(crate) fn new(streams: &[Rhythm]) -> Option<Self> {
        let first = &streams.first()?.onsets;
        let frames = streams.iter().map(|s| s.onsets.frames.len()).min()?;
        let mut liveliness = 0.0f32;
        let bands: [Vec<f32>; BANDS] = std::array::from_fn(|band| {
            let mut sum = vec![0.0; frames];
            for stream in streams.iter().map(|s| &s.onsets) {
                let raw = stream.band(band);
                liveliness = liveliness.max(unevenness(&raw));
                for (s, v) in sum.iter_mut().zip(normalised(&raw, stream.rate)) {
                    *s += v / streams.len() as f32;
                }
            }
            sum
        });
        let mut all: Vec<f32> =
            (0..frames).map(|t| bands.iter().zip(WEIGHTS).map(|(b, w)| b[t] * w).sum()).collect();
        let power = all.iter().map(|v| v * v).sum::<f32>() / frames.max(1) as f32;
        if power > 0.0 {
            let scale = 1.0 / power.sqrt();
            all.iter_mut().for_each(|v| *v *= scale);
        }
        Some(Self { rate: first.rate, bands, all, liveliness })
    }

    /// Times of the first and the last onset, in seconds.
    pub(crate) fn extent(&self) -> [f64; 2] {
        let heard = |v: &f32| *v > AUDIBLE;
        let first = self.all.iter().position(heard).unwrap_or(0);
        let last = self.all.iter().rposition(heard).unwrap_or(0);
        [first as f64 / self.rate, last as f64 / self.rate]
    }
}

/// Deviation over mean.
fn unevenness(raw: &[f32]) -> f32 {
    let n = raw.len().max(1) as f32;
    let mean = raw.iter().sum::<f32>() / n;
    let variance = raw.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
    if mean > 1e-4 { variance.sqrt() / mean } else { 0.0 }
}

/// What exceeds the local mean, in local deviations.
fn normalised(raw: &[f32], rate: f64) -> Vec<f32> {
    let mut sums = vec![[0.0f64; 2]; 1];
    let mut sum = [0.0f64; 2];
    for v in raw {
        sum = [sum[0] + f64::from(*v), sum[1] + f64::from(*v).powi(2)];
        sums.push(sum);
    }
    let local = |t: usize, reach: f64| {
        let reach = (reach * rate) as usize;
        let (from, to) = (t.saturating_sub(reach), (t + reach + 1).min(raw.len()));
        let n = (to - from) as f64;
        let mean = (sums[to][0] - sums[from][0]) / n;
        let variance = (sums[to][1] - sums[from][1]) / n - mean * mean;
        (mean as f32, variance.max(0.0).sqrt() as f32)
    };
    (0..raw.len())
        .map(|t| {
            let (mean, _) = local(t, MEAN_REACH);
            let (wide_mean, deviation) = local(t, DEVIATION_REACH);
            let unit = deviation.max(LEAST_SHARE * wide_mean) + LEAST;
            ((raw[t] - mean) / unit).clamp(0.0, LARGEST)
        })
        .collect()
}
