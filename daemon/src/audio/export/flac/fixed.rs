//! The fixed predictors of FLAC: polynomials through the last samples (RFC 9639, section 9.2.5).

/// Highest order of a fixed predictor.
const MAX_ORDER: usize = 4;

/// The residual of the fixed predictor of `order` for `samples`, without the warm-up: the difference of that
/// order. Samples of at most 25 bits keep it within 29 bits.
pub(super) fn residual(samples: &[i32], order: usize) -> Vec<i32> {
    let x = samples;
    let all = order..x.len();
    match order {
        0 => x.to_vec(),
        1 => all.map(|i| x[i] - x[i - 1]).collect(),
        2 => all.map(|i| x[i] - 2 * x[i - 1] + x[i - 2]).collect(),
        3 => all.map(|i| x[i] - 3 * (x[i - 1] - x[i - 2]) - x[i - 3]).collect(),
        _ => all.map(|i| x[i] - 4 * (x[i - 1] + x[i - 3]) + 6 * x[i - 2] + x[i - 4]).collect(),
    }
}

/// The order whose residual has the smallest sum of magnitudes, and that sum.
pub(super) fn best_order(samples: &[i32]) -> (usize, u64) {
    let mut sums = [0u64; MAX_ORDER + 1];
    let mut last = [0i32; MAX_ORDER];
    for (index, &sample) in samples.iter().enumerate() {
        let mut difference = sample;
        for (order, sum) in sums.iter_mut().enumerate() {
            if index >= MAX_ORDER {
                *sum += u64::from(difference.unsigned_abs());
            }
            if order < MAX_ORDER {
                let next = difference - last[order];
                last[order] = difference;
                difference = next;
            }
        }
    }
    let usable = sums.into_iter().enumerate().take(samples.len());
    usable.min_by_key(|&(_, sum)| sum).unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polynomial_has_no_residual_at_its_order() {
        let cube: Vec<i32> = (0..100).map(|i| i * i * i - 7 * i).collect();
        assert!(residual(&cube, 4).iter().all(|&r| r == 0));
        assert_eq!(residual(&cube, 3), [6; 97]);
        assert_eq!(best_order(&cube), (4, 0));
        assert_eq!(best_order(&cube[..2]).0, 0);
    }

    #[test]
    fn the_largest_side_signal_does_not_overflow() {
        let square: Vec<i32> = (0..64).map(|i| if i % 2 == 0 { 16_777_215 } else { -16_777_216 }).collect();
        assert!((0..=4).all(|order| residual(&square, order).len() == 64 - order));
        assert_eq!(best_order(&square).0, 0);
    }
}
