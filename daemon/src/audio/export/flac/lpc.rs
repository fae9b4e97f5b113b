//! Linear prediction with quantised coefficients (RFC 9639, section 9.2.6).

/// Order of the predictor; the streamable subset allows 12 up to 48 kHz.
pub(super) const ORDER: usize = 8;
/// Bits of a quantised coefficient.
pub(super) const PRECISION: u32 = 14;
/// Largest shift that the format can state.
const MAX_SHIFT: i32 = 15;

/// A predictor with integer coefficients, the newest sample's first.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Predictor {
    /// Coefficients of [`PRECISION`] bits, at most [`ORDER`].
    pub(super) coefficients: Vec<i32>,
    /// Bits by which the sum of products is shifted right.
    pub(super) shift: u32,
}

/// The window under which the autocorrelation of a block is taken: a parabola (Welch), which costs little and
/// leaks less than a rectangle.
#[derive(Debug, Default)]
pub(super) struct Window {
    weights: Vec<f64>,
    windowed: Vec<f64>,
}

impl Window {
    /// The autocorrelation of `samples` at lags 0 to [`ORDER`].
    fn autocorrelation(&mut self, samples: &[i32]) -> [f64; ORDER + 1] {
        let length = samples.len();
        if self.weights.len() != length {
            let half = (length as f64 - 1.0) / 2.0;
            let weight = |i: usize| 1.0 - ((i as f64 - half) / (half + 1.0)).powi(2);
            self.weights = (0..length).map(weight).collect();
        }
        self.windowed.clear();
        self.windowed.extend(samples.iter().zip(&self.weights).map(|(&x, w)| f64::from(x) * w));
        let x = &self.windowed;
        let mut sums = [0.0; ORDER + 1];
        for end in ORDER..length {
            for (lag, sum) in sums.iter_mut().enumerate() {
                *sum += x[end] * x[end - lag];
            }
        }
        sums
    }

    /// The predictor of [`ORDER`] that fits `samples` best; nothing if there is none worth quantising.
    pub(super) fn predictor(&mut self, samples: &[i32]) -> Option<Predictor> {
        quantise(&levinson_durbin(&self.autocorrelation(samples)))
    }
}

/// Solves the normal equations of linear prediction for an autocorrelation. What is predicted all but perfectly by
/// fewer coefficients gets no more of them, as rounding errors would decide about the rest.
fn levinson_durbin(autocorrelation: &[f64; ORDER + 1]) -> [f64; ORDER] {
    let mut coefficients = [0.0; ORDER];
    let mut error = autocorrelation[0];
    for order in 0..ORDER {
        if error <= autocorrelation[0] * 1e-12 {
            break;
        }
        let predicted: f64 = (0..order).map(|j| coefficients[j] * autocorrelation[order - j]).sum();
        let reflection = (autocorrelation[order + 1] - predicted) / error;
        let previous = coefficients;
        for j in 0..order {
            coefficients[j] = previous[j] - reflection * previous[order - 1 - j];
        }
        coefficients[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    coefficients
}

/// Rounds coefficients to integers with a common shift, carrying each rounding error into the next one.
fn quantise(coefficients: &[f64; ORDER]) -> Option<Predictor> {
    let largest = coefficients.iter().fold(0.0f64, |largest, c| largest.max(c.abs()));
    if largest <= 0.0 || !largest.is_finite() {
        return None;
    }
    let shift = (PRECISION as i32 - 2 - largest.log2().floor() as i32).min(MAX_SHIFT);
    let shift = u32::try_from(shift).ok()?;
    let limit = f64::from(1i32 << (PRECISION - 1));
    let mut carried = 0.0;
    let round = |c: &f64| {
        carried += c * f64::from(1u32 << shift);
        let integer = carried.round().clamp(-limit, limit - 1.0);
        carried -= integer;
        integer as i32
    };
    Some(Predictor { coefficients: coefficients.iter().map(round).collect(), shift })
}

impl Predictor {
    /// The residual for `samples`, without the warm-up; nothing if it does not fit 31 bits and a sign.
    pub(super) fn residual(&self, samples: &[i32]) -> Option<Vec<i32>> {
        let coefficients: [i64; ORDER] = std::array::from_fn(|i| i64::from(self.coefficients[ORDER - 1 - i]));
        let predict = |history: &[i32]| {
            let products = history.iter().zip(coefficients).map(|(&x, c)| i64::from(x) * c);
            products.sum::<i64>() >> self.shift
        };
        let windows = samples.windows(ORDER + 1);
        windows
            .map(|w| i32::try_from(i64::from(w[ORDER]) - predict(&w[..ORDER])).ok().filter(|&r| r > i32::MIN))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resonance_is_predicted() {
        let samples: Vec<i32> = (0..4096).map(|i| ((f64::from(i) * 0.3).sin() * 8e6) as i32).collect();
        let predictor = Window::default().predictor(&samples).unwrap();
        assert!(predictor.coefficients.iter().all(|c| (-8192..8192).contains(c)));
        let residual = predictor.residual(&samples).unwrap();
        assert_eq!(residual.len(), 4096 - ORDER);
        let loudest = residual.iter().map(|r| r.unsigned_abs()).max().unwrap();
        assert!(loudest < 100_000, "{loudest}");
    }

    #[test]
    fn silence_has_no_predictor() {
        assert_eq!(Window::default().predictor(&[0; 64]), None);
    }
}
