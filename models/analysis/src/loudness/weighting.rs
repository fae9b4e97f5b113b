//! The K-weighting of ITU-R BS.1770: a shelf for the head, then a high-pass.

/// Channels side by side; mono leaves the second at zero.
type Pair = [f64; 2];

/// Below this a state is silence. Without an end to their decay the states would slow the processor down.
const SILENT: f64 = 1e-30;

/// One second-order section, in the transposed second direct form.
#[derive(Debug, Clone, Copy)]
struct Section {
    b: [f64; 3],
    a: [f64; 2],
    state: [Pair; 2],
}

impl Section {
    fn new(b: [f64; 3], a: [f64; 2]) -> Self {
        Self { b, a, state: [[0.0; 2]; 2] }
    }

    fn step(&mut self, x: Pair) -> Pair {
        let [near, far] = &mut self.state;
        let mut out = [0.0; 2];
        for c in 0..2 {
            let y = self.b[0] * x[c] + near[c];
            near[c] = self.b[1] * x[c] - self.a[0] * y + far[c];
            far[c] = self.b[2] * x[c] - self.a[1] * y;
            out[c] = y;
        }
        out
    }
}

/// The filter of up to two channels.
pub(super) struct Weighting {
    sections: [Section; 2],
}

impl Weighting {
    /// The analogue prototypes behind the coefficients that the recommendation gives for 48 kHz, at any rate.
    pub(super) fn new(sample_rate: u32) -> Self {
        let at = |frequency: f64| (std::f64::consts::PI * frequency / f64::from(sample_rate)).tan();
        let (k, q) = (at(1681.974450955533), 0.7071752369554196);
        let high = 10f64.powf(3.999843853973347 / 20.0);
        let band = high.powf(0.4996667741545416);
        let unit = 1.0 + k / q + k * k;
        let shelf = Section::new(
            [
                (high + band * k / q + k * k) / unit,
                2.0 * (k * k - high) / unit,
                (high - band * k / q + k * k) / unit,
            ],
            [2.0 * (k * k - 1.0) / unit, (1.0 - k / q + k * k) / unit],
        );
        let (k, q) = (at(38.13547087602444), 0.5003270373238773);
        let unit = 1.0 + k / q + k * k;
        let pass = Section::new([1.0, -2.0, 1.0], [2.0 * (k * k - 1.0) / unit, (1.0 - k / q + k * k) / unit]);
        Self { sections: [shelf, pass] }
    }

    /// Sum of the weighted squares of one or two interleaved channels.
    pub(super) fn energy(&mut self, interleaved: &[f32], channels: usize) -> f64 {
        let [shelf, pass] = &mut self.sections;
        let mut sums = [0.0; 2];
        let mut take = |x: Pair| {
            let y = pass.step(shelf.step(x));
            sums[0] += y[0] * y[0];
            sums[1] += y[1] * y[1];
        };
        if channels == 2 {
            interleaved.as_chunks::<2>().0.iter().for_each(|s| take(s.map(f64::from)));
        } else {
            interleaved.iter().for_each(|s| take([f64::from(*s), 0.0]));
        }
        for state in self.sections.iter_mut().flat_map(|s| s.state.as_flattened_mut()) {
            if state.abs() < SILENT {
                *state = 0.0;
            }
        }
        sums[0] + sums[1]
    }
}
