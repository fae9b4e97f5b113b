//! Fundamental frequencies by harmonic summation and a Viterbi path, and the combs of their partials.

use harmonix_engine::EngineError;

use crate::{plane::Plane, spectrogram::Spectrogram, watch::Watch};

/// Width of a bin in hertz.
pub(crate) const HERTZ_PER_BIN: f32 = 44_100.0 / 4096.0;

/// What a tracked voice explains.
pub(crate) struct Voice {
    /// How close a bin lies to a partial of the tracked pitch, 0..=1, `[frames, bins]`.
    pub(crate) comb: Plane<f32>,
    /// How well the tracked pitch explains its frame, `[frames, bins]`.
    pub(crate) salience: Plane<f32>,
}

/// What to track.
struct Range {
    lowest: f32,
    highest: f32,
    per_octave: f32,
    partials: usize,
    decay: f32,
    /// Penalty per candidate step between frames.
    glide: f32,
    limit: f32,
}

/// Tracks the most salient centred voice.
pub(crate) fn vocal(mix: &Spectrogram, sim: &Plane<f32>, watch: &mut Watch) -> Result<Voice, EngineError> {
    let range = Range {
        lowest: 85.0,
        highest: 900.0,
        per_octave: 48.0,
        partials: 10,
        decay: 0.84,
        glide: 0.02,
        limit: 5500.0,
    };
    track(mix, Some(sim), &range, watch)
}

/// Tracks the bass.
pub(crate) fn bass(mix: &Spectrogram, watch: &mut Watch) -> Result<Voice, EngineError> {
    let range = Range {
        lowest: 32.0,
        highest: 200.0,
        per_octave: 24.0,
        partials: 6,
        decay: 0.8,
        glide: 0.03,
        limit: 700.0,
    };
    track(mix, None, &range, watch)
}

fn track(
    mix: &Spectrogram,
    sim: Option<&Plane<f32>>,
    range: &Range,
    watch: &mut Watch,
) -> Result<Voice, EngineError> {
    let (frames, bins) = (mix.power.frames(), mix.power.bins());
    let candidates: Vec<f32> = (0..)
        .map(|i| range.lowest * 2f32.powf(i as f32 / range.per_octave))
        .take_while(|f| *f < range.highest)
        .collect();
    let n = candidates.len();
    let mut scores = Plane::<f32>::new(frames, n);
    let limit = ((range.limit / HERTZ_PER_BIN) as usize).min(bins - 2);
    let mut level = vec![0.0f32; limit + 2];
    for t in 0..frames {
        for (k, l) in level.iter_mut().enumerate() {
            *l = mix.power.row(t)[k].sqrt().sqrt();
            if let Some(sim) = sim {
                *l *= sim.row(t)[k].max(0.0).powi(3);
            }
        }
        // whiten: relative to the mean around
        let total: f32 = level.iter().map(|l| l * l).sum::<f32>().sqrt().max(1e-9);
        for (s, f0) in scores.row_mut(t).iter_mut().zip(&candidates) {
            let mut sum = 0.0;
            let mut weight = 1.0;
            for h in 1..=range.partials {
                let at = f0 * h as f32 / HERTZ_PER_BIN;
                if at as usize >= limit {
                    break;
                }
                let (k, part) = (at as usize, at.fract());
                let on = level[k] + (level[k + 1] - level[k]) * part;
                // the valley between partials counts against the candidate
                let at = f0 * (h as f32 - 0.5) / HERTZ_PER_BIN;
                let (k, part) = (at as usize, at.fract());
                let off = level[k] + (level[k + 1] - level[k]) * part;
                sum += weight * (on - 0.7 * off);
                weight *= range.decay;
            }
            *s = sum / total;
        }
        watch.tick()?;
    }
    // Viterbi
    let reach = (range.per_octave / 6.0) as usize;
    let mut best = scores.row(0).to_vec();
    let mut next = vec![0.0; n];
    let mut from = Plane::<u16>::new(frames, n);
    for t in 1..frames {
        let top = best.iter().enumerate().fold((0, f32::MIN), |a, (i, &s)| if s > a.1 { (i, s) } else { a });
        for (i, next) in next.iter_mut().enumerate() {
            let mut choice = (top.0, top.1 - range.glide * (reach + 4) as f32);
            let near = i.saturating_sub(reach)..(i + reach + 1).min(n);
            for (j, &score) in near.clone().zip(&best[near]) {
                let s = score - range.glide * i.abs_diff(j) as f32;
                if s > choice.1 {
                    choice = (j, s);
                }
            }
            *next = choice.1 + scores.row(t)[i];
            from.row_mut(t)[i] = choice.0 as u16;
        }
        std::mem::swap(&mut best, &mut next);
    }
    let mut at = best.iter().enumerate().fold((0, f32::MIN), |a, (i, &s)| if s > a.1 { (i, s) } else { a }).0;
    let mut voice = Voice { comb: Plane::new(frames, bins), salience: Plane::new(frames, bins) };
    for t in (0..frames).rev() {
        let f0 = candidates[at] / HERTZ_PER_BIN;
        for (k, c) in voice.comb.row_mut(t).iter_mut().enumerate() {
            let h = (k as f32 / f0).round().max(1.0);
            let d = k as f32 - h * f0;
            // a main lobe is some two bins wide, and vibrato widens high partials
            let width = 1.3 + 0.008 * k as f32;
            *c = (-0.5 * (d / width).powi(2)).exp();
        }
        voice.salience.row_mut(t).fill(scores.row(t)[at]);
        if t > 0 {
            at = from.row(t)[at] as usize;
        }
        watch.tick()?;
    }
    Ok(voice)
}
