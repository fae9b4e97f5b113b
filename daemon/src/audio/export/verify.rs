//! Post-conditions on a written file, checked by a decoder that shares nothing with the encoder.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use harmonix_ipc::{Error, ErrorKind, Result};
use symphonia::{
    core::{
        audio::GenericAudioBufferRef,
        codecs::audio::AudioDecoderOptions,
        errors::Error as DecodeError,
        formats::{FormatOptions, TrackType, probe::Hint},
        io::{MediaSource, MediaSourceStream, ReadOnlySource},
        meta::MetadataOptions,
    },
    default::{get_codecs, get_probe},
};

use super::{encoder::Spec, pcm::Pcm};

/// Decodes the file at `path` and compares it with what it has to hold: `spec`, and samples whose packed form has
/// the digest `pcm`. Calls `watch` with the number of frames seen so far, and stops with its error.
///
/// # Errors
/// [`ErrorKind::Internal`] if the file is missing, empty, cannot be decoded, or holds anything else.
pub(super) fn verify(
    path: &Path,
    spec: &Spec,
    pcm: blake3::Hash,
    watch: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let file = open(path).map_err(|e| Error::io(ErrorKind::Internal, "a written file cannot be read", &e))?;
    let stream = MediaSourceStream::new(file, Default::default());
    let (formats, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = get_probe().probe(&Hint::new(), stream, formats, metadata).map_err(undecodable)?;
    let track = reader.default_track(TrackType::Audio).ok_or_else(|| wrong("has no audio"))?;
    let (id, stated) = (track.id, track.num_frames);
    let params = track.codec_params.as_ref().and_then(|params| params.audio());
    let params = params.ok_or_else(|| wrong("has no audio"))?;
    // A field of 32 bits that is full refers to `ds64`, which the decoder does not know.
    if stated.is_some_and(|frames| frames != spec.frames && frames != u64::from(u32::MAX)) {
        return Err(wrong("states another length"));
    }
    if params.bits_per_sample.is_some_and(|bits| bits != spec.format.bits()) {
        return Err(wrong("has another bit depth"));
    }
    let options = AudioDecoderOptions::default().verify(true);
    let mut decoder = get_codecs().make_audio_decoder(params, &options).map_err(undecodable)?;
    let (mut frames, mut hasher, mut packed) = (0, blake3::Hasher::new(), Vec::new());
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // How a stream of unknown length ends; whether that is too early is decided below.
            Err(DecodeError::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(undecodable(error)),
        };
        if packet.track_id != id {
            continue;
        }
        let audio = decoder.decode(&packet).map_err(undecodable)?;
        if audio.spec().rate() != spec.rate || audio.spec().channels().count() != usize::from(spec.channels) {
            return Err(wrong("has another rate or number of channels"));
        }
        samples(&audio, spec)?.pack(&mut packed);
        hasher.update(&packed);
        frames += audio.frames() as u64;
        watch(frames)?;
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(wrong("does not match its own checksum"));
    }
    if frames != spec.frames {
        return Err(wrong("is not as long as the source"));
    }
    if hasher.finalize() != pcm {
        return Err(wrong("does not hold the samples that were written"));
    }
    Ok(())
}

/// The decoded samples, at the file's bit depth.
fn samples(audio: &GenericAudioBufferRef<'_>, spec: &Spec) -> Result<Pcm> {
    use GenericAudioBufferRef::{F32, S16, S24, S32};
    if spec.format.is_float() {
        if !matches!(audio, F32(_)) {
            return Err(wrong("does not hold floats"));
        }
        let mut samples: Vec<f32> = Vec::new();
        audio.copy_to_vec_interleaved(&mut samples);
        if !samples.iter().all(|x| x.is_finite()) {
            return Err(wrong("holds samples that are not finite"));
        }
        return Ok(Pcm::Float(samples));
    }
    if !matches!(audio, S16(_) | S24(_) | S32(_)) {
        return Err(wrong("does not hold integers"));
    }
    let mut samples: Vec<i32> = Vec::new();
    audio.copy_to_vec_interleaved(&mut samples);
    // The decoder aligns samples to the top of 32 bits.
    let (bits, unused) = (spec.format.bits(), 32 - spec.format.bits());
    if samples.iter().any(|x| x.trailing_zeros() < unused) {
        return Err(wrong("has another bit depth"));
    }
    samples.iter_mut().for_each(|x| *x >>= unused);
    Ok(Pcm::Int { samples, bits })
}

/// Opens a file for the decoder, which does not know RF64: it is shown as the RIFF stream of unknown length that it
/// otherwise equals, up to the end of its samples as `ds64` states it.
fn open(path: &Path) -> io::Result<Box<dyn MediaSource>> {
    let mut file = File::open(path)?;
    let mut head = [0; 36];
    let wide = file.read_exact(&mut head).is_ok() && head.starts_with(b"RF64");
    file.rewind()?;
    if !wide {
        return Ok(Box::new(file));
    }
    let (head, _) = head.as_chunks::<4>();
    let word = |index: usize| u64::from(u32::from_le_bytes(head[index]));
    let data = word(7) | word(8) << 32;
    let end = data_start(&mut file)? + data;
    file.seek(SeekFrom::Start(4))?;
    let stream = b"RIFF".chain(file.take(end - 4));
    Ok(Box::new(ReadOnlySource::new(stream)))
}

/// Where the samples of a WAV file begin.
fn data_start(file: &mut File) -> io::Result<u64> {
    let mut at = 12;
    loop {
        let mut head = [0; 8];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        if head.starts_with(b"data") {
            return Ok(at + 8);
        }
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        at += 8 + u64::from(size).next_multiple_of(2);
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("a written file {what}"))
        .hint("export again; if it happens twice, report it")
}

fn undecodable(error: DecodeError) -> Error {
    match error {
        DecodeError::IoError(error) => wrong("cannot be decoded").cause(error),
        error => wrong("cannot be decoded").cause(error),
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
