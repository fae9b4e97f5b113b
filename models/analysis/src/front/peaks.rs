//! Spectral peaks above their surroundings: what is a tone in a frame.

/// Half the width of the surroundings of a peak, in octaves.
const AROUND: f32 = 0.5;
/// How far a peak must stand out of the mean of its surroundings.
const PROMINENT: f32 = 1.5;

/// A peak at `frequency` (Hz) whose magnitude is `prominence` times the mean around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peak {
    pub(crate) frequency: f32,
    pub(crate) prominence: f32,
}

/// Finds peaks; keeps what it needs for that between frames.
pub(crate) struct PeakFinder {
    per_bin: f32,
    /// First and last bin that may be a peak.
    range: [usize; 2],
    /// Bins before and after a bin that are its surroundings.
    around: Vec<[usize; 2]>,
    sums: Vec<f32>,
    pub(crate) peaks: Vec<Peak>,
}

impl PeakFinder {
    /// For frames of `size` samples at `sample_rate`, between the frequencies `range`.
    pub(crate) fn new(size: usize, sample_rate: f32, range: [f32; 2]) -> Self {
        let per_bin = sample_rate / size as f32;
        let last = size / 2 - 1;
        let around = |bin: usize| {
            let octaves = AROUND.exp2();
            let below = (bin as f32 / octaves) as usize;
            let above = (bin as f32 * octaves) as usize;
            [below.min(bin.saturating_sub(8)), above.max(bin + 8).min(last)]
        };
        Self {
            per_bin,
            range: [((range[0] / per_bin) as usize).max(2), ((range[1] / per_bin) as usize).min(last - 1)],
            around: (0..=last).map(around).collect(),
            sums: Vec::new(),
            peaks: Vec::new(),
        }
    }

    /// Fills `self.peaks` from the magnitudes of a frame, those below `floor` left out.
    pub(crate) fn find(&mut self, magnitudes: &[f32], floor: f32) {
        self.peaks.clear();
        self.sums.clear();
        let mut sum = 0.0;
        self.sums.push(sum);
        for m in magnitudes {
            sum += m;
            self.sums.push(sum);
        }
        for bin in self.range[0]..=self.range[1] {
            let [left, centre, right] = [magnitudes[bin - 1], magnitudes[bin], magnitudes[bin + 1]];
            if centre < floor || centre <= left || centre < right {
                continue;
            }
            let [from, to] = self.around[bin];
            let mean = (self.sums[to + 1] - self.sums[from]) / (to + 1 - from) as f32;
            let prominence = centre / mean.max(1e-9);
            if prominence < PROMINENT {
                continue;
            }
            // A parabola through the logarithms is nearly exact for a Hann window.
            let [l, c, r] = [left, centre, right].map(|m| m.max(1e-12).ln());
            let shift = 0.5 * (l - r) / (l - 2.0 * c + r).min(-1e-6);
            let frequency = (bin as f32 + shift.clamp(-0.5, 0.5)) * self.per_bin;
            self.peaks.push(Peak { frequency, prominence });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::spectra::Spectra;

    #[test]
    fn a_sine_is_one_peak_within_a_cent() {
        let rate = 11_025.0;
        let mono: Vec<f32> =
            (0..8192).map(|i| (std::f32::consts::TAU * 441.3 * i as f32 / rate).sin() * 0.3).collect();
        let mut spectra = Spectra::new(4096, 4096);
        let mut finder = PeakFinder::new(4096, rate, [50.0, 4000.0]);
        let mut frames = 0;
        spectra.push(&mono, |m| {
            frames += 1;
            if frames == 2 {
                finder.find(m, 1e-4);
                let strongest = finder.peaks.iter().max_by(|a, b| a.prominence.total_cmp(&b.prominence));
                let cents = 1200.0 * (strongest.unwrap().frequency / 441.3).log2();
                assert!(cents.abs() < 1.0, "{cents}");
            }
        });
        assert!(frames >= 2);
    }
}
