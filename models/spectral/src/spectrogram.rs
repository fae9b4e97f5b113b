//! The mixture in the time-frequency plane, and its levels.

use harmonix_engine::EngineError;
use realfft::num_complex::Complex32;

use crate::{math::ln, median::level_code, plane::Plane, stft::Stft, watch::Watch};

/// Power (per bin of an unnormalised transform of a signal within ±1) that counts as silence.
pub(crate) const SILENCE: f32 = 1e-12;

/// Spectra of both channels with the levels of their mean power, all `[frames, bins]`.
pub(crate) struct Spectrogram {
    pub(crate) left: Plane<Complex32>,
    pub(crate) right: Plane<Complex32>,
    /// Mean power of the channels.
    pub(crate) power: Plane<f32>,
    /// The power as [level codes](level_code) below the loudest bin.
    pub(crate) codes: Plane<u8>,
}

impl Spectrogram {
    /// Analyses both channels of a segment.
    pub(crate) fn new(
        stft: &mut Stft,
        left: &[f32],
        right: &[f32],
        watch: &mut Watch,
    ) -> Result<Self, EngineError> {
        let (frames, bins) = (stft.frames(left.len()), stft.bins());
        let mut this = Self {
            left: Plane::new(frames, bins),
            right: Plane::new(frames, bins),
            power: Plane::new(frames, bins),
            codes: Plane::new(frames, bins),
        };
        let mut loudest = SILENCE;
        for t in 0..frames {
            stft.analyse(left, t, this.left.row_mut(t));
            stft.analyse(right, t, this.right.row_mut(t));
            for ((p, l), r) in this.power.row_mut(t).iter_mut().zip(this.left.row(t)).zip(this.right.row(t)) {
                *p = 0.5 * (l.norm_sqr() + r.norm_sqr());
                loudest = loudest.max(*p);
            }
            watch.tick()?;
        }
        let full_scale = ln(loudest);
        for t in 0..frames {
            for (c, p) in this.codes.row_mut(t).iter_mut().zip(this.power.row(t)) {
                *c = level_code(ln(p.max(SILENCE)), full_scale);
            }
            watch.tick()?;
        }
        Ok(this)
    }
}
