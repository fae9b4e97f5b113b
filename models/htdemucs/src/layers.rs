//! Layers of both networks: norms, residual branches, encoder and decoder layers.
//!
//! Shapes: `[batch, channels, time]` in the waveform branch, `[batch, channels, frequency, time]` in the spectrogram's.

use tch::{Device, Kind, Tensor};

use crate::{
    Error, Out,
    config::Config,
    convolution::{Conv, Transposed},
    onednn,
    recurrent::{Blstm, LocalState},
    residual::{Branch, Plain},
    weights::Weights,
};

/// Group normalisation (Wu and He 2018).
pub(crate) struct GroupNorm {
    groups: i64,
    weight: Tensor,
    bias: Tensor,
}

impl GroupNorm {
    pub(crate) fn new(weights: &mut Weights, name: &str, groups: i64) -> Result<Self, Error> {
        Ok(Self {
            groups,
            weight: weights.take(&format!("{name}.weight"))?,
            bias: weights.take(&format!("{name}.bias"))?,
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Out {
        Ok(x.f_group_norm(self.groups, Some(&self.weight), Some(&self.bias), 1e-5, false)?)
    }
}

fn normalised(norm: Option<&GroupNorm>, x: &Tensor) -> Out {
    norm.map_or_else(|| Ok(x.shallow_clone()), |norm| norm.forward(x))
}

/// A residual branch: dilated convolutions at a lower width, normalised, gated and scaled.
pub(crate) struct DConv {
    layers: Vec<DConvLayer>,
    /// The same in one pass, where that can be had.
    fused: Option<Branch>,
}

struct DConvLayer {
    squeeze: Conv,
    norm: GroupNorm,
    lstm: Option<Blstm>,
    attention: Option<LocalState>,
    expand: Conv,
    norm_out: GroupNorm,
    scale: Tensor,
}

impl DConvLayer {
    /// The weights for one pass: single precision on the processor, without recurrence or attention.
    fn plain(&self) -> Result<Option<Plain>, Error> {
        let weight = &self.squeeze.weight;
        let simple = self.lstm.is_none() && self.attention.is_none();
        if !simple || weight.kind() != Kind::Float || weight.device() != Device::Cpu {
            return Ok(None);
        }
        let values =
            |tensor: &Tensor| -> Result<Vec<f32>, Error> { Ok(Vec::try_from(tensor.f_flatten(0, -1)?)?) };
        Ok(Some(Plain {
            dilation: self.squeeze.dilation as usize,
            squeeze: values(weight)?,
            squeeze_bias: values(&self.squeeze.bias)?,
            norm: [values(&self.norm.weight)?, values(&self.norm.bias)?],
            expand: values(&self.expand.weight)?,
            expand_bias: values(&self.expand.bias)?,
            norm_out: [values(&self.norm_out.weight)?, values(&self.norm_out.bias)?],
            scale: values(&self.scale)?,
        }))
    }
}

impl DConv {
    fn new(weights: &mut Weights, name: &str, config: &Config, index: usize) -> Result<Self, Error> {
        let layers = (0..config.dconv_depth.unsigned_abs()).map(|depth| {
            let name = |place: usize| format!("{name}.layers.{depth}.{place}");
            let dilation = if config.dconv_depth > 0 { 1 << depth } else { 1 };
            // the reference's sequence: what is not there leaves no gap in the numbers
            let mut place = 3;
            let mut next = || {
                place += 1;
                place - 1
            };
            Ok(DConvLayer {
                squeeze: Conv::dilated(weights, &name(0), dilation)?,
                norm: GroupNorm::new(weights, &name(1), 1)?,
                lstm: (index >= config.dconv_lstm).then(|| Blstm::new(weights, &name(next()))).transpose()?,
                attention: (index >= config.dconv_attn)
                    .then(|| LocalState::new(weights, &name(next())))
                    .transpose()?,
                expand: Conv::pointwise(weights, &name(next()))?,
                norm_out: GroupNorm::new(weights, &name(next()), 1)?,
                scale: {
                    next(); // the gate has no weights
                    weights.take(&format!("{}.scale", name(next())))?.f_unsqueeze(-1)?
                },
            })
        });
        let layers = layers.collect::<Result<Vec<_>, Error>>()?;
        let plain = layers.iter().map(DConvLayer::plain).collect::<Result<Option<Vec<_>>, Error>>()?;
        Ok(Self { layers, fused: plain.and_then(Branch::new) })
    }

    /// `[batch, channels, time]`.
    fn forward(&self, x: &Tensor) -> Out {
        let mut x = x.shallow_clone();
        for layer in &self.layers {
            let mut y = layer.norm.forward(&layer.squeeze.forward(&x)?)?.f_gelu("none")?;
            if let Some(lstm) = &layer.lstm {
                y = lstm.forward(&y)?;
            }
            if let Some(attention) = &layer.attention {
                y = attention.forward(&y)?;
            }
            let y = layer.norm_out.forward(&layer.expand.forward(&y)?)?.f_glu(1)?;
            x = x.f_addcmul(&y, &layer.scale)?;
        }
        Ok(x)
    }

    /// The same along time for each frequency of `[batch, channels, frequency, time]`.
    fn forward_each_frequency(&self, x: &Tensor) -> Out {
        let (batch, channels, freqs, time) = x.size4()?;
        let y = x.f_permute([0, 2, 1, 3])?.f_reshape([-1, channels, time])?;
        Ok(self.forward(&y)?.f_view([batch, freqs, channels, time])?.f_permute([0, 2, 1, 3])?)
    }

    fn apply(branch: Option<&Self>, x: Tensor, freq: bool) -> Out {
        match branch {
            None => Ok(x),
            Some(Self { fused: Some(fused), .. }) => {
                let mut x = x.f_contiguous()?;
                let shape = x.size();
                let rows = if freq { shape[2] } else { 1 };
                let time = shape.last().copied().unwrap_or_default();
                fused.apply(
                    onednn::samples_mut(&mut x)?,
                    rows as usize,
                    time as usize,
                    tch::get_num_threads() as usize,
                );
                Ok(x)
            }
            Some(branch) if freq => branch.forward_each_frequency(&x),
            Some(branch) => branch.forward(&x),
        }
    }
}

/// What distinguishes a layer from the others of its network.
pub(crate) struct Place {
    /// Number of the layer, counted from the input, in encoder and decoder alike.
    pub(crate) index: usize,
    /// Whether it works along frequency.
    pub(crate) freq: bool,
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    /// Whether edges are padded so that the output is the input's length over the stride.
    pub(crate) pad: bool,
    /// Only the first convolution: where the branches meet.
    pub(crate) empty: bool,
    /// About the size along frequency (one in the waveform branch) and time, where the layer is widest: an encoder's input.
    pub(crate) size: [i64; 2],
}

impl Place {
    fn padding(&self) -> i64 {
        if self.pad { self.kernel / 4 } else { 0 }
    }

    /// A value along the axis that the layer works on.
    fn along(&self, value: i64) -> Vec<i64> {
        if self.freq { vec![value, 0] } else { vec![value] }
    }

    fn strides(&self) -> Vec<i64> {
        if self.freq { vec![self.stride, 1] } else { vec![self.stride] }
    }

    fn context(&self, context: i64) -> Vec<i64> {
        vec![context; if self.freq { 2 } else { 1 }]
    }

    fn unit(&self) -> Vec<i64> {
        vec![1; if self.freq { 2 } else { 1 }]
    }

    /// The size behind the stride.
    fn inner(&self) -> [i64; 2] {
        let [freqs, time] = self.size;
        if self.freq { [freqs / self.stride, time] } else { [1, time / self.stride] }
    }
}

/// An encoder layer of either branch.
pub(crate) struct Encoder {
    place: Place,
    conv: Conv,
    norm: Option<GroupNorm>,
    dconv: Option<DConv>,
    rewrite: Option<(Conv, Option<GroupNorm>)>,
}

impl Encoder {
    pub(crate) fn new(
        weights: &mut Weights,
        name: &str,
        config: &Config,
        place: Place,
    ) -> Result<Self, Error> {
        let kind = weights.products();
        let conv =
            Conv::new(weights, &format!("{name}.conv"), place.strides(), place.along(place.padding()))?
                .packed(place.size, kind)?;
        let (mut norm, mut dconv, mut rewrite) = (None, None, None);
        if !place.empty {
            let normed = place.index >= config.norm_starts;
            let mut group =
                |name: String| normed.then(|| GroupNorm::new(weights, &name, config.norm_groups)).transpose();
            norm = group(format!("{name}.norm1"))?;
            let norm2 = if config.rewrite { group(format!("{name}.norm2"))? } else { None };
            if config.rewrite {
                let context = place.context(config.context_enc);
                let conv = Conv::new(weights, &format!("{name}.rewrite"), place.unit(), context)?;
                rewrite = Some((conv.packed(place.inner(), kind)?, norm2));
            }
            if config.dconv_encoder {
                dconv = Some(DConv::new(weights, &format!("{name}.dconv"), config, place.index)?);
            }
        }
        Ok(Self { place, conv, norm, dconv, rewrite })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.place.empty
    }

    /// `inject`: the other branch's output where they meet.
    pub(crate) fn forward(&self, x: &Tensor, inject: Option<&Tensor>) -> Out {
        let mut x = x.shallow_clone();
        if !self.place.freq {
            if x.dim() == 4 {
                let (batch, _, _, time) = x.size4()?;
                x = x.f_reshape([batch, -1, time])?;
            }
            let over = x.size().last().copied().unwrap_or_default() % self.place.stride;
            if over != 0 {
                x = x.f_constant_pad_nd([0, self.place.stride - over])?;
            }
        }
        if self.place.empty {
            return self.conv.forward(&x);
        }
        let y = match (inject, &self.norm) {
            (None, None) => self.conv.forward_gelu(&x)?,
            (inject, norm) => {
                let mut y = self.conv.forward(&x)?;
                if let Some(inject) = inject {
                    let flat = inject.dim() < y.dim();
                    y = y.f_add(&if flat { inject.f_unsqueeze(2)? } else { inject.shallow_clone() })?;
                }
                normalised(norm.as_ref(), &y)?.f_gelu("none")?
            }
        };
        let y = DConv::apply(self.dconv.as_ref(), y, self.place.freq)?;
        match &self.rewrite {
            Some((conv, norm)) => Ok(normalised(norm.as_ref(), &conv.forward(&y)?)?.f_glu(1)?),
            None => Ok(y),
        }
    }
}

/// A decoder layer of either branch.
pub(crate) struct Decoder {
    place: Place,
    conv: Transposed,
    norm: Option<GroupNorm>,
    dconv: Option<DConv>,
    rewrite: Option<(Conv, Option<GroupNorm>)>,
}

impl Decoder {
    pub(crate) fn new(
        weights: &mut Weights,
        name: &str,
        config: &Config,
        place: Place,
    ) -> Result<Self, Error> {
        let kind = weights.products();
        let name_conv = format!("{name}.conv_tr");
        let conv = Transposed::new(weights, &name_conv, place.strides(), place.inner(), kind)?;
        let normed = place.index >= config.norm_starts;
        let mut group =
            |name: String| normed.then(|| GroupNorm::new(weights, &name, config.norm_groups)).transpose();
        let norm = group(format!("{name}.norm2"))?;
        let (mut dconv, mut rewrite) = (None, None);
        if !place.empty {
            if config.rewrite {
                let norm1 = group(format!("{name}.norm1"))?;
                let context = place.context(config.context);
                let conv = Conv::new(weights, &format!("{name}.rewrite"), place.unit(), context)?;
                rewrite = Some((conv.packed(place.inner(), kind)?, norm1));
            }
            if config.dconv_decoder {
                dconv = Some(DConv::new(weights, &format!("{name}.dconv"), config, place.index)?);
            }
        }
        Ok(Self { place, conv, norm, dconv, rewrite })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.place.empty
    }

    /// The output, `length` frames long in the waveform branch, and what went into the last convolution, which the
    /// waveform branch begins with where the branches part.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        skip: Option<&Tensor>,
        length: i64,
    ) -> Result<(Tensor, Tensor), Error> {
        let mut x = x.shallow_clone();
        if self.place.freq && x.dim() == 3 {
            let (batch, _, time) = x.size3()?;
            let channels = self.conv.channels;
            x = x.f_view([batch, channels, -1, time])?;
        }
        let y = if self.place.empty {
            x
        } else {
            if let Some(skip) = skip {
                x = x.f_add(skip)?;
            }
            let y = match &self.rewrite {
                Some((conv, norm)) => normalised(norm.as_ref(), &conv.forward(&x)?)?.f_glu(1)?,
                None => x,
            };
            DConv::apply(self.dconv.as_ref(), y, self.place.freq)?
        };
        let gelu = self.place.index > 0;
        let mut z = match &self.norm {
            None => self.conv.forward(&y, gelu)?,
            Some(norm) => norm.forward(&self.conv.forward(&y, false)?)?,
        };
        let pad = self.place.padding();
        if !self.place.freq {
            z = z.f_narrow(2, pad, length)?;
        } else if pad > 0 {
            z = z.f_narrow(2, pad, z.size()[2] - 2 * pad)?;
        }
        if gelu && self.norm.is_some() {
            z = z.f_gelu("none")?;
        }
        Ok((z, y))
    }
}

/// Mean and standard deviation over all axes but the first, shaped to broadcast.
pub(crate) fn mean_std(x: &Tensor) -> Result<(Tensor, Tensor), Error> {
    let axes: Vec<i64> = (1..x.dim() as i64).collect();
    let mean = x.f_mean_dim(axes.as_slice(), true, Kind::Float)?;
    let std = x.f_std_dim(axes.as_slice(), true, true)?;
    Ok((mean, std))
}
