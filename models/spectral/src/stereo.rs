//! Where a bin lies between the loudspeakers.

use harmonix_engine::EngineError;

use crate::{plane::Plane, spectrogram::Spectrogram, watch::Watch};

/// How alike the channels are, `2 Re⟨L R*⟩ / (⟨|L|²⟩ + ⟨|R|²⟩)`, and how the power leans to the left,
/// `(⟨|L|²⟩ − ⟨|R|²⟩) / (⟨|L|²⟩ + ⟨|R|²⟩)`, both `[frames, bins]` in −1..=1.
///
/// Averages go over `2 · reach_frames + 1` frames and `2 · reach_bins + 1` bins. A source panned to the
/// centre without reverberation has similarity 1, one side alone 0, opposite phase −1.
pub(crate) fn similarity(
    mix: &Spectrogram,
    reach_frames: usize,
    reach_bins: usize,
    watch: &mut Watch,
) -> Result<[Plane<f32>; 2], EngineError> {
    let (frames, bins) = (mix.left.frames(), mix.left.bins());
    let mut out = [Plane::new(frames, bins), Plane::new(frames, bins)];
    let mut sums = vec![[0.0f32; 3]; bins];
    for t in 0..frames {
        sums.fill([0.0; 3]);
        for u in t.saturating_sub(reach_frames)..(t + reach_frames + 1).min(frames) {
            for ((s, l), r) in sums.iter_mut().zip(mix.left.row(u)).zip(mix.right.row(u)) {
                s[0] += l.re * r.re + l.im * r.im;
                s[1] += l.norm_sqr();
                s[2] += r.norm_sqr();
            }
        }
        for k in 0..bins {
            let near = &sums[k.saturating_sub(reach_bins)..(k + reach_bins + 1).min(bins)];
            let sum = near.iter().fold([1e-20f32; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
            out[0].row_mut(t)[k] = 2.0 * sum[0] / (sum[1] + sum[2]);
            out[1].row_mut(t)[k] = (sum[1] - sum[2]) / (sum[1] + sum[2]);
        }
        watch.tick()?;
    }
    Ok(out)
}
