//! The grid of overlapping segments that covers a track.

use std::ops::Range;

/// One segment of the grid, in frames of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins; before the track (negative) in shifted passes.
    pub start: i64,
    /// How many of its frames lie on the grid: all, but for the last ones of a pass.
    pub length: usize,
    /// First frame of the window that the model sees. A segment that the end of the track cuts short is
    /// seen centred, with real audio before it and silence after it.
    pub input: i64,
    /// The pass that it belongs to.
    pub pass: usize,
}

/// Segments over a whole track, in one or more passes that differ by a shift.
///
/// Each pass covers every frame; the result is the mean of the passes (the shift trick of Défossez et
/// al., *Music Source Separation in the Waveform Domain*, 2019). Segments are ordered by their start, so
/// frames are finished from the front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    frames: i64,
    segment: usize,
    stride: i64,
    passes: Vec<i64>,
    segments: Vec<Segment>,
}

impl Grid {
    /// A grid over `frames` frames with segments of `segment` frames that overlap by the fraction
    /// `overlap` (`0.0..1.0`). `shifts` passes begin at seeded random places up to `max_shift` frames before
    /// the track; none means one pass that begins at its first frame.
    pub fn new(frames: u64, segment: usize, overlap: f64, shifts: u32, max_shift: u64, seed: u64) -> Self {
        let stride = (((1.0 - overlap) * segment as f64) as i64).clamp(1, segment as i64);
        let mut random = seed;
        let passes: Vec<i64> = match shifts {
            0 => vec![0],
            _ => (0..shifts).map(|_| -((split_mix(&mut random) % (max_shift + 1)) as i64)).collect(),
        };
        let frames = frames as i64;
        let mut segments: Vec<_> = passes
            .iter()
            .enumerate()
            .flat_map(|(pass, &first)| {
                (first..frames).step_by(stride as usize).map(move |start| {
                    let length = (frames - start).min(segment as i64);
                    let input = start - (segment as i64 - length) / 2;
                    Segment { start, length: length as usize, input, pass }
                })
            })
            .collect();
        segments.sort_by_key(|segment| (segment.start, segment.pass));
        Self { frames, segment, stride, passes, segments }
    }

    /// All segments in the order in which they are computed.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Passes over the track.
    pub fn passes(&self) -> usize {
        self.passes.len()
    }

    /// Once the first `computed` segments are, every frame before this one is finished.
    pub fn finished(&self, computed: usize) -> u64 {
        self.segments.get(computed).map_or(self.frames, |next| next.start.max(0)) as u64
    }

    /// The segments that a computation which continues at frame `from` has to look at again or for the first
    /// time: those that end after it.
    pub fn after(&self, from: u64) -> impl Iterator<Item = Segment> + '_ {
        let from = from as i64;
        self.segments.iter().copied().filter(move |segment| segment.start + segment.length as i64 > from)
    }

    /// Weights with which `segment` enters the result, for its frames in `range` (relative to its start):
    /// `window` divided by the sum of all windows of its pass there, and by the number of passes.
    pub fn weights(&self, segment: &Segment, range: Range<usize>, window: &[f32], out: &mut Vec<f32>) {
        let first = self.passes[segment.pass];
        let index = (segment.start - first) / self.stride;
        let reach = (self.segment as i64 - 1) / self.stride;
        out.clear();
        out.extend(range.map(|at| {
            let mut sum = 0.0;
            for other in (index - reach).max(0)..=index + reach {
                let there = at as i64 + (index - other) * self.stride;
                if (0..self.segment as i64).contains(&there) && first + other * self.stride < self.frames {
                    sum += window[there as usize];
                }
            }
            window[at] / sum / self.passes.len() as f32
        }));
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a small generator whose sequence never changes.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up all weights at each frame.
    fn cover(grid: &Grid, frames: usize, window: &[f32]) -> Vec<f32> {
        let mut sum = vec![0.0; frames];
        let mut weights = Vec::new();
        for segment in grid.segments() {
            grid.weights(segment, 0..segment.length, window, &mut weights);
            for (at, weight) in weights.iter().enumerate() {
                if let Ok(frame) = usize::try_from(segment.start + at as i64) {
                    sum[frame] += weight;
                }
            }
        }
        sum
    }

    #[test]
    fn weights_add_up_to_one_everywhere() {
        let window: Vec<f32> = (0..100).map(|i| (i.min(99 - i) + 1) as f32).collect();
        for frames in [1, 50, 99, 100, 101, 175, 1000] {
            for (overlap, shifts) in [(0.0, 0), (0.05, 0), (0.25, 1), (0.5, 5), (0.75, 2)] {
                let grid = Grid::new(frames, 100, overlap, shifts, 30, 7);
                for (frame, sum) in cover(&grid, frames as usize, &window).into_iter().enumerate() {
                    assert!(
                        (sum - 1.0).abs() < 1e-5,
                        "{frames} frames, {overlap}, {shifts}: {sum} at {frame}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_number_of_segments_follows_from_overlap_and_shifts() {
        assert_eq!(Grid::new(1000, 100, 0.0, 0, 0, 0).segments().len(), 10);
        assert_eq!(Grid::new(1000, 100, 0.5, 0, 0, 0).segments().len(), 20);
        assert_eq!(Grid::new(1000, 100, 0.5, 3, 0, 0).segments().len(), 60);
    }

    #[test]
    fn frames_are_finished_from_the_front() {
        let grid = Grid::new(1000, 100, 0.25, 2, 40, 3);
        let mut last = 0;
        for computed in 0..=grid.segments().len() {
            let now = grid.finished(computed);
            assert!(now >= last);
            assert!(
                grid.segments()[computed..].iter().all(|segment| segment.start >= now as i64 || now == 0)
            );
            last = now;
        }
        assert_eq!(last, 1000);
    }

    #[test]
    fn a_short_last_segment_is_seen_centred() {
        let grid = Grid::new(130, 100, 0.0, 0, 0, 0);
        assert_eq!(grid.segments()[1], Segment { start: 100, length: 30, input: 65, pass: 0 });
    }
}
