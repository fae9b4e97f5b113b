//! One channel of a frame: the smallest of the ways in which FLAC can code it.

use super::{
    bits::BitWriter,
    fixed,
    lpc::{ORDER, PRECISION, Predictor, Window},
    rice::Partitions,
};

/// Blocks shorter than this are not worth a linear predictor.
const MIN_LPC_BLOCK: usize = 64;

/// A coded channel (RFC 9639, section 9.2), yet to be written.
#[derive(Debug)]
pub(super) enum Subframe {
    /// All samples are the same.
    Constant,
    /// The samples as they are.
    Verbatim,
    /// A fixed predictor.
    Fixed { order: usize, residual: Vec<i32>, partitions: Partitions },
    /// A linear predictor.
    Lpc { predictor: Predictor, residual: Vec<i32>, partitions: Partitions },
}

impl Subframe {
    /// The way to code `samples` of `bps` bits (at most 25) that takes the fewest bits.
    pub(super) fn choose(samples: &[i32], bps: u32, window: &mut Window) -> Self {
        if samples.iter().all(|x| *x == samples[0]) {
            return Self::Constant;
        }
        let block = samples.len();
        let mut best = (u64::from(bps) * block as u64, Self::Verbatim);
        let (order, _) = fixed::best_order(samples);
        let residual = fixed::residual(samples, order);
        let partitions = Partitions::find(&residual, block);
        let bits = partitions.bits + u64::from(bps) * order as u64;
        if bits < best.0 {
            best = (bits, Self::Fixed { order, residual, partitions });
        }
        let predictor = (block >= MIN_LPC_BLOCK).then(|| window.predictor(samples)).flatten();
        if let Some((predictor, residual)) = predictor.and_then(|p| p.residual(samples).map(|r| (p, r))) {
            let partitions = Partitions::find(&residual, block);
            let bits = partitions.bits + u64::from(bps + PRECISION) * ORDER as u64 + 9;
            if bits < best.0 {
                best = (bits, Self::Lpc { predictor, residual, partitions });
            }
        }
        best.1
    }

    /// Writes the subframe of `samples`, for which it was chosen.
    pub(super) fn write(&self, samples: &[i32], bps: u32, bits: &mut BitWriter) {
        // A zero, six bits of type, and no wasted bits.
        let kind = match self {
            Self::Constant => 0,
            Self::Verbatim => 1,
            Self::Fixed { order, .. } => 8 + *order as u32,
            Self::Lpc { .. } => 32 + ORDER as u32 - 1,
        };
        bits.put(kind << 1, 8);
        let warm_up = match self {
            Self::Constant => 1,
            Self::Verbatim => samples.len(),
            Self::Fixed { order, .. } => *order,
            Self::Lpc { .. } => ORDER,
        };
        samples[..warm_up].iter().for_each(|&x| bits.put_signed(x, bps));
        match self {
            Self::Constant | Self::Verbatim => {}
            Self::Fixed { residual, partitions, .. } => partitions.write(residual, samples.len(), bits),
            Self::Lpc { predictor, residual, partitions } => {
                bits.put(PRECISION - 1, 4);
                bits.put(predictor.shift, 5);
                predictor.coefficients.iter().for_each(|&c| bits.put_signed(c, PRECISION));
                partitions.write(residual, samples.len(), bits);
            }
        }
    }
}
