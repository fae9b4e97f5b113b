//! Four masks that add up to one.

use harmonix_engine::EngineError;
use pulp::{Arch, Simd, WithSimd};

use crate::{
    ESTIMATED, SOURCES,
    coefficients::{BASS, Coefficients, DRUMS, KNOTS, VOCALS},
    cues::{CUES, Cues},
    math::exp,
    pitch::HERTZ_PER_BIN,
    plane::Plane,
    spectrogram::Spectrogram,
    watch::Watch,
};

/// Nepers by which vocals have to be more probable than they look: a voice where nobody sings is heard more than
/// a voice that is a little too quiet.
const RESERVE: f32 = 0.15;

/// The log-linear model of the masks, spread out over the bins.
pub(crate) struct MaskModel {
    /// `[cues, bins]` of each of the [`ESTIMATED`] sources.
    slopes: [Plane<f32>; ESTIMATED.len()],
}

impl MaskModel {
    /// Interpolates the coefficients for `bins` frequencies.
    pub(crate) fn new(bins: usize) -> Self {
        let spread = |cues: &Coefficients| {
            let mut rows = Plane::new(CUES, bins);
            for (c, knots) in cues.iter().enumerate() {
                for (k, slope) in rows.row_mut(c).iter_mut().enumerate() {
                    *slope = interpolate(knots, (k as f32).max(1.0) * HERTZ_PER_BIN);
                }
            }
            rows
        };
        let slopes = [&DRUMS, &BASS, &VOCALS].map(spread);
        Self { slopes }
    }

    /// Masks of each source, `[frames, bins]`.
    pub(crate) fn masks(
        &self,
        cues: &Cues,
        mix: &Spectrogram,
        watch: &mut Watch,
    ) -> Result<[Plane<f32>; SOURCES], EngineError> {
        let (frames, bins) = (mix.power.frames(), mix.power.bins());
        let mut masks = std::array::from_fn(|_| Plane::new(frames, bins));
        let mut rows = Plane::new(CUES, bins);
        let arch = Arch::new();
        for t in 0..frames {
            // with the widest vectors of this processor; the operations, and so the bits, are the same on all of them
            arch.dispatch(Frame { model: self, t, cues, mix, rows: &mut rows, masks: &mut masks });
            watch.tick()?;
        }
        Ok(masks)
    }

    /// Masks of frame `t`.
    #[inline(always)]
    fn frame(
        &self,
        t: usize,
        cues: &Cues,
        mix: &Spectrogram,
        rows: &mut Plane<f32>,
        masks: &mut [Plane<f32>; SOURCES],
    ) {
        cues.frame(t, mix, rows);
        for (source, slopes) in ESTIMATED.into_iter().zip(&self.slopes) {
            let odds = masks[source].row_mut(t);
            for c in 0..CUES {
                for ((o, slope), cue) in odds.iter_mut().zip(slopes.row(c)).zip(rows.row(c)) {
                    *o += slope * cue;
                }
            }
        }
        masks[ESTIMATED[2]].row_mut(t).iter_mut().for_each(|odds| *odds -= RESERVE);
        softmax(masks, t);
    }
}

struct Frame<'a> {
    model: &'a MaskModel,
    t: usize,
    cues: &'a Cues,
    mix: &'a Spectrogram,
    rows: &'a mut Plane<f32>,
    masks: &'a mut [Plane<f32>; SOURCES],
}

impl WithSimd for Frame<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.model.frame(self.t, self.cues, self.mix, self.rows, self.masks);
    }
}

/// Turns log-odds against `OTHER` (whose own are 0) into shares of one.
#[inline(always)]
fn softmax(masks: &mut [Plane<f32>; SOURCES], t: usize) {
    let [drums, bass, other, vocals] = masks.each_mut().map(|mask| mask.row_mut(t));
    for (((drums, bass), other), vocals) in drums.iter_mut().zip(bass).zip(other).zip(vocals) {
        // limited, so that their sum stays finite
        let [d, b, v] = [*drums, *bass, *vocals].map(|odds| exp(odds.min(60.0)));
        *other = 1.0 / (1.0 + d + b + v);
        *drums = d * *other;
        *bass = b * *other;
        *vocals = v * *other;
    }
}

/// Value at `hertz` of the curve through `values` at the [`KNOTS`], linear over the logarithm of frequency.
fn interpolate(values: &[f32; KNOTS.len()], hertz: f32) -> f32 {
    let upper = KNOTS.iter().position(|knot| *knot >= hertz).unwrap_or(KNOTS.len() - 1).max(1);
    let [a, b] = [KNOTS[upper - 1].ln(), KNOTS[upper].ln()];
    let part = ((hertz.ln() - a) / (b - a)).clamp(0.0, 1.0);
    values[upper - 1] + (values[upper] - values[upper - 1]) * part
}
