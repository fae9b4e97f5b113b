//! Fundamental frequencies by harmonic summation (Hermes 1988, "Measurement of pitch by subharmonic
//! summation") and a Viterbi path, and the combs of their partials.

use harmonix_engine::EngineError;

use crate::{math::exp, path::best_path, plane::Plane, spectrogram::Spectrogram, watch::Watch};

/// Width of a bin in hertz.
pub(crate) const HERTZ_PER_BIN: f32 = 44_100.0 / 4096.0;

/// Share of the level in the valley between two partials that counts against a candidate. Without it, the
/// octave below collects all partials of the true pitch and more.
const VALLEY: f32 = 0.7;

/// A tracked voice, frame by frame.
pub(crate) struct Voice {
    /// Fundamental frequency in bins.
    f0: Vec<f32>,
    /// How well the pitch explains the frame: what its partials stand above the valleys between them,
    /// relative to the whole frame.
    pub(crate) salience: Vec<f32>,
}

impl Voice {
    /// Writes how close each bin of frame `t` lies to a partial, 0..=1.
    pub(crate) fn comb(&self, t: usize, out: &mut [f32]) {
        let f0 = self.f0[t];
        let partial = f0.recip();
        for (k, c) in out.iter_mut().enumerate() {
            let k = k as f32;
            // rounded half up
            let nearest = ((k * partial + 0.5) as i32).max(1) as f32;
            // the main lobe of the window is some two bins wide, and vibrato widens high partials
            let distance = (k - nearest * f0) / (1.3 + 0.008 * k);
            *c = exp(-0.5 * distance * distance);
        }
    }
}

/// What to track.
struct Register {
    /// Fundamental frequencies in hertz, and candidates per octave.
    lowest: f32,
    highest: f32,
    per_octave: f32,
    /// Partials summed, each weighted by `decay` times the one below it.
    partials: usize,
    decay: f32,
    /// Hertz above which partials are not looked for.
    limit: f32,
    /// Salience that a step to the next candidate costs from frame to frame.
    glide: f32,
}

/// Tracks the most salient voice in the centre; `likeness` is that of the channels.
pub(crate) fn vocal(
    mix: &Spectrogram,
    likeness: &Plane<f32>,
    watch: &mut Watch,
) -> Result<Voice, EngineError> {
    let register = Register {
        lowest: 85.0,
        highest: 900.0,
        per_octave: 48.0,
        partials: 10,
        decay: 0.84,
        limit: 5500.0,
        glide: 0.02,
    };
    track(mix, |t, k| likeness.row(t)[k].max(0.0).powi(3), &register, watch)
}

/// Tracks the bass.
pub(crate) fn bass(mix: &Spectrogram, watch: &mut Watch) -> Result<Voice, EngineError> {
    let register = Register {
        lowest: 32.0,
        highest: 200.0,
        per_octave: 24.0,
        partials: 6,
        decay: 0.8,
        limit: 700.0,
        glide: 0.03,
    };
    track(mix, |_, _| 1.0, &register, watch)
}

fn track(
    mix: &Spectrogram,
    weight: impl Fn(usize, usize) -> f32,
    register: &Register,
    watch: &mut Watch,
) -> Result<Voice, EngineError> {
    let (frames, bins) = (mix.power.frames(), mix.power.bins());
    let candidates: Vec<f32> = (0..)
        .map(|i| register.lowest * 2f32.powf(i as f32 / register.per_octave) / HERTZ_PER_BIN)
        .take_while(|f0| *f0 < register.highest / HERTZ_PER_BIN)
        .collect();
    let mut saliences = Plane::new(frames, candidates.len());
    let limit = ((register.limit / HERTZ_PER_BIN) as usize).min(bins - 2);
    let mut levels = vec![0.0f32; limit + 2];
    for t in 0..frames {
        for (k, (level, power)) in levels.iter_mut().zip(mix.power.row(t)).enumerate() {
            // The root of the magnitude: a loud partial alone does not make a voice.
            *level = power.sqrt().sqrt() * weight(t, k);
        }
        let total = levels.iter().map(|l| l * l).sum::<f32>().sqrt().max(1e-9);
        for (salience, f0) in saliences.row_mut(t).iter_mut().zip(&candidates) {
            *salience = harmonic_sum(&levels[..=limit], *f0, register) / total;
        }
        watch.tick()?;
    }
    // two semitones per frame at most, but for a jump
    let path = best_path(&saliences, (register.per_octave / 6.0) as usize, register.glide, watch)?;
    let salience = path.iter().enumerate().map(|(t, candidate)| saliences.row(t)[*candidate]).collect();
    Ok(Voice { f0: path.into_iter().map(|candidate| candidates[candidate]).collect(), salience })
}

/// What the partials of `f0` (in bins) stand above the valleys before them.
fn harmonic_sum(levels: &[f32], f0: f32, register: &Register) -> f32 {
    let at = |position: f32| {
        let (k, part) = (position as usize, position.fract());
        levels[k] + (levels[k + 1] - levels[k]) * part
    };
    let (mut sum, mut weight) = (0.0, 1.0);
    for partial in (1..=register.partials).map(|h| h as f32) {
        if (f0 * partial) as usize + 1 >= levels.len() {
            break;
        }
        sum += weight * (at(f0 * partial) - VALLEY * at(f0 * (partial - 0.5)));
        weight *= register.decay;
    }
    sum
}
