//! What of a track counts for its loudness, and for its range.

/// Absolute gate, in LUFS.
const ABSOLUTE: f64 = -70.0;
/// Relative gates below the mean of what passes the absolute one, in LU.
const INTEGRATED: f64 = -10.0;
const RANGE: f64 = -20.0;

/// Power of a loudness in LUFS.
pub(super) fn power(lufs: f64) -> f64 {
    10f64.powf((lufs + 0.691) / 10.0)
}

/// Loudness of a power, in LUFS.
pub(super) fn lufs(power: f64) -> f64 {
    10.0 * power.log10() - 0.691
}

/// Powers of blocks above the absolute gate.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<f64>);

impl Blocks {
    pub(super) fn add(&mut self, block: f64) {
        if block >= power(ABSOLUTE) {
            self.0.push(block);
        }
    }

    fn above(&self, gate: f64) -> Vec<f64> {
        let mean = self.0.iter().sum::<f64>() / self.0.len().max(1) as f64;
        let threshold = mean * 10f64.powf(gate / 10.0);
        self.0.iter().copied().filter(|b| *b >= threshold).collect()
    }

    /// Mean loudness of the blocks above both gates.
    pub(super) fn integrated(&self) -> Option<f64> {
        let above = self.above(INTEGRATED);
        (!above.is_empty()).then(|| lufs(above.iter().sum::<f64>() / above.len() as f64))
    }

    /// Distance of the loudness that 95 % do not exceed from the one that 10 % do not (EBU Tech 3342).
    pub(super) fn range(&self) -> Option<f64> {
        let mut above = self.above(RANGE);
        above.sort_by(f64::total_cmp);
        let last = above.len().checked_sub(1)? as f64;
        let at = |share: f64| lufs(above[(last * share).round() as usize]);
        Some(at(0.95) - at(0.1))
    }
}
