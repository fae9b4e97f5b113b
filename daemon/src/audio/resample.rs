//! Streaming conversion between two fixed sample rates, without net delay and with an exact length.
//!
//! Output frame `k` is the input at time `k / to` seconds, for every `k` from zero on: the delay of the
//! filter is taken off at the start and the tail is flushed at the end. Samples are converted in `f64`.
//! What lies outside of the input counts as silence.

use harmonix_ipc::{Error, ErrorKind, Result};
use rubato::{
    Async, Fft, FixedAsync, FixedSync, SincInterpolationParameters, WindowFunction,
    audioadapter_buffers::direct::InterleavedSlice, calculate_cutoff,
};

/// Lowest and highest sample rate that is converted, in Hz.
pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Frames of an FFT block on the side with the lower rate: with this window the passband then reaches
/// 98.6 % of the lower Nyquist frequency.
const BLOCK: u64 = 2_048;
/// Largest FFT block in frames; pairs of rates that need more get the sinc interpolator.
const MAX_BLOCK: u64 = 1 << 18;
/// Length in frames of the interpolator's filter, at the lower rate.
const TAPS: usize = 512;
/// Points of the interpolator's table between two frames, at the lower rate.
const POINTS: usize = 1_024;
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris2;

/// Converts interleaved audio from one sample rate to another.
///
/// Within ±0.1 dB up to 90 % of the lower Nyquist frequency, aliases and images under −100 dB. The result
/// does not depend on how the input is cut into blocks. Pairs of rates whose ratio needs an FFT block of
/// more than 2¹⁸ frames (such as 767 999 to 768 000 Hz) are interpolated, with a delay under 1/1000 frame.
/// Memory depends on the pair of rates and the block pushed, not on the length.
pub struct Resampler {
    engine: Option<Box<dyn rubato::Resampler<f64>>>,
    channels: usize,
    /// Input that does not fill a block yet, interleaved.
    pending: Vec<f64>,
    /// One block of output, interleaved.
    block: Vec<f64>,
    /// Output frames to drop: the delay of the filter.
    skip: u64,
    /// Output frames still to deliver.
    left: u64,
}

impl Resampler {
    /// A converter of `channels` interleaved channels from `from` to `to` Hz that delivers exactly
    /// `total_out` frames; see [`output_frames`] for the length that matches an input.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when a rate is outside of [`RATES`] or there is no channel.
    pub fn new(from: u32, to: u32, channels: usize, total_out: u64) -> Result<Self> {
        for rate in [from, to] {
            if !RATES.contains(&rate) {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!("a sample rate of {rate} Hz cannot be converted"),
                )
                .hint("use a rate between 1000 and 768000 Hz"));
            }
        }
        if channels == 0 {
            return Err(Error::new(ErrorKind::InvalidRequest, "audio without channels cannot be converted")
                .hint("give at least one channel"));
        }
        let mut this =
            Self { engine: None, channels, pending: Vec::new(), block: Vec::new(), skip: 0, left: total_out };
        if from != to {
            match fft_block(from, to) {
                Some(block_in) => this.use_fft(from, to, block_in)?,
                None => this.use_sinc(from, to)?,
            }
        }
        Ok(this)
    }

    /// Takes interleaved input (a whole number of frames) and appends what is ready to `out`.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the converter refuses a block.
    pub fn push(&mut self, interleaved: &[f32], out: &mut Vec<f32>) -> Result<()> {
        if self.engine.is_none() {
            let frames = ((interleaved.len() / self.channels) as u64).min(self.left);
            out.extend_from_slice(&interleaved[..frames as usize * self.channels]);
            self.left -= frames;
            return Ok(());
        }
        self.pending.extend(interleaved.iter().map(|&s| f64::from(s)));
        self.convert(out)
    }

    /// Appends the rest to `out`, so that exactly the promised number of frames was delivered.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when the converter refuses a block.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<()> {
        while self.left > 0 {
            match self.engine.as_ref().map(|engine| engine.input_frames_next()) {
                Some(frames) => {
                    self.pending.resize(frames.max(1) * self.channels, 0.0);
                    self.convert(out)?;
                }
                None => {
                    let silence = self.left.min(1 << 16);
                    out.resize(out.len() + silence as usize * self.channels, 0.0);
                    self.left -= silence;
                }
            }
        }
        self.pending.clear();
        Ok(())
    }

    /// Converts every whole block that is pending.
    fn convert(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let channels = self.channels;
        let mut done = 0;
        loop {
            let (need, give) = (engine.input_frames_next(), engine.output_frames_next());
            let pending = &self.pending[done * channels..];
            if pending.len() < need * channels {
                break;
            }
            self.block.resize(give * channels, 0.0);
            let input = InterleavedSlice::new(pending, channels, need).map_err(internal)?;
            let mut output = InterleavedSlice::new_mut(&mut self.block, channels, give).map_err(internal)?;
            engine.process_into_buffer(&input, &mut output, None).map_err(internal)?;
            done += need;
            let skip = self.skip.min(give as u64);
            let keep = (give as u64 - skip).min(self.left);
            self.skip -= skip;
            self.left -= keep;
            let from = skip as usize * channels;
            out.extend(self.block[from..from + keep as usize * channels].iter().map(|&s| s as f32));
        }
        self.pending.drain(..done * channels);
        Ok(())
    }

    fn use_fft(&mut self, from: u32, to: u32, block_in: u64) -> Result<()> {
        let engine = Fft::<f64>::new_custom(
            from as usize,
            to as usize,
            block_in as usize,
            1,
            self.channels,
            WINDOW,
            FixedSync::Both,
        )
        .map_err(internal)?;
        // Both blocks are even, so half a block is a whole number of frames on both sides.
        self.skip = engine.fft_size_out() as u64 / 2;
        self.engine = Some(Box::new(engine));
        Ok(())
    }

    fn use_sinc(&mut self, from: u32, to: u32) -> Result<()> {
        // A filter for decimation is longer and smoother by the same factor: the table keeps its size.
        let stretch = from.div_ceil(to) as usize;
        let taps = (TAPS * stretch).next_multiple_of(8);
        let points = (POINTS / stretch).max(4);
        let parameters = SincInterpolationParameters::new(taps, WINDOW)
            .f_cutoff(calculate_cutoff(TAPS, WINDOW))
            .oversampling_factor(points);
        let ratio = f64::from(to) / f64::from(from);
        let engine =
            Async::<f64>::new_sinc(ratio, 1.0, &parameters, BLOCK as usize, self.channels, FixedAsync::Input)
                .map_err(internal)?;
        // Output frame `k` is the input at (k + 1)·from/to − taps/2 frames. Silence in front of the input
        // makes a frame fall on the input's first one.
        let common = gcd(u64::from(from), u64::from(to));
        let (step_in, step_out) = (u64::from(from) / common, u64::from(to) / common);
        let steps = (taps as u64 / 2).div_ceil(step_in);
        self.pending.resize((steps * step_in - taps as u64 / 2) as usize * self.channels, 0.0);
        self.skip = steps * step_out - 1;
        self.engine = Some(Box::new(engine));
        Ok(())
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler")
            .field("channels", &self.channels)
            .field("skip", &self.skip)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Length in frames at `to` Hz of `frames` frames at `from` Hz: `round(frames · to / from)`, halves up.
pub fn output_frames(frames: u64, from: u32, to: u32) -> u64 {
    let (from, to) = (u128::from(from.max(1)), u128::from(to));
    ((2 * u128::from(frames) * to + from) / (2 * from)) as u64
}

/// The input side's FFT block in frames, or `None` where a block would be too large.
fn fft_block(from: u32, to: u32) -> Option<u64> {
    let (from, to) = (u64::from(from), u64::from(to));
    let common = gcd(from, to);
    let low = from.min(to) / common;
    let units = BLOCK.div_ceil(low).next_multiple_of(2);
    (units * from.max(to) / common <= MAX_BLOCK).then_some(units * from / common)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, "sample-rate conversion failed")
        .hint("report this as a defect of harmonix")
        .cause(error)
}

#[cfg(test)]
#[path = "resample_tests.rs"]
mod tests;
