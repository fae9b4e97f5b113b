//! Whether there is a voice at all.
//!
//! A voice makes its mask certain of what it takes: the bins it sings in are nearly all its own. In an
//! instrumental passage the mask collects small shares of many bins instead, a guitar in the centre here and
//! a horn that does not repeat there. So the mean of the mask over what it lets through tells one from the
//! other (above 0.6 with most voices, below 0.4 in most instrumentals), and the odds of a voice are raised
//! or lowered by it.

use harmonix_engine::EngineError;

use crate::{SOURCES, math::exp, plane::Plane, spectrogram::Spectrogram, watch::Watch};

/// The stem that is gated.
const VOCALS: usize = 3;
/// Frames to either side over which certainty is averaged, 0.56 s: some notes.
const REACH: usize = 24;
/// Certainty that leaves the odds as they are.
const NEUTRAL: f32 = 0.53;
/// Nepers per unit of certainty, and their limits.
const SLOPE: f32 = 5.0;
const LOWEST: f32 = -1.5;
const HIGHEST: f32 = 0.8;

/// Raises or lowers the odds of the vocal mask by how certain it is around each frame. The masks still add
/// up to one.
pub(crate) fn gate_vocals(
    masks: &mut [Plane<f32>; SOURCES],
    mix: &Spectrogram,
    watch: &mut Watch,
) -> Result<(), EngineError> {
    let frames = mix.power.frames();
    // What the mask lets through, and that weighted by the mask once more.
    let mut passed = Vec::with_capacity(frames);
    for t in 0..frames {
        let mut sums = [0.0f32; 2];
        for (power, mask) in mix.power.row(t).iter().zip(masks[VOCALS].row(t)) {
            let part = power * mask * mask;
            sums[0] += part;
            sums[1] += part * mask;
        }
        passed.push(sums);
        watch.tick()?;
    }
    for t in 0..frames {
        let near = &passed[t.saturating_sub(REACH)..(t + REACH + 1).min(frames)];
        let [sum, certain] = near.iter().fold([1e-12, 0.0], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let gain = exp((SLOPE * (certain / sum - NEUTRAL)).clamp(LOWEST, HIGHEST));
        let [drums, bass, other, vocals] = masks.each_mut().map(|mask| mask.row_mut(t));
        for (((drums, bass), other), vocals) in drums.iter_mut().zip(bass).zip(other).zip(vocals) {
            let scale = 1.0 / (1.0 + *vocals * (gain - 1.0));
            *drums *= scale;
            *bass *= scale;
            *other *= scale;
            *vocals *= gain * scale;
        }
        watch.tick()?;
    }
    Ok(())
}
