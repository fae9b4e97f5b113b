//! The whole network: two U-Nets, of the spectrogram and of the waveform, that meet inside.

use tch::{Device, Kind, Tensor};

use crate::{
    Error, Out,
    checkpoint::Checkpoint,
    config::{Class, Config},
    convolution::Conv,
    device::Arithmetic,
    layers::{Decoder, Encoder, Place, mean_std},
    spectrogram::Stft,
    transformer::Transformer,
    weights::Weights,
};

/// HTDemucs or Hybrid Demucs with its weights.
pub(crate) struct Network {
    config: Config,
    kind: Kind,
    stft: Stft,
    encoder: Vec<Encoder>,
    decoder: Vec<Decoder>,
    tencoder: Vec<Encoder>,
    tdecoder: Vec<Decoder>,
    /// `[1, channels, frequency, 1]`, scaled.
    embedding: Option<Tensor>,
    /// Into the transformer's width and back: of the spectrogram's branch, of the waveform's.
    bottom: Option<[[Conv; 2]; 2]>,
    transformer: Option<Transformer>,
    weight_bytes: u64,
}

impl Network {
    /// A network on `device`.
    pub(crate) fn new(checkpoint: Checkpoint, device: Device, arithmetic: Arithmetic) -> Result<Self, Error> {
        let Arithmetic { kind, products } = arithmetic;
        let config = Config::new(&checkpoint.class, &checkpoint.args)?;
        let elements: usize =
            checkpoint.tensors.values().map(|array| array.shape.iter().product::<usize>()).sum();
        let weight_bytes = (elements * kind.elt_size_in_bytes()) as u64;
        let mut weights = Weights::new(checkpoint.tensors, device, kind, products);
        let [mut encoder, mut tencoder] = [Vec::new(), Vec::new()];
        let (mut decoder, mut places_t) = (Vec::new(), Vec::new());
        let mut freqs = config.nfft / 2;
        let mut length = config.segment as i64;
        let frames = length / (config.nfft / 4) + 1;
        for index in 0..config.depth {
            let freq = freqs > 1;
            let last_freq = freq && freqs <= config.kernel_size;
            let (kernel, stride) = match (freq, last_freq) {
                (false, _) => (config.time_stride * 2, config.time_stride),
                (true, true) => (freqs, config.stride),
                (true, false) => (config.kernel_size, config.stride),
            };
            let size = if freq { [freqs, frames] } else { [1, frames] };
            let place = || Place { index, freq, kernel, stride, pad: !last_freq, empty: false, size };
            encoder.push(Encoder::new(&mut weights, &format!("encoder.{index}"), &config, place())?);
            // decoders are numbered from the inside
            let name = format!("decoder.{}", config.depth - 1 - index);
            decoder.push(Decoder::new(&mut weights, &name, &config, place())?);
            if freq {
                let size = [1, length];
                let place = || Place {
                    index,
                    freq: false,
                    kernel: config.kernel_size,
                    stride: config.stride,
                    pad: true,
                    empty: last_freq,
                    size,
                };
                length /= config.stride;
                tencoder.push(Encoder::new(&mut weights, &format!("tencoder.{index}"), &config, place())?);
                places_t.push(place());
                freqs = if last_freq { 1 } else { freqs / config.stride };
            }
        }
        let count = places_t.len();
        let tdecoder = places_t.into_iter().enumerate().map(|(index, place)| {
            Decoder::new(&mut weights, &format!("tdecoder.{}", count - 1 - index), &config, place)
        });
        let mut tdecoder = tdecoder.collect::<Result<Vec<_>, _>>()?;
        decoder.reverse();
        tdecoder.reverse();

        let embedding = if config.freq_emb == 0.0 {
            None
        } else {
            let table = weights.take("freq_emb.embedding.weight")?.f_transpose(0, 1)?;
            let table = table.f_mul_scalar(config.emb_scale)?.f_mul_scalar(config.freq_emb)?;
            Some(table.f_contiguous()?.f_unsqueeze(0)?.f_unsqueeze(-1)?)
        };
        let bottom = if config.bottom_channels {
            let kind = weights.products();
            let mut conv = |name: &str| Conv::pointwise(&mut weights, name)?.packed([8, frames], kind);
            Some([
                [conv("channel_upsampler")?, conv("channel_downsampler")?],
                [conv("channel_upsampler_t")?, conv("channel_downsampler_t")?],
            ])
        } else {
            None
        };
        let transformer = config.transformer.as_ref();
        let transformer =
            transformer.map(|config| Transformer::new(&mut weights, "crosstransformer", config));
        let transformer = transformer.transpose()?;
        weights.finish()?;
        let stft = Stft::new(config.nfft, device)?;
        Ok(Self {
            config,
            kind,
            stft,
            encoder,
            decoder,
            tencoder,
            tdecoder,
            embedding,
            bottom,
            transformer,
            weight_bytes,
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Memory of its weights.
    pub(crate) fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    /// Times that `forward` calls `tick`.
    pub(crate) fn ticks(&self) -> usize {
        self.encoder.len()
            + self.decoder.len()
            + self.config.transformer.as_ref().map_or(0, |config| config.layers)
    }

    /// Separates `[batch, channels, length]` into `[batch, sources, channels, length]`. `tick` is called between layers.
    pub(crate) fn forward(&self, mix: &Tensor, tick: &mut dyn FnMut() -> Result<(), Error>) -> Out {
        let (batch, channels, length) = mix.size3()?;
        let z = self.stft.forward(mix)?;
        let (_, _, freqs, frames) = z.size4()?;
        let (mean, std) = mean_std(&z)?;
        let (mean_t, std_t) = mean_std(mix)?;
        let scaled = |x: &Tensor, mean: &Tensor, std: &Tensor| -> Out {
            Ok(x.f_sub(mean)?.f_div(&std.f_add_scalar(1e-5)?)?.f_to_kind(self.kind)?)
        };
        let mut x = scaled(&z, &mean, &std)?;
        let mut xt = scaled(mix, &mean_t, &std_t)?;
        drop(z);

        // skip connections, and the lengths that the decoder cuts its output to
        let [mut saved, mut saved_t] = [Vec::new(), Vec::new()];
        let [mut lengths, mut lengths_t] = [Vec::new(), Vec::new()];
        let frames_of = |x: &Tensor| x.size().last().copied().unwrap_or_default();
        for (index, encoder) in self.encoder.iter().enumerate() {
            lengths.push(frames_of(&x));
            let mut inject = None;
            if let Some(tencoder) = self.tencoder.get(index) {
                lengths_t.push(frames_of(&xt));
                xt = tencoder.forward(&xt, None)?;
                if tencoder.is_empty() {
                    inject = Some(&xt);
                } else {
                    saved_t.push(xt.shallow_clone());
                }
            }
            x = encoder.forward(&x, inject)?;
            if let (0, Some(embedding)) = (index, &self.embedding) {
                x = x.f_add(embedding)?;
            }
            saved.push(x.shallow_clone());
            tick()?;
        }

        match self.config.class {
            Class::HtDemucs => (x, xt) = self.between(x, xt, tick)?,
            Class::HDemucs => x = x.f_zeros_like()?,
        }

        let offset = self.decoder.len() - self.tdecoder.len();
        for (index, decoder) in self.decoder.iter().enumerate() {
            let skip = saved.pop();
            let (next, before) = decoder.forward(&x, skip.as_ref(), lengths.pop().unwrap_or_default())?;
            x = next;
            if let Some(tdecoder) = index.checked_sub(offset).and_then(|index| self.tdecoder.get(index)) {
                let length = lengths_t.pop().unwrap_or_default();
                xt = if tdecoder.is_empty() {
                    tdecoder.forward(&before.f_select(2, 0)?, None, length)?.0
                } else {
                    tdecoder.forward(&xt, saved_t.pop().as_ref(), length)?.0
                };
            }
            tick()?;
        }

        let sources = self.config.sources.len() as i64;
        let x = mean.f_addcmul(&x.f_to_kind(Kind::Float)?, &std)?;
        let x = self.stft.inverse(&x.f_view([batch * sources * channels, 2, freqs, frames])?, length)?;
        let xt = mean_t.f_addcmul(&xt.f_to_kind(Kind::Float)?, &std_t)?;
        let shape = [batch, sources, channels, length];
        Ok(x.f_view(shape)?.f_add(&xt.f_view(shape)?)?)
    }

    /// The transformer, at its own width.
    fn between(
        &self,
        x: Tensor,
        xt: Tensor,
        tick: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(Tensor, Tensor), Error> {
        let Some(transformer) = &self.transformer else { return Ok((x, xt)) };
        let Some([[up, down], [up_t, down_t]]) = &self.bottom else {
            return transformer.forward(&x, &xt, tick);
        };
        let along = |conv: &Conv, x: &Tensor| -> Out {
            let (batch, _, freqs, time) = x.size4()?;
            Ok(conv.forward(&x.f_flatten(2, 3)?)?.f_view([batch, -1, freqs, time])?)
        };
        let (x, xt) = transformer.forward(&along(up, &x)?, &up_t.forward(&xt)?, tick)?;
        Ok((along(down, &x)?, down_t.forward(&xt)?))
    }
}
