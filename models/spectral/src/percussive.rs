//! Percussiveness by median filtering (Fitzgerald 2010, "Harmonic/percussive separation using median
//! filtering").
//!
//! Percussion is a vertical line of the spectrogram and a held note a horizontal one: a median over
//! neighbouring bins keeps the former, a median over neighbouring frames the latter.

use harmonix_engine::EngineError;

use crate::{
    median::{NEPERS_PER_CODE, median_across, median_along, mirror},
    plane::Plane,
    watch::Watch,
};

/// Reach of a median to either side of its centre and the step between the values it takes.
///
/// Neighbouring bins and frames overlap so much that every second one says nearly as much as all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) to: usize,
    pub(crate) step: usize,
}

/// Median level over the frames around each frame, with the edges mirrored.
pub(crate) fn median_over_time(
    codes: &Plane<u8>,
    reach: Reach,
    watch: &mut Watch,
) -> Result<Plane<u8>, EngineError> {
    let last = codes.frames() - 1;
    let mut out = Plane::new(codes.frames(), codes.bins());
    let mut rows = Vec::with_capacity(2 * reach.to + 1);
    for t in 0..codes.frames() {
        rows.clear();
        let around = t as isize - reach.to as isize..=(t + reach.to) as isize;
        rows.extend(around.step_by(reach.step).map(|i| codes.row(mirror(i, last))));
        median_across(&rows, out.row_mut(t));
        watch.tick()?;
    }
    Ok(out)
}

/// Log-odds (natural logarithm of the power ratio) of percussive against harmonic: the median level over
/// the bins around each bin above `harmonic`, the median level over time.
pub(crate) fn percussive_log_odds(
    codes: &Plane<u8>,
    harmonic: &Plane<u8>,
    bins: Reach,
    watch: &mut Watch,
) -> Result<Plane<f32>, EngineError> {
    let mut percussive = vec![0; codes.bins()];
    let mut padded = Vec::new();
    let mut out = Plane::new(codes.frames(), codes.bins());
    for t in 0..codes.frames() {
        median_along(codes.row(t), bins.to, bins.step, &mut padded, &mut percussive);
        for ((o, p), h) in out.row_mut(t).iter_mut().zip(&percussive).zip(harmonic.row(t)) {
            *o = (f32::from(*p) - f32::from(*h)) * NEPERS_PER_CODE;
        }
        watch.tick()?;
    }
    Ok(out)
}
