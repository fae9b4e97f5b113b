//! Decimation by two with a half-band low-pass.

/// Taps to either side of the centre, an odd number. With a Kaiser window of this shape: 0.05 dB up to 0.42 of the
/// new rate, −80 dB from 0.58 of it on.
const REACH: usize = 31;
/// Taps that are not zero, the centre left out.
const TAPS: usize = REACH + 1;
/// Sums that are added up side by side.
const LANES: usize = 8;
/// Shape of the Kaiser window.
const BETA: f64 = 8.0;

/// Halves a sample rate. Output `n` lies at input `2n`: the filter's delay is taken out.
pub(crate) struct Halver {
    /// The taps at odd distances from the centre, from left to right; those at even distances are zero.
    taps: [f32; TAPS],
    /// The last inputs, of which the first is the leftmost that the next output needs.
    held: Vec<f32>,
    /// Every second one of these.
    even: Vec<f32>,
}

impl Halver {
    pub(crate) fn new() -> Self {
        let window = |d: usize| {
            let x = d as f64 / (REACH + 1) as f64;
            bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA)
        };
        let tap = |d: usize| {
            let x = std::f64::consts::FRAC_PI_2 * d as f64;
            0.5 * x.sin() / x * window(d)
        };
        let taps: [f64; TAPS] = std::array::from_fn(|i| tap(REACH.abs_diff(2 * i)));
        // unity at 0 Hz, next to the centre tap of one half
        let scale = 0.5 / taps.iter().sum::<f64>();
        Self { taps: taps.map(|t| (t * scale) as f32), held: vec![0.0; REACH], even: Vec::new() }
    }

    /// Appends what `input` completes to `out`.
    pub(crate) fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.held.extend_from_slice(input);
        let outputs = self.held.len().saturating_sub(2 * REACH).div_ceil(2);
        // The centre is at an odd place and the taps that are not zero are at even ones: apart, each is a plain
        // sum over neighbours.
        self.even.clear();
        self.even.extend(self.held.iter().step_by(2));
        for n in 0..outputs {
            let mut sums = [0.0f32; LANES];
            let span = self.even[n..n + TAPS].chunks_exact(LANES);
            for (span, taps) in span.zip(self.taps.chunks_exact(LANES)) {
                for ((sum, s), t) in sums.iter_mut().zip(span).zip(taps) {
                    *sum += s * t;
                }
            }
            out.push(sums.iter().sum::<f32>() + 0.5 * self.held[2 * n + REACH]);
        }
        self.held.drain(..2 * outputs);
    }

    /// Appends the last outputs.
    pub(crate) fn finish(&mut self, out: &mut Vec<f32>) {
        self.push(&[0.0; REACH], out);
    }
}

/// Modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_after(frequency: f64) -> f32 {
        let input: Vec<f32> =
            (0..4096).map(|i| (std::f64::consts::TAU * frequency * f64::from(i)).sin() as f32).collect();
        let mut out = Vec::new();
        let mut halver = Halver::new();
        halver.push(&input, &mut out);
        halver.finish(&mut out);
        assert_eq!(out.len(), 2048);
        // samples need not meet the peaks, so the effective value says the amplitude
        (out[100..1900].iter().map(|s| s * s).sum::<f32>() / 900.0).sqrt()
    }

    #[test]
    fn keeps_what_fits_and_removes_what_would_fold() {
        assert!((level_after(0.01) - 1.0).abs() < 0.005);
        assert!((level_after(0.2) - 1.0).abs() < 0.01);
        assert!(level_after(0.3) < 2e-4);
    }

    #[test]
    fn has_no_delay() {
        let mut input = vec![0.0; 400];
        input[200] = 1.0;
        let mut out = Vec::new();
        Halver::new().push(&input, &mut out);
        let peak = (0..out.len()).max_by(|a, b| out[*a].total_cmp(&out[*b]));
        assert_eq!(peak, Some(100));
    }
}
