//! The classifier: statistics of the bands of a window, one hidden layer of hyperbolic tangents.
//!
//! Written by `training/instruments.py`, which says how the weights lie in the file.

use std::sync::LazyLock;

use super::mel::{BANDS, STATISTICS};

/// What is told apart.
pub(super) const OUTPUTS: usize = 11;
const INPUTS: usize = STATISTICS * BANDS;
const HIDDEN: usize = 40;

static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::new(include_bytes!("weights.bin")));

/// Probability of each label in a window.
pub(super) fn run(inputs: &[f32; INPUTS]) -> [f32; OUTPUTS] {
    NETWORK.run(inputs)
}

/// Weights and bias of the hidden units; weights of these and of the inputs, and bias, of the outputs.
struct Network([Vec<f32>; 5]);

impl Network {
    fn new(mut bytes: &[u8]) -> Self {
        let sizes = [INPUTS * HIDDEN, HIDDEN, HIDDEN * OUTPUTS, INPUTS * OUTPUTS, OUTPUTS];
        Self(sizes.map(|count| {
            let (scale, rest) = bytes.split_first_chunk().unwrap_or((&[0; 4], &[]));
            let (values, rest) = rest.split_at((2 * count).min(rest.len()));
            bytes = rest;
            let scale = f32::from_le_bytes(*scale);
            let mut values: Vec<f32> =
                values.as_chunks().0.iter().map(|v| f32::from(i16::from_le_bytes(*v)) * scale).collect();
            values.resize(count, 0.0);
            values
        }))
    }

    fn run(&self, inputs: &[f32; INPUTS]) -> [f32; OUTPUTS] {
        let Self([hidden, hidden_bias, by_hidden, by_input, bias]) = self;
        let dot =
            |weights: &[f32], values: &[f32]| weights.iter().zip(values).map(|(w, v)| w * v).sum::<f32>();
        let units = hidden.chunks_exact(INPUTS).zip(hidden_bias);
        let units: Vec<f32> = units.map(|(row, bias)| (dot(row, inputs) + bias).tanh()).collect();
        std::array::from_fn(|i| {
            let odds = dot(&by_hidden[i * HIDDEN..(i + 1) * HIDDEN], &units)
                + dot(&by_input[i * INPUTS..(i + 1) * INPUTS], inputs)
                + bias[i];
            1.0 / (1.0 + (-odds).exp())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_every_weight() {
        let count = INPUTS * HIDDEN + HIDDEN + HIDDEN * OUTPUTS + INPUTS * OUTPUTS + OUTPUTS;
        assert_eq!(include_bytes!("weights.bin").len(), 5 * 4 + 2 * count);
        assert!(NETWORK.0.iter().flatten().all(|w| w.is_finite()));
    }
}
