//! The short-time Fourier transform of both networks: Hann window, hop of a quarter, energy-preserving norm, placed so that
//! a signal has as many frames as it has hops.

use tch::{Device, Kind, Tensor};

use crate::{Error, Out};

/// Transform of one size on one device.
pub(crate) struct Stft {
    nfft: i64,
    hop: i64,
    window: Tensor,
    /// The window over the constant sum of squares of the four windows that overlap anywhere.
    synthesis: Tensor,
}

impl Stft {
    pub(crate) fn new(nfft: i64, device: Device) -> Result<Self, Error> {
        let window = Tensor::f_hann_window(nfft, (Kind::Float, device))?;
        // Σ w²(n + k·hop) over the four k is 3/2 at every n for a periodic Hann window
        let synthesis = window.f_div_scalar(1.5)?;
        Ok(Self { nfft, hop: nfft / 4, window, synthesis })
    }

    /// `[batch, channels, length]` → `[batch, channels · 2, nfft / 2, ⌈length / hop⌉]`, real and imaginary parts in turn,
    /// without the highest bin.
    pub(crate) fn forward(&self, x: &Tensor) -> Out {
        let (batch, channels, length) = x.size3()?;
        let frames = (length + self.hop - 1) / self.hop;
        let pad = self.hop / 2 * 3;
        let x = reflect(x, pad, pad + frames * self.hop - length)?;
        let x = x.f_unfold(2, self.nfft, self.hop)?.f_mul(&self.window)?;
        let z = x.f_fft_rfft(None::<i64>, -1, "ortho")?.f_narrow(-1, 0, self.nfft / 2)?;
        let z = z.f_view_as_real()?.f_permute([0, 1, 4, 3, 2])?;
        Ok(z.f_reshape([batch, channels * 2, self.nfft / 2, frames])?)
    }

    /// `[n, 2, nfft / 2, frames]` → `[n, length]`.
    pub(crate) fn inverse(&self, z: &Tensor, length: i64) -> Out {
        let (n, _, _, frames) = z.size4()?;
        let z = z.f_permute([0, 3, 2, 1])?.f_contiguous()?.f_view_as_complex()?;
        // the missing highest bin is zero
        let x = z.f_fft_irfft(self.nfft, -1, "ortho")?.f_mul(&self.synthesis)?;
        let x = x.f_view([n, frames, 4, self.hop])?;
        let out = Tensor::f_zeros([n, frames + 3, self.hop], (x.kind(), x.device()))?;
        for part in 0..4 {
            let _ = out.f_narrow(1, part, frames)?.f_add_(&x.f_select(2, part)?)?;
        }
        Ok(out.f_view([n, -1])?.f_narrow(1, self.hop / 2 * 3, length)?)
    }
}

/// Reflects the signal at its ends; one that is too short for that is lengthened by zeros first, on the right if possible.
fn reflect(x: &Tensor, left: i64, right: i64) -> Out {
    let length = x.size().last().copied().unwrap_or_default();
    let short = (left.max(right) + 1 - length).max(0);
    let zeros_right = short.min(right);
    let zeros_left = short - zeros_right;
    let x = if short > 0 { x.f_constant_pad_nd([zeros_left, zeros_right])? } else { x.shallow_clone() };
    Ok(x.f_reflection_pad1d([left - zeros_left, right - zeros_right])?)
}
