//! A source file becomes the spools that everything after it works on.
//!
//! Two passes, both streaming: the first decodes into `source.f32` and learns length, hash and peak; the second
//! resamples that into `mix.f32`, because length and gain have to be known for it.

use std::{ffi::OsStr, fs, path::Path};

use harmonix_engine::{
    EngineError, Monitor, Span, TrackStats,
    spool::{SpoolReader, SpoolWriter},
};
use harmonix_ipc::{Error, ErrorKind, Probe, Result};
use serde::{Deserialize, Serialize};

use super::{
    decode::{Decoder, Stream},
    downmix::Downmix,
    ffmpeg,
    limits::{Limits, seconds},
    refusal::{INSTALL, Refusal, ends_early},
    resample::{Resampler, output_frames},
    stats::Gather,
};

/// Name of the spool at the source's own rate, with 1 or 2 channels, before gain.
pub const SOURCE: &str = "source.f32";
/// Name of the spool at the model's rate, stereo, with gain.
pub const MIX: &str = "mix.f32";

/// Peak after normalisation: −3 dBFS.
const NORMAL_PEAK: f64 = 0.707_945_784_384_137_9;
/// A peak up to this (−140 dBFS) is silence, which is not normalised.
const SILENCE: f32 = 1e-7;
/// Frames that the second pass takes at once.
const BLOCK: usize = 1 << 14;
/// Part of the work that the first pass is.
const DECODING: f64 = 0.6;

/// What to ingest, and how.
#[derive(Debug, Clone)]
pub struct IngestRequest<'a> {
    /// The uploaded bytes.
    pub source: &'a Path,
    /// The user's name for them; only its extension is looked at.
    pub name: &'a OsStr,
    /// Folder for the spools; exists.
    pub work: &'a Path,
    /// What is accepted.
    pub limits: &'a Limits,
    /// Keep only this many seconds from the start, `round(seconds · rate)` frames or fewer.
    pub preview: Option<f64>,
    /// Bring the peak to −3 dBFS. Silence stays as it is.
    pub normalize: bool,
    /// The program for formats that are not decoded here.
    pub ffmpeg: Option<&'a Path>,
    /// Sample rate of `mix.f32` in Hz.
    pub model_rate: u32,
}

/// What was ingested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ingested {
    /// What the source is.
    pub probe: Probe,
    /// Channels of `source.f32`: 1 or 2.
    pub channels: u16,
    /// Sample rate of `source.f32` in Hz.
    pub rate: u32,
    /// Length of `source.f32` in frames.
    pub frames: u64,
    /// BLAKE3 in hexadecimal over the rate, the channels and the samples of `source.f32`: the same audio has the
    /// same hash whatever file it came in.
    pub pcm_hash: String,
    /// Linear gain that is applied in `mix.f32`; 1 unless normalised.
    pub input_gain: f64,
    /// Statistics of `mix.f32`.
    pub stats: TrackStats,
    /// Channels of the source, when they were mixed down to two.
    pub downmixed_from: Option<u16>,
    /// True when ffmpeg converted the source first.
    pub converted: bool,
    /// Seconds asked for, when this is a preview.
    pub preview: Option<f64>,
    /// What the user should know about the source.
    pub warnings: Vec<String>,
}

/// Decodes `request.source` into `work/source.f32` and `work/mix.f32`, both durable on return.
///
/// `mix.f32` is interleaved stereo of exactly `round(frames · model_rate / rate)` frames; mono is in both channels.
/// Where it would equal `source.f32` it is a hard link to it. Repeating the call gives the same files.
///
/// # Errors
/// [`ErrorKind::UnsupportedFormat`], [`ErrorKind::AudioLoad`], [`ErrorKind::TooLarge`], [`ErrorKind::Cancelled`],
/// [`ErrorKind::InvalidRequest`] for a preview that is not positive, [`ErrorKind::DiskFull`] and
/// [`ErrorKind::Internal`] from the file system. Neither spool exists then.
pub fn ingest(request: &IngestRequest<'_>, monitor: &dyn Monitor) -> Result<Ingested> {
    let result = remove_spools(request.work).and_then(|()| run(request, monitor));
    if result.is_err() {
        // The first error is the one to report.
        let _ = remove_spools(request.work);
    }
    result
}

fn run(request: &IngestRequest<'_>, monitor: &dyn Monitor) -> Result<Ingested> {
    if request.preview.is_some_and(|seconds| !(seconds > 0.0 && seconds.is_finite())) {
        return Err(Error::new(ErrorKind::InvalidRequest, "a preview needs a positive length")
            .hint("give the seconds to keep, such as 30"));
    }
    let bytes = fs::metadata(request.source)
        .map_err(|e| Error::io(ErrorKind::AudioLoad, "the uploaded audio cannot be read", &e))?
        .len();
    request.limits.bytes(bytes)?;
    let (source, converted) = decode_or_convert(request, monitor)?;
    let gain =
        if request.normalize && source.peak > SILENCE { NORMAL_PEAK / f64::from(source.peak) } else { 1.0 };
    let stats = mix(request, &source, gain, &Span::new(monitor, DECODING, 1.0))?;
    sync_folder(request.work)?;
    monitor.progress(1.0);
    let whole = match request.preview {
        Some(_) => source.stream.promised.unwrap_or(source.frames).max(source.frames),
        None => source.frames,
    };
    Ok(Ingested {
        probe: Probe {
            container: source.stream.container,
            codec: source.stream.codec,
            sample_rate: source.stream.sample_rate,
            channels: source.stream.channels,
            bit_depth: source.stream.bit_depth,
            frames: whole,
            duration: whole as f64 / f64::from(source.stream.sample_rate),
        },
        channels: source.channels as u16,
        rate: source.stream.sample_rate,
        frames: source.frames,
        pcm_hash: source.hash,
        input_gain: gain,
        stats,
        downmixed_from: source.downmixed_from,
        converted,
        preview: request.preview,
        warnings: source.warnings,
    })
}

/// What the first pass found.
struct Source {
    stream: Stream,
    channels: usize,
    frames: u64,
    hash: String,
    peak: f32,
    downmixed_from: Option<u16>,
    warnings: Vec<String>,
}

/// The first pass; once more by way of ffmpeg where that may help.
fn decode_or_convert(request: &IngestRequest<'_>, monitor: &dyn Monitor) -> Result<(Source, bool)> {
    let refusal = match decode(request, request.source, request.name, monitor) {
        Ok(source) => return Ok((source, false)),
        Err(refusal) if refusal.another => refusal,
        Err(refusal) => return Err(refusal.error),
    };
    let Some(program) = request.ffmpeg else {
        let mut error = refusal.error;
        if error.kind == ErrorKind::UnsupportedFormat {
            error.hint = Some(INSTALL.to_owned());
        }
        return Err(error);
    };
    remove_spools(request.work)?;
    let (limits, keep) = (request.limits, request.preview);
    let converted =
        ffmpeg::convert(program, request.source, request.work, limits, keep, monitor).map_err(|error| {
            // Where ffmpeg knows no more than we do, the first refusal says more.
            let first = refusal.error.clone();
            if error.kind == ErrorKind::UnsupportedFormat { first.cause(error.message) } else { error }
        })?;
    let mut source = decode(request, &converted.wav.0, OsStr::new("converted.wav"), monitor)
        .map_err(|refusal| refusal.error)?;
    if let (Some(promised), None) = (refusal.promised, keep)
        && source.frames < promised
    {
        let rate = source.stream.sample_rate;
        return Err(ends_early(&seconds(source.frames, rate), &seconds(promised, rate)));
    }
    source.stream.container = converted.container;
    source.stream.codec = converted.codec;
    source.stream.bit_depth = None;
    source.warnings.push(format!("converted with ffmpeg, because {}", refusal.error.message));
    Ok((source, true))
}

/// The first pass: decode, mix down, check, hash, write.
fn decode(
    request: &IngestRequest<'_>,
    source: &Path,
    name: &OsStr,
    monitor: &dyn Monitor,
) -> std::result::Result<Source, Refusal> {
    let mut decoder = Decoder::open(source, name)?;
    let stream = decoder.stream().clone();
    let (limits, rate) = (request.limits, stream.sample_rate);
    limits.stream(&stream)?;
    let wanted = request.preview.map(|seconds| (seconds * f64::from(rate)).round() as u64);
    if wanted.is_none() {
        limits.length(stream.promised.unwrap_or(0), rate)?;
    }
    let downmix = Downmix::new(&stream.layout);
    let channels = downmix.channels();
    let mut spool = SpoolWriter::open(&request.work.join(SOURCE), channels, 0).map_err(spool_error)?;
    let mut hash = hasher(rate, channels);
    let (mut peak, mut block, mut complete) = (0.0f32, Vec::new(), true);
    while decoder.next(&mut block)? {
        if monitor.cancelled() {
            return Err(cancelled().into());
        }
        downmix.apply(&mut block);
        if let Some(wanted) = wanted {
            let left = wanted.saturating_sub(spool.frames()) as usize;
            complete = block.len() / channels <= left;
            block.truncate(left.saturating_mul(channels));
        }
        peak = peak_of(&block, spool.frames(), channels, rate, peak)?;
        limits.length(spool.frames() + (block.len() / channels) as u64, rate)?;
        update(&mut hash, &block);
        spool.write(&block).map_err(spool_error)?;
        if let Some(total) = wanted.or(stream.promised).filter(|total| *total > 0) {
            monitor.progress(DECODING * (spool.frames() as f64 / total as f64).min(1.0));
        }
        if !complete {
            break;
        }
    }
    // A preview that was cut says nothing about the end of the file.
    let mut warnings = if complete { decoder.finish()? } else { Vec::new() };
    if let Some(from) = downmix.mixed_from() {
        warnings.push(format!("{from} channels were mixed down to stereo by itu-r bs.775"));
    }
    let frames = spool.frames();
    if frames < limits.min_frames {
        return Err(Error::new(
            ErrorKind::AudioLoad,
            format!("the audio has {frames} frames, at least {} are needed", limits.min_frames),
        )
        .hint("choose a longer file")
        .into());
    }
    spool.sync().map_err(spool_error)?;
    let hash = hash.finalize().to_hex().to_string();
    Ok(Source { channels, frames, hash, peak, downmixed_from: downmix.mixed_from(), warnings, stream })
}

/// The second pass: resample, apply the gain, make stereo, measure, write.
fn mix(request: &IngestRequest<'_>, source: &Source, gain: f64, monitor: &dyn Monitor) -> Result<TrackStats> {
    let (rate, channels) = (source.stream.sample_rate, source.channels);
    let (from, to) = (request.work.join(SOURCE), request.work.join(MIX));
    let reader = SpoolReader::open(&from, channels).map_err(spool_error)?;
    let total = output_frames(source.frames, rate, request.model_rate);
    let mut resampler = Resampler::new(rate, request.model_rate, channels, total)?;
    let same = rate == request.model_rate && channels == 2 && gain == 1.0;
    let mut spool = match same {
        true => None,
        false => Some(SpoolWriter::open(&to, 2, 0).map_err(spool_error)?),
    };
    let mut gather = Gather::default();
    let (mut input, mut converted, mut stereo) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    while at <= source.frames {
        if monitor.cancelled() {
            return Err(cancelled());
        }
        let take = (source.frames - at).min(BLOCK as u64);
        converted.clear();
        if take == 0 {
            resampler.finish(&mut converted)?;
        } else {
            input.resize(take as usize * channels, 0.0);
            reader.read(at as i64, &mut input).map_err(spool_error)?;
            resampler.push(&input, &mut converted)?;
        }
        stereo.clear();
        let scaled = converted.iter().map(|s| (f64::from(*s) * gain) as f32);
        match channels {
            1 => stereo.extend(scaled.flat_map(|s| [s, s])),
            _ => stereo.extend(scaled),
        }
        gather.stereo(&stereo);
        if let Some(spool) = &mut spool {
            spool.write(&stereo).map_err(spool_error)?;
        }
        at += take.max(1);
        monitor.progress(at as f64 / (source.frames + 1) as f64);
    }
    match spool {
        Some(spool) => spool.sync().map_err(spool_error)?,
        None => fs::hard_link(&from, &to)
            .map_err(|e| Error::io(ErrorKind::Internal, "the work folder cannot be written", &e))?,
    }
    Ok(gather.finish())
}

/// The largest absolute sample, or an error that names the first frame with one that is not finite.
fn peak_of(block: &[f32], before: u64, channels: usize, rate: u32, peak: f32) -> Result<f32> {
    if let Some(at) = block.iter().position(|s| !s.is_finite()) {
        let frame = before + (at / channels) as u64;
        return Err(Error::new(
            ErrorKind::AudioLoad,
            format!("the audio is not finite from frame {frame} on ({})", seconds(frame, rate)),
        )
        .hint("export the file again: it holds infinite or undefined samples"));
    }
    Ok(block.iter().fold(peak, |peak, s| peak.max(s.abs())))
}

fn hasher(rate: u32, channels: usize) -> blake3::Hasher {
    let mut hash = blake3::Hasher::new();
    hash.update(b"harmonix pcm 1\0").update(&rate.to_le_bytes()).update(&(channels as u16).to_le_bytes());
    hash
}

fn update(hash: &mut blake3::Hasher, samples: &[f32]) {
    let mut bytes = [0; 4096];
    for chunk in samples.chunks(bytes.len() / 4) {
        for (to, sample) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(chunk) {
            *to = sample.to_le_bytes();
        }
        hash.update(&bytes[..chunk.len() * 4]);
    }
}

fn remove_spools(work: &Path) -> Result<()> {
    for name in [SOURCE, MIX] {
        match fs::remove_file(work.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(ErrorKind::Internal, "the work folder cannot be cleared", &e));
            }
            _ => {}
        }
    }
    Ok(())
}

fn sync_folder(work: &Path) -> Result<()> {
    fs::File::open(work)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| Error::io(ErrorKind::Internal, "the work folder cannot be made durable", &e))
}

/// A spool's failure without its path.
fn spool_error(error: EngineError) -> Error {
    match error {
        EngineError::Cancelled => cancelled(),
        EngineError::Io { source, .. } => {
            Error::io(ErrorKind::Internal, "the work folder cannot be written", &source)
                .hint("free some space for the daemon, then try again")
        }
        other => Error::new(ErrorKind::Internal, "the spool cannot be written").cause(other),
    }
}

/// What a cancelled ingest says.
pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled while reading the audio").hint("submit the file again")
}
