use super::{bus::Bus, dsp::Smooth};

/// Delays in samples, mutually prime, 25 to 49 ms.
const DELAYS: [usize; 8] = [1103, 1237, 1381, 1493, 1627, 1777, 1951, 2153];

/// Reverberation of a whole track: a feedback delay network of eight damped delays and a Householder matrix
/// (Jot & Chaigne 1991, "Digital delay networks for designing artificial reverberators").
///
/// `seconds` is the time to −60 dB at low frequencies; `damping` the time constant in seconds of the air's low-pass.
/// Returns the reverberation alone.
pub(super) fn reverberate(dry: &Bus, seconds: f64, damping: f64) -> Bus {
    let mut wet = Bus { left: vec![0.0; dry.left.len()], right: vec![0.0; dry.right.len()] };
    let mut lines: Vec<Vec<f64>> = DELAYS.iter().map(|&d| vec![0.0; d]).collect();
    let mut air = [Smooth::new(0.0, damping); 8];
    let gains = DELAYS.map(|d| 10f64.powf(-3.0 * d as f64 / (seconds * super::RATE)));
    for n in 0..dry.left.len() {
        let mut out = [0.0; 8];
        for (i, line) in lines.iter().enumerate() {
            out[i] = air[i].towards(line[n % line.len()]) * gains[i];
        }
        let mean = out.iter().sum::<f64>() / 4.0;
        let input = [f64::from(dry.left[n]), f64::from(dry.right[n])];
        for (i, line) in lines.iter_mut().enumerate() {
            let length = line.len();
            line[n % length] = out[i] - mean + input[i % 2];
        }
        wet.left[n] = (0.35 * (out[0] - out[2] + out[5] - out[7])) as f32;
        wet.right[n] = (0.35 * (out[1] - out[3] + out[4] - out[6])) as f32;
    }
    wet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::level;

    #[test]
    fn decays_by_60_db_in_its_time() {
        let mut dry = Bus::new(1.2);
        (dry.left[0], dry.right[0]) = (1.0, 1.0);
        let wet = reverberate(&dry, 1.0, 1e-6);
        let around = |at: usize| level(&wet.left[at..at + 4410]).rms;
        let fall = around(4410) - around(4410 + 22_050);
        assert!((fall - 30.0).abs() < 4.0, "{fall} dB in half the time");
        assert_ne!(wet.left, wet.right);
    }
}
