//! Export: from stem spools at the model's rate to files that sum to the source.
//!
//! 1. [`FinalStems`] brings the stems to the source's rate, channels and length and spreads the residual over them.
//! 2. For integer formats one pass finds the common gain that keeps every output below full scale.
//! 3. A second pass quantises the outputs so that they still null and hands them to one encoder each.
//! 4. Every file is decoded again and compared with what was written.
//! 5. Only then the files get their names.
//!
//! Memory does not depend on the length of the track. The same request gives the same bytes.

mod encode;
mod encoder;
mod flac;
mod gain;
mod lane;
mod levels;
mod outputs;
mod pcm;
mod publish;
mod quantise;
mod residual;
mod stems;
mod tags;
mod verify;
mod wav;

use std::path::{Path, PathBuf};

use harmonix_engine::{Monitor, Span};
use harmonix_ipc::{Error, ErrorKind, Exported, Format, Result, StemFile};

pub(crate) use self::wav::float_head;
use self::{encode::Job, encoder::Spec, publish::Publication, quantise::Quantiser, tags::Tags};
pub use self::{
    outputs::Output,
    stems::{Block, FinalStems},
    tags::Musical,
};

/// What to export, and from what.
#[derive(Debug, Clone)]
pub struct ExportRequest<'a> {
    /// The model's stems in its order: name, and spool of interleaved stereo `f32` at `model_rate`, full scale ±1.
    pub stems: &'a [(String, PathBuf)],
    /// Sample rate of the stem spools in Hz.
    pub model_rate: u32,
    /// The decoded source: a spool of `channels` interleaved `f32` at `rate`, exactly `frames` long.
    pub source: &'a Path,
    /// The file from which tags and cover art are taken.
    pub tags_from: Option<&'a Path>,
    /// The title of a source that has none.
    pub display_name: &'a str,
    /// Tempo and key for the tags; they replace the source's.
    pub musical: Musical<'a>,
    /// Sample rate of the source and of the files in Hz.
    pub rate: u32,
    /// Channels of the source and of the files, 1 or 2.
    pub channels: u16,
    /// Length of the source and of the files in frames, at least 1.
    pub frames: u64,
    /// Factor that was applied to the source before separation: the mixture is `input_gain` × source.
    pub input_gain: f64,
    /// The files to make.
    pub outputs: &'a [Output],
    /// How they are encoded.
    pub format: Format,
    /// Leave the stems as the model made them: their sum then misses the mixture by the residual.
    pub raw: bool,
    /// An existing folder for the files, which are called `<output>.<extension>`.
    pub dest: &'a Path,
}

/// Makes the files of `request`.
///
/// Float formats keep the level of the source. Integer formats get one gain for all files if any output, or any
/// stem that is in none of the outputs, would exceed full scale. If the outputs contain every stem exactly once,
/// and not raw, their integers sum exactly to the rounded mixture: at gain 1, 24-bit stems of a 24-bit source sum
/// to it bit by bit. There is no dither.
///
/// A source that FLAC cannot hold is written as WAV of the same depth, with a warning.
///
/// Progress goes from 0 to 1; cancellation is asked for at every block.
///
/// # Errors
/// After any error nothing of the export is left in `dest`.
/// - [`ErrorKind::InvalidRequest`]: the outputs or facts contradict themselves.
/// - [`ErrorKind::Separation`]: a stem is incomplete or holds samples that are not finite.
/// - [`ErrorKind::DiskFull`]: no space is left in `dest`.
/// - [`ErrorKind::Cancelled`]: `monitor` asked for it.
/// - [`ErrorKind::Internal`]: files cannot be read or written, or a written file failed its verification.
pub fn export(request: &ExportRequest<'_>, monitor: &dyn Monitor) -> Result<Exported> {
    check(request)?;
    let mut warnings = Vec::new();
    let format = holding_format(request, &mut warnings);
    let spec = Spec { format, rate: request.rate, channels: request.channels, frames: request.frames };
    let names = request.outputs.iter().map(|output| output.name.as_str());
    let publication = Publication::prepare(request.dest, names, format.extension())?;

    let first_pass = if format.is_float() { 0.0 } else { 0.35 };
    let gain = if format.is_float() {
        1.0
    } else {
        gain::extremes(request, &Span::new(monitor, 0.0, first_pass))?
            .gain(format.bits(), request.stems.len())
    };
    let nulls = !request.raw && outputs::is_partition(request.outputs, request.stems.len());
    let tags = Tags::read(request.tags_from, request.musical, &mut warnings);
    let job = Job {
        request,
        spec,
        quantiser: Quantiser { bits: format.bits(), gain, nulls },
        tags,
        publication: &publication,
    };
    let (written, [before, after]) = job.run(&Span::new(monitor, first_pass, 1.0))?;

    let mut files = Vec::with_capacity(written.len());
    for (index, (output, file)) in request.outputs.iter().zip(written).enumerate() {
        files.push(StemFile {
            stem: output.name.clone(),
            file: publication.name(index).to_owned(),
            format,
            bytes: file.bytes,
            blake3: file.blake3.to_hex().to_string(),
            frames: spec.frames,
            sample_rate: spec.rate,
            channels: spec.channels,
            peak_dbfs: file.meter.peak_dbfs(),
            rms_dbfs: file.meter.rms_dbfs(),
        });
    }
    gain::check_cancelled(monitor)?;
    publication.publish()?;
    monitor.progress(1.0);
    let gain_db = 20.0 * gain.log10();
    Ok(Exported { gain_db, residual_before_dbfs: before, residual_after_dbfs: after, files, warnings })
}

fn check(request: &ExportRequest<'_>) -> Result<()> {
    let possible = (1..=2).contains(&request.channels)
        && request.rate > 0
        && request.model_rate > 0
        && request.frames > 0
        && request.input_gain.is_finite()
        && !request.stems.is_empty();
    if !possible {
        return Err(Error::new(ErrorKind::InvalidRequest, "the source has no audio that can be exported"));
    }
    outputs::check(request.outputs, request.stems.len())
}

/// The requested format, or the WAV format of the same depth if FLAC cannot hold the source.
fn holding_format(request: &ExportRequest<'_>, warnings: &mut Vec<String>) -> Format {
    let holds = request.rate <= flac::MAX_RATE && request.frames <= flac::MAX_FRAMES;
    let fallback = match request.format {
        Format::Flac16 if !holds => Format::Wav16,
        Format::Flac24 if !holds => Format::Wav24,
        format => return format,
    };
    warnings.push(format!("{} cannot hold this rate or length: the stems are {fallback}", request.format));
    fallback
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
