//! The cross-domain transformer between encoder and decoder of HTDemucs: layers that attend to their own branch and
//! layers that attend to the other one, in turn.

use tch::{Device, Kind, Tensor};

use crate::{Error, Out, config::Transformer as Config, weights::Weights};

/// Layer normalisation (Ba, Kiros, Hinton 2016).
struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    fn new(weights: &mut Weights, name: &str) -> Result<Self, Error> {
        Ok(Self {
            weight: weights.take(&format!("{name}.weight"))?,
            bias: weights.take(&format!("{name}.bias"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Out {
        Ok(x.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), 1e-5, false)?)
    }
}

/// Group normalisation of `[batch, time, channels]` over time and channels.
struct TimeNorm {
    groups: i64,
    weight: Tensor,
    bias: Tensor,
}

impl TimeNorm {
    fn forward(&self, x: &Tensor) -> Out {
        if self.groups == 1 {
            // one group: the same numbers as a layer norm over both axes, without the two transpositions
            let x = x.f_layer_norm(&x.size()[1..], None::<&Tensor>, None::<&Tensor>, 1e-5, false)?;
            return Ok(self.bias.f_addcmul(&x, &self.weight)?);
        }
        let x = x.f_transpose(1, 2)?;
        Ok(x.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), 1e-5, false)?
            .f_transpose(1, 2)?)
    }
}

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn new(weights: &mut Weights, name: &str) -> Result<Self, Error> {
        Ok(Self {
            weight: weights.take(&format!("{name}.weight"))?,
            bias: weights.take(&format!("{name}.bias"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Out {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// Multi-head attention (Vaswani et al. 2017).
struct Attention {
    heads: i64,
    /// Projections of query, key and value, in this order along the first axis.
    project: Linear,
    out: Linear,
}

impl Attention {
    fn new(weights: &mut Weights, name: &str, heads: i64) -> Result<Self, Error> {
        let project = Linear {
            weight: weights.take(&format!("{name}.in_proj_weight"))?,
            bias: weights.take(&format!("{name}.in_proj_bias"))?,
        };
        Ok(Self { heads, project, out: Linear::new(weights, &format!("{name}.out_proj"))? })
    }

    /// `[batch, time, channels]`; `other` of its own length is what is attended to, `x` itself when there is none.
    fn forward(&self, x: &Tensor, other: Option<&Tensor>) -> Out {
        let (batch, time, channels) = x.size3()?;
        let part = |x: &Tensor, from: i64, parts: i64| -> Result<Vec<Tensor>, Error> {
            let weight = self.project.weight.f_narrow(0, from * channels, parts * channels)?;
            let bias = self.project.bias.f_narrow(0, from * channels, parts * channels)?;
            let y = x.f_linear(&weight, Some(&bias))?;
            let y = y.f_view([batch, x.size()[1], parts, self.heads, channels / self.heads])?;
            let y = y.f_permute([2, 0, 3, 1, 4])?;
            (0..parts).map(|part| Ok(y.f_select(0, part)?)).collect()
        };
        let projected = match other {
            None => part(x, 0, 3)?,
            Some(other) => {
                let mut projected = part(x, 0, 1)?;
                projected.extend(part(other, 1, 2)?);
                projected
            }
        };
        let [query, key, value] = &projected[..] else { return Err(Error::Shape("attention")) };
        let y = Tensor::f_scaled_dot_product_attention(
            query,
            key,
            value,
            None::<&Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        )?;
        self.out.forward(&y.f_transpose(1, 2)?.f_reshape([batch, time, channels])?)
    }
}

/// A layer of one branch.
struct Layer {
    /// Attends to the other branch instead of its own.
    cross: bool,
    attention: Attention,
    linear: [Linear; 2],
    /// Of the query, of the other branch (cross layers only), before the linear part.
    norms: Vec<LayerNorm>,
    norm_out: Option<TimeNorm>,
    scales: [Option<Tensor>; 2],
    norm_first: bool,
    gelu: bool,
}

impl Layer {
    fn new(weights: &mut Weights, name: &str, config: &Config, cross: bool) -> Result<Self, Error> {
        let attention = if cross { "cross_attn" } else { "self_attn" };
        let mut layer = Self {
            cross,
            attention: Attention::new(weights, &format!("{name}.{attention}"), config.heads)?,
            linear: [
                Linear::new(weights, &format!("{name}.linear1"))?,
                Linear::new(weights, &format!("{name}.linear2"))?,
            ],
            norms: Vec::new(),
            norm_out: None,
            scales: [
                weights.take_if(&format!("{name}.gamma_1.scale"))?,
                weights.take_if(&format!("{name}.gamma_2.scale"))?,
            ],
            norm_first: config.norm_first,
            gelu: config.gelu,
        };
        for norm in 1..=if cross { 3 } else { 2 } {
            layer.norms.push(LayerNorm::new(weights, &format!("{name}.norm{norm}"))?);
        }
        if config.norm_out > 0 {
            let LayerNorm { weight, bias } = LayerNorm::new(weights, &format!("{name}.norm_out"))?;
            layer.norm_out = Some(TimeNorm { groups: config.norm_out, weight, bias });
        }
        Ok(layer)
    }

    fn forward(&self, x: &Tensor, other: &Tensor) -> Out {
        let attend = |x: &Tensor, other: &Tensor| self.attention.forward(x, self.cross.then_some(other));
        if self.norm_first {
            let other = if self.cross { self.norms[1].forward(other)? } else { other.shallow_clone() };
            let x = self.add(x, &attend(&self.norms[0].forward(x)?, &other)?, 0)?;
            let last = &self.norms[self.norms.len() - 1];
            let x = self.add(&x, &self.feed_forward(&last.forward(&x)?)?, 1)?;
            return self.norm_out.as_ref().map_or(Ok(x.shallow_clone()), |norm| norm.forward(&x));
        }
        let x = self.norms[0].forward(&self.add(x, &attend(x, other)?, 0)?)?;
        self.norms[1].forward(&self.add(&x, &self.feed_forward(&x)?, 1)?)
    }

    fn add(&self, x: &Tensor, y: &Tensor, scale: usize) -> Out {
        Ok(match &self.scales[scale] {
            Some(scale) => x.f_addcmul(y, scale)?,
            None => x.f_add(y)?,
        })
    }

    fn feed_forward(&self, x: &Tensor) -> Out {
        let y = self.linear[0].forward(x)?;
        let y = if self.gelu { y.f_gelu("none")? } else { y.f_relu()? };
        self.linear[1].forward(&y)
    }
}

/// Both branches' layers.
pub(crate) struct Transformer {
    norms: [LayerNorm; 2],
    layers: Vec<[Layer; 2]>,
    max_period: f64,
    position: f64,
}

impl Transformer {
    pub(crate) fn new(weights: &mut Weights, name: &str, config: &Config) -> Result<Self, Error> {
        let layers = (0..config.layers).map(|index| {
            let cross = index % 2 != usize::from(config.cross_first);
            Ok([
                Layer::new(weights, &format!("{name}.layers.{index}"), config, cross)?,
                Layer::new(weights, &format!("{name}.layers_t.{index}"), config, cross)?,
            ])
        });
        let layers = layers.collect::<Result<_, Error>>()?;
        Ok(Self {
            norms: [
                LayerNorm::new(weights, &format!("{name}.norm_in"))?,
                LayerNorm::new(weights, &format!("{name}.norm_in_t"))?,
            ],
            layers,
            max_period: config.max_period,
            position: config.weight_pos_embed,
        })
    }

    /// The spectrogram's branch `[batch, channels, frequency, time]` and the waveform's `[batch, channels, time]`.
    /// `tick` is called between layers.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        xt: &Tensor,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(Tensor, Tensor), Error> {
        let (batch, channels, freqs, time) = x.size4()?;
        let mut x = x.f_permute([0, 3, 2, 1])?.f_reshape([batch, time * freqs, channels])?;
        let place =
            plane_embedding(channels, freqs, time, self.max_period, x.device())?.f_to_kind(x.kind())?;
        x = self.norms[0].forward(&x)?.f_add(&place.f_mul_scalar(self.position)?)?;
        let mut xt = xt.f_transpose(1, 2)?.f_contiguous()?;
        let place =
            line_embedding(channels, xt.size()[1], self.max_period, xt.device())?.f_to_kind(xt.kind())?;
        xt = self.norms[1].forward(&xt)?.f_add(&place.f_mul_scalar(self.position)?)?;
        for [layer, layer_t] in &self.layers {
            let next = layer.forward(&x, &xt)?;
            xt = layer_t.forward(&xt, &x)?;
            x = next;
            tick()?;
        }
        let x = x.f_view([batch, time, freqs, channels])?.f_permute([0, 3, 2, 1])?;
        Ok((x, xt.f_transpose(1, 2)?))
    }
}

/// Sinusoidal positions of a line, `[1, length, channels]`: cosines, then sines.
fn line_embedding(channels: i64, length: i64, max_period: f64, device: Device) -> Out {
    let options = (Kind::Float, device);
    let half = channels / 2;
    let at = Tensor::f_arange(length, options)?.f_unsqueeze(1)?;
    let exponent = Tensor::f_arange(half, options)?.f_div_scalar((half - 1) as f64)?;
    let period = exponent.f_mul_scalar(max_period.ln())?.f_exp()?;
    let phase = at.f_div(&period)?;
    Ok(Tensor::f_cat(&[phase.f_cos()?, phase.f_sin()?], 1)?.f_unsqueeze(0)?)
}

/// Sinusoidal positions of a plane, `[1, time · freqs, channels]` with frequency the faster: the first half of the channels
/// tells the time, the second the frequency, sines and cosines in turn.
fn plane_embedding(channels: i64, freqs: i64, time: i64, max_period: f64, device: Device) -> Out {
    let options = (Kind::Float, device);
    let half = channels / 2;
    let rate = Tensor::f_arange_start_step(0, half, 2, options)?;
    let rate = rate.f_mul_scalar(-max_period.ln() / half as f64)?.f_exp()?;
    let turns = |length: i64| -> Out {
        let phase = Tensor::f_arange(length, options)?.f_unsqueeze(1)?.f_mul(&rate)?;
        Ok(Tensor::f_stack(&[phase.f_sin()?, phase.f_cos()?], 2)?.f_view([length, half])?)
    };
    let across = turns(time)?.f_unsqueeze(1)?.f_expand([time, freqs, half], false)?;
    let along = turns(freqs)?.f_unsqueeze(0)?.f_expand([time, freqs, half], false)?;
    Ok(Tensor::f_cat(&[across, along], 2)?.f_view([1, time * freqs, channels])?)
}
