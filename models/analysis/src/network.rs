//! Small networks whose weights are part of the program: one hidden layer of hyperbolic tangents.

/// Weights as `training/train.py` writes them.
pub(crate) struct Network {
    /// Subtracted from the inputs, which are then multiplied by `scale`.
    pub(crate) mean: &'static [f32],
    pub(crate) scale: &'static [f32],
    /// One row per hidden unit: weights of the inputs, then the bias.
    pub(crate) hidden: &'static [&'static [f32]],
    /// One row per output: weights of the hidden units, of the inputs, then the bias.
    pub(crate) output: &'static [&'static [f32]],
}

/// Inputs further out than this, in deviations of the training songs, count as this far.
const FURTHEST: f32 = 4.0;

impl Network {
    /// Outputs of the network, before any softmax.
    pub(crate) fn run<const N: usize>(&self, inputs: &[f32]) -> [f32; N] {
        let scaled = inputs.iter().zip(self.mean).zip(self.scale);
        let inputs: Vec<f32> = scaled.map(|((x, m), s)| ((x - m) * s).clamp(-FURTHEST, FURTHEST)).collect();
        let dot =
            |weights: &[f32], values: &[f32]| weights.iter().zip(values).map(|(w, v)| w * v).sum::<f32>();
        let layer = |row: &[f32], values: &[f32]| dot(row, values) + row.last().copied().unwrap_or_default();
        let mut values: Vec<f32> = self.hidden.iter().map(|row| layer(row, &inputs).tanh()).collect();
        values.extend(&inputs);
        std::array::from_fn(|i| self.output.get(i).map_or(0.0, |row| layer(row, &values)))
    }
}

/// Shares that add up to 1.
pub(crate) fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().fold(f32::MIN, |a, b| a.max(*b));
    let odds: Vec<f32> = scores.iter().map(|s| (s - largest).exp()).collect();
    let total: f32 = odds.iter().sum();
    odds.iter().map(|o| o / total).collect()
}
