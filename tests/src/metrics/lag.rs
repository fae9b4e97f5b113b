use realfft::RealFftPlanner;

/// Where one signal fits another best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// Samples by which the second signal comes later; negative when it comes earlier.
    pub samples: i64,
    /// Correlation there, `-1..=1`: 1 when the second is a delayed, positively scaled copy of the first.
    pub correlation: f64,
}

/// Lag of `estimate` behind `reference` (one channel each) from the peak of their cross-correlation
/// `c[k] = Σ reference[n]·estimate[n + k]`, for all `k`, by FFT. `None` when either is silent.
#[must_use]
pub fn lag(reference: &[f32], estimate: &[f32]) -> Option<Lag> {
    let size = (reference.len() + estimate.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let transform = |signal: &[f32]| {
        let mut padded = signal.to_vec();
        padded.resize(size, 0.0);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut padded, &mut spectrum).ok()?;
        Some(spectrum)
    };
    let mut product: Vec<_> =
        transform(reference)?.iter().zip(transform(estimate)?).map(|(r, e)| r.conj() * e).collect();
    let mut correlation = inverse.make_output_vec();
    // Rounding leaves a trace of an imaginary part where a real signal has none.
    product[0].im = 0.0;
    product[size / 2].im = 0.0;
    inverse.process(&mut product, &mut correlation).ok()?;

    let norm = |signal: &[f32]| signal.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>().sqrt();
    let scale = norm(reference) * norm(estimate) * size as f64;
    let (at, &peak) = correlation.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let samples = if at < size / 2 { at as i64 } else { at as i64 - size as i64 };
    (scale > 0.0).then_some(Lag { samples, correlation: f64::from(peak) / scale })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn finds_delay_and_advance() {
        let mut rng = Rng::new(5);
        let noise: Vec<f32> = (0..5000).map(|_| rng.noise() as f32).collect();
        let mut late = vec![0.0; 529];
        late.extend(noise.iter().map(|s| s * 0.3));
        let found = lag(&noise, &late).unwrap();
        assert_eq!(found.samples, 529);
        assert!((found.correlation - 1.0).abs() < 1e-6, "{found:?}");
        assert_eq!(lag(&late, &noise).unwrap().samples, -529);
        assert_eq!(lag(&noise, &noise).unwrap().samples, 0);
        assert_eq!(lag(&noise, &[0.0; 8]), None);
    }
}
