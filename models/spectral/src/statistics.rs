//! Statistics of whole frames and of whole segments.

use harmonix_engine::EngineError;

use crate::{
    math::{ln, logit, sigmoid},
    median::NEPERS_PER_CODE,
    plane::Plane,
    spectrogram::Spectrogram,
    watch::Watch,
};

/// First bin of what counts as broadband, 300 Hz: below, a held bass hides the strokes.
const BROADBAND_FROM: usize = 28;
/// Fall per frame of what is held after a stroke.
const HELD_FALL: f32 = 0.15;
/// Bins to either side that the mean of a segment is smoothed over.
const SMOOTHED: usize = 4;

/// What a frame does as a whole, above 300 Hz.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broadband {
    /// Log-odds of percussive.
    pub(crate) percussive: f32,
    pub(crate) percussive_held: f32,
    /// Mean rise in nepers above the median over time.
    pub(crate) onset: f32,
    pub(crate) onset_held: f32,
}

/// Power-weighted percussiveness and rise above `median` of each frame, as they are and held.
pub(crate) fn broadband(
    mix: &Spectrogram,
    percussive: &Plane<f32>,
    median: &Plane<u8>,
    watch: &mut Watch,
) -> Result<Vec<Broadband>, EngineError> {
    let mut out = Vec::with_capacity(mix.power.frames());
    let mut held = [f32::MIN; 2];
    for t in 0..mix.power.frames() {
        let mut sums = [1e-12f32; 3];
        let levels = mix.codes.row(t).iter().zip(median.row(t));
        let bins = mix.power.row(t).iter().zip(percussive.row(t)).zip(levels);
        for ((power, percussive), (level, median)) in bins.skip(BROADBAND_FROM) {
            let rise = (f32::from(*level) - f32::from(*median)) * NEPERS_PER_CODE;
            sums[0] += power;
            sums[1] += power * sigmoid(*percussive);
            sums[2] += power * rise.clamp(-2.0, 4.0);
        }
        let now = [logit(sums[1] / sums[0]), sums[2] / sums[0]];
        held = [now[0].max(held[0] - HELD_FALL), now[1].max(held[1] - HELD_FALL)];
        out.push(Broadband {
            percussive: now[0],
            percussive_held: held[0],
            onset: now[1],
            onset_held: held[1],
        });
        watch.tick()?;
    }
    Ok(out)
}

/// What is usual at a frequency in this segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    /// Log-odds of percussive in short and in long frames.
    pub(crate) percussive_short: f32,
    pub(crate) percussive: f32,
    /// Natural logarithm of the likeness of both channels.
    pub(crate) likeness: f32,
}

/// Power-weighted means over the segment of the percussiveness in short and long frames and of the likeness
/// of the channels, one per bin.
pub(crate) fn usual(
    mix: &Spectrogram,
    percussive: [&Plane<f32>; 2],
    likeness: &Plane<f32>,
    watch: &mut Watch,
) -> Result<Vec<Usual>, EngineError> {
    let bins = mix.power.bins();
    let mut sums = vec![[1e-12f32; 4]; bins];
    for t in 0..mix.power.frames() {
        let [short, long] = percussive.map(|p| p.row(t));
        let cues = short.iter().zip(long).zip(likeness.row(t));
        for ((sum, power), ((short, long), likeness)) in sums.iter_mut().zip(mix.power.row(t)).zip(cues) {
            sum[0] += power;
            sum[1] += power * sigmoid(*short);
            sum[2] += power * sigmoid(*long);
            sum[3] += power * likeness;
        }
        watch.tick()?;
    }
    let smooth = |k: usize| {
        let near = &sums[k.saturating_sub(SMOOTHED)..(k + SMOOTHED + 1).min(bins)];
        let mean = |i: usize| near.iter().map(|s| s[i] / s[0]).sum::<f32>() / near.len() as f32;
        Usual {
            percussive_short: logit(mean(1)),
            percussive: logit(mean(2)),
            likeness: ln(mean(3).clamp(0.05, 1.0)),
        }
    };
    Ok((0..bins).map(smooth).collect())
}
