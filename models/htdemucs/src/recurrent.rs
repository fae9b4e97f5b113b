//! What Hybrid Demucs has in the residual branches of its inner layers: a bidirectional LSTM and local attention.

use tch::{Kind, Tensor};

use crate::{Error, Out, convolution::Conv, weights::Weights};

/// Longest sequence that the LSTM sees at once, in frames; longer ones are cut into halfway overlapping pieces.
const STEPS: i64 = 200;

/// Layers of the LSTM.
const LAYERS: usize = 2;

/// Heads of the attention.
const HEADS: i64 = 4;

/// A bidirectional LSTM with a projection back to its width, and a residual connection.
pub(crate) struct Blstm {
    params: Vec<Tensor>,
    weight: Tensor,
    bias: Tensor,
}

impl Blstm {
    pub(crate) fn new(weights: &mut Weights, name: &str) -> Result<Self, Error> {
        let mut params = Vec::new();
        for layer in 0..LAYERS {
            for direction in ["", "_reverse"] {
                for part in ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] {
                    params.push(weights.take(&format!("{name}.lstm.{part}_l{layer}{direction}"))?);
                }
            }
        }
        let (weight, bias) =
            (weights.take(&format!("{name}.linear.weight"))?, weights.take(&format!("{name}.linear.bias"))?);
        Ok(Self { params, weight, bias })
    }

    /// `[batch, channels, time]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Out {
        let (batch, channels, time) = x.size3()?;
        let framed = time > STEPS;
        let (half, quarter) = (STEPS / 2, STEPS / 4);
        let count = (time + half - 1) / half;
        let frames = if framed {
            let padded = x.f_constant_pad_nd([0, (count - 1) * half + STEPS - time])?;
            padded.f_unfold(2, STEPS, half)?.f_permute([0, 2, 1, 3])?.f_reshape([-1, channels, STEPS])?
        } else {
            x.shallow_clone()
        };
        let steps = frames.f_permute([2, 0, 1])?;
        let zero = Tensor::f_zeros([2 * LAYERS as i64, steps.size()[1], channels], (x.kind(), x.device()))?;
        let (y, _, _) = steps.f_lstm(
            &[zero.shallow_clone(), zero],
            &self.params,
            true,
            LAYERS as i64,
            0.0,
            false,
            true,
            false,
        )?;
        let y = y.f_linear(&self.weight, Some(&self.bias))?.f_permute([1, 2, 0])?;
        let y = if framed {
            // each piece keeps its middle; the first and the last keep their outer ends too
            let y = y.f_reshape([batch, count, channels, STEPS])?;
            let parts = (0..count).map(|k| {
                let from = if k == 0 { 0 } else { quarter };
                let to = if k == count - 1 && k != 0 { STEPS } else { STEPS - quarter };
                Ok(y.f_select(1, k)?.f_narrow(2, from, to - from)?)
            });
            let parts = parts.collect::<Result<Vec<_>, Error>>()?;
            Tensor::f_cat(&parts, -1)?.f_narrow(-1, 0, time)?
        } else {
            y
        };
        Ok(x.f_add(&y)?)
    }
}

/// Attention that data steer and distance dampens, with a residual connection (Défossez 2021, section 3.3).
pub(crate) struct LocalState {
    content: Conv,
    query: Conv,
    key: Conv,
    query_decay: Conv,
    proj: Conv,
}

impl LocalState {
    pub(crate) fn new(weights: &mut Weights, name: &str) -> Result<Self, Error> {
        let mut conv = |part: &str| Conv::pointwise(weights, &format!("{name}.{part}"));
        Ok(Self {
            content: conv("content")?,
            query: conv("query")?,
            key: conv("key")?,
            query_decay: conv("query_decay")?,
            proj: conv("proj")?,
        })
    }

    /// `[batch, channels, time]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Out {
        let (batch, _, time) = x.size3()?;
        let heads = |y: Tensor| -> Out { Ok(y.f_view([batch, HEADS, -1, time])?) };
        let (query, key) = (heads(self.query.forward(x)?)?, heads(self.key.forward(x)?)?);
        // rows are keys, columns are queries
        let scale = (key.size()[2] as f64).sqrt();
        let dots = key.f_transpose(2, 3)?.f_matmul(&query)?.f_div_scalar(scale)?;
        let at = Tensor::f_arange(time, (x.kind(), x.device()))?;
        let distance = at.f_unsqueeze(1)?.f_sub(&at.f_unsqueeze(0)?)?.f_abs()?;
        let decay = heads(self.query_decay.forward(x)?)?.f_sigmoid()?.f_div_scalar(2.0)?;
        let count = decay.size()[2];
        // the sum over the decays 1…count of decay · query, which does not depend on the distance
        let rates = Tensor::f_arange_start(1, count + 1, (x.kind(), x.device()))?.f_view([1, 1, count, 1])?;
        let rates = decay.f_mul(&rates)?.f_sum_dim_intlist([2i64].as_slice(), true, None::<Kind>)?;
        let slope = rates.f_div_scalar(-(count as f64).sqrt())?;
        let dots = dots.f_add(&distance.f_mul(&slope)?)?;
        let diagonal = Tensor::f_eye(time, (Kind::Bool, x.device()))?;
        let weights = dots.f_masked_fill(&diagonal, -100.0)?.f_softmax(2, None::<Kind>)?;
        let content = heads(self.content.forward(x)?)?;
        let result = content.f_matmul(&weights)?.f_reshape([batch, -1, time])?;
        Ok(x.f_add(&self.proj.forward(&result)?)?)
    }
}
