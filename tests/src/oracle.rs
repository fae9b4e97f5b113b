//! The ceiling of what a mask on a spectrogram can reach, from the true sources.

use crate::{Signal, stft::Stft};

const SIZE: usize = 4096;
const HOP: usize = 1024;

/// Estimates by the ideal ratio mask `|S_j|² / Σ_k |S_k|²` on the mixture's STFT (4096/1024, √Hann), channel by channel:
/// the Wiener filter with the true spectra (`IRM2` of Stöter, Liutkus, Ito 2018, "The 2018 signal separation evaluation
/// campaign"). With magnitudes in place of powers it is about 1 dB lower.
///
/// `sources` have one shape and sum to the mixture; the estimates come in their order and sum to it too.
#[must_use]
pub fn ideal_ratio_mask(sources: &[Signal]) -> Vec<Signal> {
    let mut estimates = sources.to_vec();
    let Some(first) = sources.first() else { return estimates };
    let stft = Stft::new(SIZE, HOP);
    for channel in 0..first.channels {
        let mut spectra: Vec<_> = sources.iter().map(|s| stft.analyse(&s.channel(channel))).collect();
        for at in 0..spectra[0].len() {
            let mix = spectra.iter().map(|s| s[at]).sum::<realfft::num_complex::Complex32>();
            let total: f32 = spectra.iter().map(|s| s[at].norm_sqr()).sum();
            for spectrum in &mut spectra {
                spectrum[at] = mix * (spectrum[at].norm_sqr() / total.max(f32::MIN_POSITIVE));
            }
        }
        for (estimate, spectrum) in estimates.iter_mut().zip(&spectra) {
            let signal = stft.synthesise(spectrum, first.frames());
            for (frame, value) in estimate.samples.chunks_exact_mut(first.channels).zip(signal) {
                frame[channel] = value;
            }
        }
    }
    estimates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::sdr, synth::generators};

    #[test]
    fn separates_what_does_not_overlap() {
        let low = generators::sine(44_100, 2, 0.5, 220.0, 0.5);
        let high = generators::sine(44_100, 2, 0.5, 5000.0, 0.2);
        let found = ideal_ratio_mask(&[low.clone(), high.clone()]);
        assert!(sdr(&low.samples, &found[0].samples) > 30.0);
        assert!(sdr(&high.samples, &found[1].samples) > 20.0);
    }
}
