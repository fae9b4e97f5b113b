//! The mixture in the time-frequency plane, and its levels.

use harmonix_engine::EngineError;
use realfft::num_complex::Complex32;

use crate::{math::ln, median::level_code, plane::Plane, stft::Stft, watch::Watch};

/// Power (per bin of an unnormalised transform of a signal within ±1) that counts as silence.
const SILENCE: f32 = 1e-12;

/// Spectra of both channels and their mean power, all `[frames, bins]`.
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
        let [mut lefts, mut rights] = [Plane::new(frames, bins), Plane::new(frames, bins)];
        let mut power = Plane::new(frames, bins);
        for t in 0..frames {
            stft.analyse(left, t, lefts.row_mut(t));
            stft.analyse(right, t, rights.row_mut(t));
            mean_power(lefts.row(t), rights.row(t), power.row_mut(t));
            watch.tick()?;
        }
        Ok(Self { left: lefts, right: rights, codes: level_codes(&power, watch)?, power })
    }
}

/// Mean power of both channels and its [level codes](level_code), `[frames, bins]` each, where the spectra
/// themselves are not needed.
pub(crate) fn levels(
    stft: &mut Stft,
    left: &[f32],
    right: &[f32],
    watch: &mut Watch,
) -> Result<(Plane<f32>, Plane<u8>), EngineError> {
    let (frames, bins) = (stft.frames(left.len()), stft.bins());
    let mut power = Plane::new(frames, bins);
    let [mut l, mut r] = [vec![Complex32::default(); bins], vec![Complex32::default(); bins]];
    for t in 0..frames {
        stft.analyse(left, t, &mut l);
        stft.analyse(right, t, &mut r);
        mean_power(&l, &r, power.row_mut(t));
        watch.tick()?;
    }
    let codes = level_codes(&power, watch)?;
    Ok((power, codes))
}

fn mean_power(left: &[Complex32], right: &[Complex32], out: &mut [f32]) {
    for ((power, l), r) in out.iter_mut().zip(left).zip(right) {
        *power = 0.5 * (l.norm_sqr() + r.norm_sqr());
    }
}

fn level_codes(power: &Plane<f32>, watch: &mut Watch) -> Result<Plane<u8>, EngineError> {
    let loudest = (0..power.frames()).flat_map(|t| power.row(t)).fold(SILENCE, |a, b| a.max(*b));
    let full_scale = ln(loudest);
    let mut codes = Plane::new(power.frames(), power.bins());
    for t in 0..power.frames() {
        for (code, power) in codes.row_mut(t).iter_mut().zip(power.row(t)) {
            *code = level_code(ln(power.max(SILENCE)), full_scale);
        }
        watch.tick()?;
    }
    Ok(codes)
}
