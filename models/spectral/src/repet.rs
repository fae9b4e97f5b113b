//! What repeats and what does not (Rafii & Pardo 2012, "Music/voice separation using the similarity
//! matrix": REPET-SIM).
//!
//! An accompaniment repeats, a voice seldom sings the same note with the same word at the same moment of
//! the pattern. So the median over the frames that are most like a frame models its repeating part.

use harmonix_engine::EngineError;

use crate::{median::median_across, plane::Plane, watch::Watch};

/// How many similar frames the median takes.
const SIMILAR: usize = 20;
/// Frames that similar ones are apart at least (0.4 s), so that they are repetitions and not one event.
const APART: usize = 17;
/// Bins up to which frames are compared (5.5 kHz), and how many of them make one feature.
const COMPARED: usize = 512;
const GROUP: usize = 4;

/// Median level over the frames most similar to each frame, `[frames, bins]`.
pub(crate) fn repeating_level(codes: &Plane<u8>, watch: &mut Watch) -> Result<Plane<u8>, EngineError> {
    let frames = codes.frames();
    let features = features(codes);
    let mut out = Plane::new(frames, codes.bins());
    let mut scores = vec![0.0f32; frames];
    let mut rows = Vec::with_capacity(SIMILAR);
    for t in 0..frames {
        for (u, score) in scores.iter_mut().enumerate() {
            *score = dot(features.row(t), features.row(u));
        }
        rows.clear();
        let mut blocked = t.saturating_sub(APART)..t + APART + 1;
        while rows.len() < SIMILAR {
            let to = blocked.end.min(frames);
            scores[blocked.start..to].fill(f32::NEG_INFINITY);
            let mut best = (f32::NEG_INFINITY, 0);
            for (u, &score) in scores.iter().enumerate() {
                if score > best.0 {
                    best = (score, u);
                }
            }
            if best.0 == f32::NEG_INFINITY {
                break;
            }
            rows.push(codes.row(best.1));
            blocked = best.1.saturating_sub(APART)..best.1 + APART + 1;
        }
        if rows.is_empty() {
            rows.push(codes.row(t));
        }
        median_across(&rows, out.row_mut(t));
        watch.tick()?;
    }
    Ok(out)
}

/// Unit vectors of the levels of each frame without their mean.
fn features(codes: &Plane<u8>) -> Plane<f32> {
    let compared = COMPARED.min(codes.bins());
    let mut out = Plane::new(codes.frames(), compared / GROUP);
    for t in 0..codes.frames() {
        let row = out.row_mut(t);
        for (o, group) in row.iter_mut().zip(codes.row(t)[..compared].chunks_exact(GROUP)) {
            *o = group.iter().map(|&c| f32::from(c)).sum();
        }
        let mean = row.iter().sum::<f32>() / row.len() as f32;
        row.iter_mut().for_each(|o| *o -= mean);
        let norm = dot(row, row).sqrt().max(1e-6);
        row.iter_mut().for_each(|o| *o /= norm);
    }
    out
}

/// Inner product in eight independent sums, which the compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for ((s, a), b) in sums.iter_mut().zip(a).zip(b) {
            *s += a * b;
        }
    }
    sums.iter().sum()
}
