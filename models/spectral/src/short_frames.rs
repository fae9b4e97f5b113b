//! Percussiveness in short frames, carried over to the bins of the long ones.
//!
//! A drum stroke of a few milliseconds is smeared over a long frame, while frames of 23 ms show it for what
//! it is. They see no more than broad bands, though, so both views are kept.

use harmonix_engine::EngineError;

use crate::{
    math::{logit, sigmoid},
    percussive::{Reach, median_over_time, percussive_log_odds as log_odds},
    plane::Plane,
    spectrogram::{Spectrogram, levels},
    stft::Stft,
    watch::Watch,
};

/// Long frames, and their hop, over short ones.
const RATIO: usize = 4;
/// Short frames to either side of the centre of a long frame that its window still weighs.
const REACH: usize = 7;
/// Medians over 0.2 s and 1 kHz.
const FRAMES: Reach = Reach { to: 16, step: 2 };
const BINS: Reach = Reach { to: 11, step: 1 };
/// Bins of a long frame to either side that the local average takes (25 in all, 270 Hz).
const REACH_LOCAL: usize = 12;

/// Log-odds of percussive against harmonic in short frames, `[frames, bins]` of the long ones:
/// for each bin, and averaged over the bins around it.
pub(crate) fn percussive_log_odds(
    left: &[f32],
    right: &[f32],
    long: &Spectrogram,
    watch: &mut Watch,
) -> Result<(Plane<f32>, Plane<f32>), EngineError> {
    let (frames, bins) = (long.power.frames(), long.power.bins());
    let mut stft = Stft::new((bins - 1) * 2 / RATIO);
    let (power, codes) = levels(&mut stft, left, right, watch)?;
    let harmonic = median_over_time(&codes, FRAMES, watch)?;
    let mut percussive = log_odds(&codes, &harmonic, BINS, watch)?;
    for t in 0..percussive.frames() {
        for (p, whole) in percussive.row_mut(t).iter_mut().zip(power.row(t)) {
            *p = sigmoid(*p) * whole;
        }
    }
    // the squared long window at the centres of the short frames
    let weights: Vec<f32> = (0..=2 * REACH)
        .map(|i| (std::f32::consts::PI * (i + 1) as f32 / (2 * REACH + 2) as f32).sin().powi(2))
        .collect();
    let mut bin = Plane::new(frames, bins);
    let mut local = Plane::new(frames, bins);
    let mut share = vec![0.0f32; power.bins()];
    let mut whole = share.clone();
    let mut fine = vec![0.0; bins];
    for t in 0..frames {
        // next to silence nothing is known
        share.fill(1e-9);
        whole.fill(2e-9);
        // long frame t is centred at (t − 1) long hops, short frame s at (s − 1) short hops
        let first = (t * RATIO + 1) as isize - (RATIO + REACH) as isize;
        for (s, w) in (first..).zip(&weights) {
            let Some(s) = usize::try_from(s).ok().filter(|s| *s < power.frames()) else { continue };
            add_scaled(&mut share, *w, percussive.row(s));
            add_scaled(&mut whole, *w, power.row(s));
        }
        share.iter_mut().zip(&whole).for_each(|(share, whole)| *share /= whole);
        for (k, f) in fine.iter_mut().enumerate() {
            let (at, part) = (k / RATIO, (k % RATIO) as f32 / RATIO as f32);
            *f = share[at] + (share[(at + 1).min(share.len() - 1)] - share[at]) * part;
        }
        for (b, f) in bin.row_mut(t).iter_mut().zip(&fine) {
            *b = logit(*f);
        }
        let mut sum: f32 = fine[..REACH_LOCAL].iter().sum();
        for (k, l) in local.row_mut(t).iter_mut().enumerate() {
            if k + REACH_LOCAL < bins {
                sum += fine[k + REACH_LOCAL];
            }
            if k > REACH_LOCAL {
                sum -= fine[k - REACH_LOCAL - 1];
            }
            let count = (k + REACH_LOCAL).min(bins - 1) - k.saturating_sub(REACH_LOCAL) + 1;
            *l = logit(sum / count as f32);
        }
        watch.tick()?;
    }
    Ok((bin, local))
}

fn add_scaled(sums: &mut [f32], scale: f32, values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += scale * value;
    }
}
