//! The best path through candidates over time (Viterbi 1967).

use harmonix_engine::EngineError;

use crate::{plane::Plane, watch::Watch};

/// The candidate of each frame on the path of the highest sum of `scores` (`[frames, candidates]`), where
/// each step between neighbouring candidates costs `glide`, up to `reach` steps per frame. A jump to
/// anywhere costs four steps more than the longest glide.
pub(crate) fn best_path(
    scores: &Plane<f32>,
    reach: usize,
    glide: f32,
    watch: &mut Watch,
) -> Result<Vec<usize>, EngineError> {
    let (frames, candidates) = (scores.frames(), scores.bins());
    let jump = glide * (reach + 4) as f32;
    let mut sums = scores.row(0).to_vec();
    let mut next = vec![0.0; candidates];
    let mut from = Plane::<u16>::new(frames, candidates);
    for t in 1..frames {
        let top = highest(&sums);
        for (i, next) in next.iter_mut().enumerate() {
            let mut best = (top, sums[top] - jump);
            let nearest = i.saturating_sub(reach);
            for (j, sum) in sums[nearest..(i + reach + 1).min(candidates)].iter().enumerate() {
                let score = sum - glide * i.abs_diff(nearest + j) as f32;
                if score > best.1 {
                    best = (nearest + j, score);
                }
            }
            *next = best.1 + scores.row(t)[i];
            from.row_mut(t)[i] = best.0 as u16;
        }
        std::mem::swap(&mut sums, &mut next);
        watch.tick()?;
    }
    let mut path = vec![highest(&sums); frames];
    for t in (1..frames).rev() {
        path[t - 1] = usize::from(from.row(t)[path[t]]);
    }
    Ok(path)
}

/// Index of the (first) highest value.
fn highest(values: &[f32]) -> usize {
    let best = (0, f32::NEG_INFINITY);
    values.iter().enumerate().fold(best, |best, (i, v)| if *v > best.1 { (i, *v) } else { best }).0
}

#[cfg(test)]
mod tests {
    use harmonix_engine::Unwatched;

    use super::*;

    #[test]
    fn bridges_a_gap_but_follows_a_jump() {
        let mut scores = Plane::new(9, 30);
        for (t, candidate) in [5, 5, 5, 20, 5, 5, 25, 25, 25].into_iter().enumerate() {
            scores.row_mut(t)[candidate] = 1.0;
        }
        let path = best_path(&scores, 2, 0.1, &mut Watch::new(&Unwatched, 9)).unwrap();
        assert_eq!(path, [5, 5, 5, 5, 5, 5, 25, 25, 25]);
    }
}
