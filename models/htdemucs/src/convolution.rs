//! Convolutions and their counterparts that lengthen, with weights in oneDNN's layout where that can be had.

use tch::{Kind, Tensor};

use crate::{
    Error, Out,
    onednn::{self, Steps},
    weights::Weights,
};

/// A convolution over time, or over frequency with kernels of one frame.
pub(crate) struct Conv {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    /// Along each axis of the kernel: one or two.
    stride: Vec<i64>,
    padding: Vec<i64>,
    pub(crate) dilation: i64,
    packed: Option<Packed>,
}

#[derive(Clone, Copy)]
struct Packed {
    steps: Steps,
    /// Over time alone, as the second of two axes.
    line: bool,
    kind: Kind,
}

impl Conv {
    pub(crate) fn new(
        weights: &mut Weights,
        name: &str,
        stride: Vec<i64>,
        padding: Vec<i64>,
    ) -> Result<Self, Error> {
        let (weight, bias) =
            (weights.take(&format!("{name}.weight"))?, weights.take(&format!("{name}.bias"))?);
        Ok(Self { weight, bias, stride, padding, dilation: 1, packed: None })
    }

    /// One output for each input frame.
    pub(crate) fn pointwise(weights: &mut Weights, name: &str) -> Result<Self, Error> {
        Self::new(weights, name, vec![1], vec![0])
    }

    pub(crate) fn dilated(weights: &mut Weights, name: &str, dilation: i64) -> Result<Self, Error> {
        let conv = Self::new(weights, name, vec![1], vec![0])?;
        let kernel = conv.weight.size().last().copied().unwrap_or(1);
        Ok(Self { padding: vec![dilation * (kernel / 2)], dilation, ..conv })
    }

    /// Computes in `kind` from now on, with weights laid out for inputs of about that size; any other can be computed as
    /// well.
    pub(crate) fn packed(self, size: [i64; 2], kind: Kind) -> Result<Self, Error> {
        if !onednn::packs(&self.weight) {
            return Ok(self);
        }
        let line = self.weight.dim() == 3;
        let both = |values: &[i64], one: i64| -> [i64; 2] {
            [if line { one } else { values[0] }, values[values.len() - 1]]
        };
        let steps = Steps {
            stride: both(&self.stride, 1),
            padding: both(&self.padding, 0),
            dilation: both(&[self.dilation; 2], 1),
        };
        let weight = if line { self.weight.f_unsqueeze(2)? } else { self.weight.shallow_clone() };
        let weight = weight.f_to_kind(kind)?;
        let input = [1, weight.size()[1], size[0], size[1]];
        Ok(Self {
            weight: onednn::pack_conv2d(&weight, steps, input)?,
            bias: self.bias.f_to_kind(kind)?,
            packed: Some(Packed { steps, line, kind }),
            ..self
        })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Out {
        self.compute(x, false)
    }

    /// Followed by GELU.
    pub(crate) fn forward_gelu(&self, x: &Tensor) -> Out {
        self.compute(x, true)
    }

    fn compute(&self, x: &Tensor, gelu: bool) -> Out {
        let Some(Packed { steps, line, kind }) = self.packed else {
            let (weight, bias) = (&self.weight, Some(&self.bias));
            let y = match weight.dim() {
                4 => x.f_conv2d(weight, bias, &self.stride, &self.padding, [self.dilation], 1)?,
                _ => x.f_conv1d(weight, bias, &self.stride, &self.padding, [self.dilation], 1)?,
            };
            return if gelu { Ok(y.f_gelu("none")?) } else { Ok(y) };
        };
        let input = x.f_to_kind(kind)?;
        let input = if line { input.f_unsqueeze(2)? } else { input };
        let y = onednn::conv2d(&input, &self.weight, &self.bias, steps, gelu)?.f_to_kind(x.kind())?;
        Ok(if line { y.f_squeeze_dim(2)? } else { y })
    }
}

/// What undoes a convolution's stride: each input becomes `stride` outputs and overlaps with the next one's.
pub(crate) struct Transposed {
    conv: Conv,
    /// Of the weights as they were.
    pub(crate) channels: i64,
    /// Two inputs make `stride` outputs, which lie beside each other as channels: then it is an ordinary convolution.
    two_taps: Option<i64>,
}

impl Transposed {
    /// As for [`Conv`].
    pub(crate) fn new(
        weights: &mut Weights,
        name: &str,
        stride: Vec<i64>,
        size: [i64; 2],
        kind: Kind,
    ) -> Result<Self, Error> {
        let conv = Conv::new(weights, name, stride, vec![])?;
        let shape = conv.weight.size();
        let (channels, out, kernel, stride) = (shape[0], shape[1], shape[2], conv.stride[0]);
        if kernel != 2 * stride || !onednn::packs(&conv.weight) {
            return Ok(Self { conv, channels, two_taps: None });
        }
        // the later half of the kernel is for the earlier input
        let weight = conv.weight.f_view([channels, out, 2, stride])?.f_flip([2])?;
        let weight = weight.f_permute([1, 3, 0, 2])?.f_reshape([out * stride, channels, 2])?;
        let plane = shape.len() == 4;
        let (axes, padding) = if plane { (vec![1, 1], vec![1, 0]) } else { (vec![1], vec![1]) };
        let conv = Conv {
            weight: if plane { weight.f_unsqueeze(3)? } else { weight },
            bias: conv.bias.f_repeat_interleave_self_int(stride, 0, None)?,
            stride: axes,
            padding,
            dilation: 1,
            packed: None,
        };
        Ok(Self { conv: conv.packed(size, kind)?, channels, two_taps: Some(stride) })
    }

    /// All outputs, also those that begin before the first input and end behind the last one; then GELU if asked for.
    pub(crate) fn forward(&self, x: &Tensor, gelu: bool) -> Out {
        let Conv { weight, bias, stride, .. } = &self.conv;
        let Some(parts) = self.two_taps else {
            let y = match weight.dim() {
                4 => x.f_conv_transpose2d(weight, Some(bias), stride, [0], [0], 1, [1])?,
                _ => x.f_conv_transpose1d(weight, Some(bias), stride, [0], [0], 1, [1])?,
            };
            return if gelu { Ok(y.f_gelu("none")?) } else { Ok(y) };
        };
        let y = self.conv.compute(x, gelu)?;
        let shape = y.size();
        let (batch, out, length) = (shape[0], shape[1] / parts, shape[2]);
        Ok(match shape.get(3) {
            Some(time) => {
                let y = y.f_view([batch, out, parts, length, *time])?.f_transpose(2, 3)?;
                y.f_reshape([batch, out, length * parts, *time])?
            }
            None => {
                let y = y.f_view([batch, out, parts, length])?.f_transpose(2, 3)?;
                y.f_reshape([batch, out, length * parts])?
            }
        })
    }
}
