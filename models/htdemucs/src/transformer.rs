//! The cross-domain transformer between encoder and decoder of HTDemucs: layers that attend to their own branch and
//! layers that attend to the other one, in turn.

use tch::{Device, Kind, Tensor};

use crate::{
    Error, Out,
    attention::{self, Rows},
    config::Transformer as Config,
    onednn::{self, After},
    weights::Weights,
};

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

/// A product with weights `[out, in]`, packed where that can be had.
struct Linear {
    weight: Tensor,
    bias: Tensor,
    /// What it computes in, if packed.
    packed: Option<Kind>,
}

impl Linear {
    /// `scale`: what each output is multiplied with.
    fn new(weights: &mut Weights, name: &str, scale: Option<&Tensor>) -> Result<Self, Error> {
        let (weight, bias) =
            (weights.take(&format!("{name}.weight"))?, weights.take(&format!("{name}.bias"))?);
        let kind = weights.products();
        match scale {
            Some(scale) => Self::of(&weight.f_mul(&scale.f_unsqueeze(1)?)?, &bias.f_mul(scale)?, kind),
            None => Self::of(&weight, &bias, kind),
        }
    }

    fn of(weight: &Tensor, bias: &Tensor, kind: Kind) -> Result<Self, Error> {
        if !onednn::packs(weight) {
            return Ok(Self { weight: weight.f_contiguous()?, bias: bias.f_contiguous()?, packed: None });
        }
        let weight = onednn::pack_linear(&weight.f_to_kind(kind)?.f_contiguous()?)?;
        Ok(Self { weight, bias: bias.f_to_kind(kind)?.f_contiguous()?, packed: Some(kind) })
    }

    /// In the kind that it computes in, unless something of another kind is added.
    fn forward(&self, x: &Tensor, after: After<'_>) -> Out {
        match (self.packed, after) {
            (Some(kind), After::Add(other)) if other.kind() != kind => {
                Ok(other.f_add(&self.forward(x, After::Nothing)?)?)
            }
            (Some(kind), after) => {
                onednn::linear(&x.f_to_kind(kind)?.f_contiguous()?, &self.weight, &self.bias, after)
            }
            (None, after) => {
                let y = x.f_linear(&self.weight, Some(&self.bias))?;
                Ok(match after {
                    After::Nothing => y,
                    After::Gelu => y.f_gelu("none")?,
                    After::Add(other) => y.f_add(other)?,
                })
            }
        }
    }
}

/// Multi-head attention (Vaswani et al. 2017).
struct Attention {
    heads: i64,
    /// Query, key and value in one; of two branches the query, and key and value.
    project: Vec<Linear>,
    out: Linear,
}

impl Attention {
    fn new(
        weights: &mut Weights,
        name: &str,
        config: &Config,
        cross: bool,
        scale: Option<&Tensor>,
    ) -> Result<Self, Error> {
        let weight = weights.take(&format!("{name}.in_proj_weight"))?;
        let bias = weights.take(&format!("{name}.in_proj_bias"))?;
        let width = bias.size1()? / 3;
        let kind = weights.products();
        let part = |from, parts| {
            let (from, rows) = (from * width, parts * width);
            Linear::of(&weight.f_narrow(0, from, rows)?, &bias.f_narrow(0, from, rows)?, kind)
        };
        let project = if cross { vec![part(0, 1)?, part(1, 2)?] } else { vec![part(0, 3)?] };
        Ok(Self {
            heads: config.heads,
            project,
            out: Linear::new(weights, &format!("{name}.out_proj"), scale)?,
        })
    }

    /// `[batch, time, channels]` added to `residual`; `other` of its own length is what is attended to, `x` itself when
    /// there is none.
    fn forward(&self, x: &Tensor, other: Option<&Tensor>, residual: &Tensor) -> Out {
        let first = self.project[0].forward(x, After::Nothing)?;
        let second = match (other, self.project.get(1)) {
            (Some(other), Some(project)) => Some(project.forward(other, After::Nothing)?),
            _ => None,
        };
        let channels = x.size3()?.2;
        let dim = channels / self.heads;
        let y = if x.kind() == Kind::Float && x.device() == Device::Cpu && attention::fits(dim as usize) {
            let first = first.f_to_kind(Kind::Float)?;
            let second = second.map(|second| second.f_to_kind(Kind::Float)).transpose()?;
            self.in_cache(&first, second.as_ref(), channels)?
        } else {
            self.by_libtorch(&first, second.as_ref(), channels)?
        };
        self.out.forward(&y, After::Add(residual))
    }

    fn in_cache(&self, first: &Tensor, second: Option<&Tensor>, channels: i64) -> Out {
        let (batch, time, _) = first.size3()?;
        let (heads, width) = (self.heads as usize, channels as usize);
        // key and value follow the query in one product, or begin another one
        let (other, from) = second.map_or((first, width), |second| (second, 0));
        let rows = |x| -> Result<Rows<'_>, Error> {
            let (_, count, stride) = Tensor::size3(x)?;
            Ok(Rows { samples: onednn::samples(x)?, from: 0, stride: stride as usize, count: count as usize })
        };
        let (first, other) = (rows(first)?, rows(other)?);
        let mut out = Tensor::f_empty([batch, time, channels], (Kind::Float, Device::Cpu))?;
        for (at, out) in onednn::samples_mut(&mut out)?.chunks_exact_mut(first.count * width).enumerate() {
            let sides = [first.from(at, 0), other.from(at, from), other.from(at, from + width)];
            attention::attend(sides, heads, width / heads, out);
        }
        Ok(out)
    }

    fn by_libtorch(&self, first: &Tensor, second: Option<&Tensor>, channels: i64) -> Out {
        let part = |x: &Tensor, at: i64| -> Out {
            let y = x.f_narrow(2, at * channels, channels)?;
            let (batch, time, _) = y.size3()?;
            Ok(y.f_view([batch, time, self.heads, channels / self.heads])?.f_transpose(1, 2)?)
        };
        let ([query, key, value], time) = match second {
            None => ([part(first, 0)?, part(first, 1)?, part(first, 2)?], first.size3()?.1),
            Some(second) => ([part(first, 0)?, part(second, 0)?, part(second, 1)?], first.size3()?.1),
        };
        let y = Tensor::f_scaled_dot_product_attention(
            &query,
            &key,
            &value,
            None::<&Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        )?;
        Ok(y.f_transpose(1, 2)?.f_reshape([-1, time, channels])?)
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
    norm_first: bool,
    gelu: bool,
}

impl Layer {
    fn new(weights: &mut Weights, name: &str, config: &Config, cross: bool) -> Result<Self, Error> {
        let attention = format!("{name}.{}", if cross { "cross_attn" } else { "self_attn" });
        // the scales of what is added are part of the products before
        let scale = weights.take_if(&format!("{name}.gamma_1.scale"))?;
        let scale_linear = weights.take_if(&format!("{name}.gamma_2.scale"))?;
        let mut layer = Self {
            cross,
            attention: Attention::new(weights, &attention, config, cross, scale.as_ref())?,
            linear: [
                Linear::new(weights, &format!("{name}.linear1"), None)?,
                Linear::new(weights, &format!("{name}.linear2"), scale_linear.as_ref())?,
            ],
            norms: Vec::new(),
            norm_out: None,
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
        let attend = |x: &Tensor, other: &Tensor, residual: &Tensor| {
            self.attention.forward(x, self.cross.then_some(other), residual)
        };
        if self.norm_first {
            let other = if self.cross { self.norms[1].forward(other)? } else { other.shallow_clone() };
            let x = attend(&self.norms[0].forward(x)?, &other, x)?;
            let last = &self.norms[self.norms.len() - 1];
            let x = self.feed_forward(&last.forward(&x)?, &x)?;
            return self.norm_out.as_ref().map_or(Ok(x.shallow_clone()), |norm| norm.forward(&x));
        }
        let x = self.norms[0].forward(&attend(x, other, x)?)?;
        self.norms[1].forward(&self.feed_forward(&x, &x)?)
    }

    fn feed_forward(&self, x: &Tensor, residual: &Tensor) -> Out {
        let [first, second] = &self.linear;
        let y = if self.gelu {
            first.forward(x, After::Gelu)?
        } else {
            first.forward(x, After::Nothing)?.f_relu()?
        };
        second.forward(&y, After::Add(residual))
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
