//! Music separation without a neural network: four complementary masks on one spectrogram.
//!
//! [`Spectral`] takes stereo at 44.1 kHz apart into drums, bass, other and vocals. It knows nothing of
//! timbre. It looks at how each bin of a short-time Fourier transform behaves:
//!
//! | cue | after | speaks for |
//! |---|---|---|
//! | percussiveness in frames of 93 ms and 23 ms, per bin, per neighbourhood and per frame | Fitzgerald 2010, medians over time and frequency | drums |
//! | rise above the medians of the last and next 0.2, 0.4 and 1 s, and its hold | – | drums, and the kick against the bass |
//! | likeness of both channels, lean to one side | – | vocals, bass (in the centre) against other (around) |
//! | distance to the most similar frames | Rafii & Pardo 2012, REPET-SIM | vocals (which do not repeat) |
//! | comb and salience of a tracked pitch, 85–900 Hz and 32–200 Hz | harmonic summation, Viterbi path | vocals, bass |
//! | means of the first and third over the segment | – | what is usual at this frequency in this song |
//!
//! A log-linear model whose coefficients vary smoothly with frequency weighs the cues; its four outputs are
//! shares of one. A multichannel Wiener filter (Duong, Vincent & Gribonval 2010) then turns shares into
//! stems. Three stems are estimated and `other` is what they leave of the mixture, so the stems add up to it
//! but for the rounding of a 32-bit float.
//!
//! Everything is computed within one segment, looking both ways in time, in memory that does not depend on
//! the length of the track. There is no state between segments.

mod coefficients;
mod cues;
mod masks;
mod math;
mod median;
mod path;
mod percussive;
mod pitch;
mod plane;
mod presence;
mod repet;
mod short_frames;
mod spectrogram;
mod statistics;
mod stereo;
mod stft;
#[cfg(test)]
mod tests;
mod watch;
mod wiener;

use std::ops::Range;

use harmonix_engine::{EngineError, ModelInfo, Monitor, Segments, Separator, TrackStats, spool::SpoolReader};
use realfft::num_complex::Complex32;

use crate::{
    cues::Cues, masks::MaskModel, presence::gate_vocals, spectrogram::Spectrogram, stft::Stft, watch::Watch,
    wiener::SpatialModel,
};

/// Number of stems.
pub(crate) const SOURCES: usize = 4;
/// The stem that takes what the others leave.
pub(crate) const OTHER: usize = 2;
/// The stems that are estimated.
pub(crate) const ESTIMATED: [usize; SOURCES - 1] = [0, 1, 3];
/// Frames of a segment, 23.8 s: long enough for repetitions and for means to settle.
const SEGMENT: usize = 1 << 20;
/// Window of the transform, 93 ms.
const WINDOW: usize = 4096;
/// Interleaved channels.
const CHANNELS: usize = 2;
/// Stages that go through all frames, for the progress.
const STAGES: usize = 37;

/// Separates drums, bass, other and vocals by their percussiveness, pitch, place and repetition.
pub struct Spectral {
    info: ModelInfo,
    window: Vec<f32>,
    stft: Stft,
    model: MaskModel,
    /// Channels of the mixture and of the three estimated stems, one after the other.
    channels: Vec<Vec<f32>>,
}

impl Default for Spectral {
    fn default() -> Self {
        Self::new()
    }
}

impl Spectral {
    /// A separator of stereo music at 44.1 kHz in segments of 23.8 s.
    pub fn new() -> Self {
        Self::with_segment(SEGMENT)
    }

    /// A separator in segments of `segment` frames, at least 1.
    ///
    /// Shorter segments take less memory (some 9 MB per second) and know less: what repeats and what a
    /// source is like on average is learnt within the segment. Below 10 s the stems get worse.
    pub fn with_segment(segment: usize) -> Self {
        let stft = Stft::new(WINDOW);
        Self {
            info: ModelInfo {
                id: "spectral".into(),
                fingerprint: "spectral-1".into(),
                sources: ["drums", "bass", "other", "vocals"].map(Into::into).into(),
                sample_rate: 44_100,
                channels: CHANNELS,
                segment,
            },
            // A triangle: whatever the overlap, two segments cross over linearly.
            window: (0..SEGMENT)
                .map(|i| (i.min(SEGMENT - 1 - i) + 1) as f32 / (SEGMENT / 2) as f32)
                .collect(),
            model: MaskModel::new(stft.bins()),
            stft,
            channels: vec![vec![0.0; segment]; CHANNELS * SOURCES],
        }
    }

    /// Masks of the loaded mixture, then the stems of all but `OTHER` into `self.channels`.
    fn estimate(&mut self, watch: &mut Watch) -> Result<(), EngineError> {
        let (mix, stems) = self.channels.split_at_mut(CHANNELS);
        let spectrogram = Spectrogram::new(&mut self.stft, &mix[0], &mix[1], watch)?;
        let frames = spectrogram.power.frames();
        let mut masks = {
            let cues = Cues::new(&spectrogram, &mix[0], &mix[1], watch)?;
            self.model.masks(&cues, &spectrogram, watch)?
        };
        gate_vocals(&mut masks, &spectrogram, watch)?;
        let space = SpatialModel::new(&spectrogram, &masks, watch)?;
        stems.iter_mut().for_each(|s| s.fill(0.0));
        let mut spectra = vec![vec![Complex32::default(); spectrogram.power.bins()]; stems.len()];
        for t in 0..frames {
            for k in 0..spectrogram.power.bins() {
                let bin = [spectrogram.left.row(t)[k], spectrogram.right.row(t)[k]];
                let parts = space.filter(k, std::array::from_fn(|s| masks[s].row(t)[k]), bin);
                for (spectrum, part) in spectra.iter_mut().zip(parts.as_flattened()) {
                    spectrum[k] = *part;
                }
            }
            for (spectrum, stem) in spectra.iter_mut().zip(stems.iter_mut()) {
                self.stft.overlap_add(spectrum, t, stem);
            }
            watch.tick()?;
        }
        Ok(())
    }
}

impl Separator for Spectral {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn window(&self) -> &[f32] {
        &self.window
    }

    fn prepare(&mut self, _: &TrackStats, _: &SpoolReader, _: &dyn Monitor) -> Result<(), EngineError> {
        Ok(())
    }

    fn separate(
        &mut self,
        segments: &Segments<'_>,
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError> {
        let mix = segments.mix;
        if mix.len() != self.info.segment * CHANNELS || stems.len() != mix.len() * SOURCES {
            return Err(EngineError::Model(format!(
                "spectral takes one segment of {} stereo frames at a time",
                self.info.segment
            )));
        }
        // what lies outside of the track, or is digital silence around the music, costs nothing
        let sound = extent(mix);
        let (scale, unscale) = unit_scale(mix);
        for (at, channel) in self.channels.iter_mut().enumerate() {
            channel.clear();
            match at {
                0..CHANNELS => {
                    channel.extend(mix[sound.clone()].iter().skip(at).step_by(CHANNELS).map(|s| s * scale));
                }
                _ => channel.resize(sound.len() / CHANNELS, 0.0),
            }
        }
        if scale > 0.0 {
            let frames = self.stft.frames(sound.len() / CHANNELS);
            self.estimate(&mut Watch::new(monitor, STAGES * frames))?;
        }
        stems.fill(0.0);
        stems[OTHER * mix.len()..][..mix.len()].copy_from_slice(mix);
        for (source, channels) in ESTIMATED.into_iter().zip(self.channels[CHANNELS..].chunks_exact(CHANNELS))
        {
            for (i, at) in sound.clone().enumerate() {
                let sample = (channels[i % CHANNELS][i / CHANNELS] * unscale).clamp(f32::MIN, f32::MAX);
                stems[source * mix.len() + at] = sample;
                let rest = &mut stems[OTHER * mix.len() + at];
                *rest = (*rest - sample).clamp(f32::MIN, f32::MAX);
            }
        }
        monitor.progress(1.0);
        Ok(())
    }
}

/// The part of a segment from its first to its last frame that is not zero, with a window's length around it, as a
/// range of interleaved samples. The whole segment when all of it is silent.
fn extent(mix: &[f32]) -> Range<usize> {
    let first = mix.iter().position(|s| *s != 0.0).unwrap_or(0);
    let last = mix.iter().rposition(|s| *s != 0.0).unwrap_or(mix.len().saturating_sub(1));
    let margin = WINDOW * CHANNELS;
    first.saturating_sub(margin) / margin * margin
        ..((last + margin) / margin * margin + margin).min(mix.len())
}

/// A power of two that brings the largest sample to `0.5..1`, and its inverse, so that a level changes no
/// bit of the result. Zero for silence (and for what is too quiet to be anything else: −600 dBFS).
fn unit_scale(samples: &[f32]) -> (f32, f32) {
    let peak = samples.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
    if peak < 1e-30 {
        return (0.0, 0.0);
    }
    let exponent = (peak.log2().floor() as i32 + 1).min(126);
    (2f32.powi(-exponent), 2f32.powi(exponent))
}
