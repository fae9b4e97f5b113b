//! Streaming decode with Symphonia: a file in, blocks of interleaved `f32` out.
//!
//! Exact in length: delay and padding of encoders are trimmed (LAME tag, edit list, iTunSMPB, Vorbis granules). A
//! packet that cannot be decoded becomes silence of its length and a warning; a stream that holds less than its
//! header promises is an error, never a shorter success.

use std::{
    ffi::OsStr,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use harmonix_ipc::{Error, ErrorKind, Result};
use symphonia::core::{
    audio::Channels,
    codecs::{
        CodecParameters,
        audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions},
    },
    errors::Error as Fault,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
    packet::Packet,
};

use super::{
    gapless,
    limits::seconds,
    ogg,
    refusal::{INSTALL, Refusal, changes, empty, ends_early, incomplete, refused, text, undecodable},
    sniff::{self, Content},
    trim::{Trim, Trimmer},
};

/// Part of a stream that may be damaged before it is refused.
const MAX_DAMAGE: f64 = 0.03;
/// Frames of silence that may stand in for what is missing at one place.
const MAX_GAP: u64 = 1 << 20;

/// What a stream is.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Container, such as `wave`, `flac`, `isomp4`.
    pub container: String,
    /// Codec, such as `pcm_s16le`, `flac`, `aac`.
    pub codec: String,
    /// Frames per second.
    pub sample_rate: u32,
    /// Channels as they are in the file.
    pub channels: u16,
    /// Their places.
    pub layout: Channels,
    /// Bits of a sample where the codec keeps samples as they are.
    pub bit_depth: Option<u16>,
    /// Frames that the container's header promises, at least.
    pub promised: Option<u64>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            container: String::new(),
            codec: String::new(),
            sample_rate: 44_100,
            channels: 2,
            layout: Channels::None,
            bit_depth: None,
            promised: None,
        }
    }
}

/// Decodes one audio track of one file, block by block.
pub struct Decoder {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    stream: Stream,
    trimmer: Trimmer,
    /// The first block, which was decoded to learn the rate and the channels.
    first: Vec<f32>,
    /// Frames delivered.
    frames: u64,
    /// Frames of silence that stand in for damage, and packets they came from.
    damaged: u64,
    bad_packets: u64,
    /// True for formats whose packets say where they belong.
    positioned: bool,
    warnings: Vec<String>,
}

impl Decoder {
    /// Opens the file at `source`; `name` is the user's name for it, used for its extension.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedFormat`] when it is text or of a format that is not known here,
    /// [`ErrorKind::AudioLoad`] when it is broken or holds no audio.
    pub fn open(source: &Path, name: &OsStr) -> std::result::Result<Self, Refusal> {
        guarded(|| Self::open_unguarded(source, name))
    }

    /// What the stream is.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Replaces `block` with the next interleaved frames; false when there are no more.
    ///
    /// # Errors
    /// [`ErrorKind::AudioLoad`] when the stream breaks off, changes its format, or is damaged beyond use.
    pub fn next(&mut self, block: &mut Vec<f32>) -> std::result::Result<bool, Refusal> {
        let promised = self.stream.promised;
        let started = self.frames > 0;
        guarded(|| self.next_unguarded(block)).map_err(|refusal| Refusal {
            // A second decoder of what broke off here must have something to be held to.
            another: refusal.another && (!started || promised.is_some()),
            promised,
            ..refusal
        })
    }

    /// What was odd about the stream, once its end was reached.
    ///
    /// # Errors
    /// [`ErrorKind::AudioLoad`] when less was decoded than the header promises, or too much of it is damaged.
    pub fn finish(mut self) -> Result<Vec<String>> {
        let rate = self.stream.sample_rate;
        if self.damaged as f64 > MAX_DAMAGE * self.frames as f64 {
            return Err(Error::new(
                ErrorKind::AudioLoad,
                format!(
                    "the file is damaged: {} of {} unreadable",
                    seconds(self.damaged, rate),
                    seconds(self.frames, rate)
                ),
            )
            .hint("get an intact copy of the file"));
        }
        if let Some(promised) = self.stream.promised.filter(|promised| self.frames < *promised) {
            return Err(ends_early(&seconds(self.frames, rate), &seconds(promised, rate)));
        }
        if self.bad_packets > 0 {
            self.warnings.push(format!(
                "{} damaged packets were replaced by {} of silence",
                self.bad_packets,
                seconds(self.damaged, rate)
            ));
        }
        if self.trimmer.overrun {
            self.warnings
                .push("the file holds more audio than its header says: all of it was kept".to_owned());
        }
        if self.decoder.finalize().verify_ok == Some(false) {
            self.warnings.push("the audio does not match the checksum in its header".to_owned());
        }
        Ok(self.warnings)
    }

    fn open_unguarded(source: &Path, name: &OsStr) -> std::result::Result<Self, Refusal> {
        let unreadable = |e| Error::io(ErrorKind::AudioLoad, "the uploaded audio cannot be read", &e);
        let file = File::open(source).map_err(unreadable)?;
        let content = sniff::content(&file).map_err(unreadable)?;
        match content {
            Content::Empty => return Err(empty().into()),
            Content::Text => return Err(text().into()),
            Content::Chunks | Content::Binary(_) => {}
        }
        let own = file.try_clone().map_err(unreadable)?;
        let mut hint = Hint::new();
        if let Some(extension) = Path::new(name).extension().and_then(OsStr::to_str) {
            hint.with_extension(extension);
        }
        let media = MediaSourceStream::new(Box::new(own), Default::default());
        let mut format = symphonia::default::get_probe()
            .probe(&hint, media, FormatOptions::default(), MetadataOptions::default())
            .map_err(|fault| refused(content, &fault))?;
        let (track, parameters) = audio_track(format.as_ref())?;
        let container = format.format_info().short_name;
        // MP3 and MP4 are trimmed here: their demuxers trim to an estimate or not at all.
        let own_trim = matches!(container, "mp3" | "mp2" | "mp1" | "isomp4");
        let decoder = make_decoder(&parameters, !own_trim, container)?;
        let mut warnings = Vec::new();
        if container == "ogg" {
            match ogg::end(&file).map_err(unreadable)? {
                ogg::End::Marked => {}
                ogg::End::Unmarked => {
                    warnings.push("the ogg stream has no end mark: it may have been cut".to_owned());
                }
                ogg::End::Cut => return Err(incomplete("the last ogg page is cut").into()),
            }
        }
        let trim = match container {
            "mp3" => gapless::mp3(&track),
            "isomp4" => gapless::mp4(&file, format.as_mut(), &track, &mut warnings),
            _ => Trim::default(),
        };
        let promised = match container {
            // What is kept of these is known with the sample rate. Without a LAME tag, or in a bare stream, the
            // number of frames is an estimate from the bit rate.
            "isomp4" | "mp3" | "mp2" | "mp1" | "adts" | "aac" => None,
            // Some writers count the last packet as a full one, whatever it holds.
            "caf" => track
                .num_frames
                .map(|frames| frames.saturating_sub(parameters.max_frames_per_packet.unwrap_or(4_096))),
            _ => track.num_frames,
        }
        .filter(|frames| *frames > 0);
        let stream = Stream {
            container: container.to_owned(),
            codec: decoder.codec_info().short_name.to_owned(),
            bit_depth: bit_depth(decoder.codec_info().short_name, &parameters),
            promised,
            ..Stream::default()
        };
        let mut this = Self {
            format,
            decoder,
            track: track.id,
            stream,
            trimmer: Trimmer::new(trim),
            first: Vec::new(),
            frames: 0,
            damaged: 0,
            bad_packets: 0,
            positioned: container == "flac",
            warnings,
        };
        this.learn()?;
        Ok(this)
    }

    /// Decodes up to the first block: headers may be wrong about the rate and the channels.
    fn learn(&mut self) -> std::result::Result<(), Refusal> {
        let mut first = Vec::new();
        self.stream.sample_rate = 0;
        if !self.next_unguarded(&mut first)? || self.stream.sample_rate == 0 {
            let error = if self.bad_packets > 0 { undecodable(&"no packet of it decodes") } else { empty() };
            let another = self.bad_packets > 0;
            return Err(Refusal { error, another, promised: self.stream.promised });
        }
        self.frames = 0;
        self.first = first;
        Ok(())
    }

    fn next_unguarded(&mut self, block: &mut Vec<f32>) -> std::result::Result<bool, Refusal> {
        if !self.first.is_empty() {
            std::mem::swap(block, &mut self.first);
            self.first = Vec::new();
            self.frames += (block.len() / usize::from(self.stream.channels)) as u64;
            return Ok(true);
        }
        loop {
            let Some(packet) = self.packet()? else { return Ok(false) };
            block.clear();
            self.decode(&packet, block)?;
            self.trimmer.apply(block);
            if !block.is_empty() {
                self.frames += (block.len() / usize::from(self.stream.channels)) as u64;
                return Ok(true);
            }
        }
    }

    /// The next packet of the track, or `None` at the end.
    fn packet(&mut self) -> std::result::Result<Option<Packet>, Refusal> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(Fault::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    return Ok(None);
                }
                Err(Fault::ResetRequired) => {
                    let (track, parameters) = audio_track(self.format.as_ref())?;
                    self.track = track.id;
                    self.decoder = make_decoder(&parameters, true, &self.stream.container)?;
                    self.stream.promised = None;
                }
                Err(fault) => return Err(Refusal::appealable(undecodable(&fault))),
            }
        }
    }

    /// Appends a packet's frames to `block`; silence where it cannot be decoded.
    fn decode(&mut self, packet: &Packet, block: &mut Vec<f32>) -> std::result::Result<(), Refusal> {
        match self.decoder.decode(packet) {
            Ok(audio) => {
                let (rate, layout) = (audio.spec().rate(), audio.spec().channels());
                if audio.frames() == 0 {
                    return Ok(());
                }
                if self.stream.sample_rate == 0 {
                    let channels = layout.count();
                    if rate == 0 || channels == 0 || channels > usize::from(u16::MAX) {
                        return Err(undecodable(&"it has no channels or no sample rate").into());
                    }
                    self.stream.sample_rate = rate;
                    self.stream.channels = channels as u16;
                    self.stream.layout = layout.clone();
                    let kept = self.trimmer.start(channels, rate);
                    self.stream.promised = kept.or(self.stream.promised);
                } else if rate != self.stream.sample_rate
                    || layout.count() != usize::from(self.stream.channels)
                {
                    return Err(changes(&self.stream, self.frames, rate, layout.count()).into());
                }
                audio.copy_to_vec_interleaved(block);
                if self.positioned {
                    let missing = u64::try_from(packet.pts.get()).unwrap_or(0).saturating_sub(self.frames);
                    self.gap(missing, block)?;
                }
                Ok(())
            }
            Err(Fault::DecodeError(_) | Fault::IoError(_)) => {
                let frames = packet.dur.get();
                self.bad_packets += 1;
                if self.stream.sample_rate != 0 && frames > 0 && !self.positioned {
                    self.bad_packets -= 1;
                    self.gap(frames, block)?;
                }
                Ok(())
            }
            Err(fault) => Err(Refusal::appealable(undecodable(&fault))),
        }
    }

    /// Puts `frames` of silence in front of `block`.
    fn gap(&mut self, frames: u64, block: &mut Vec<f32>) -> Result<()> {
        if frames == 0 {
            return Ok(());
        }
        if frames > MAX_GAP {
            return Err(undecodable(&format!(
                "{} are missing at one place",
                seconds(frames, self.stream.sample_rate)
            )));
        }
        self.bad_packets += 1;
        self.damaged += frames;
        let silence = std::iter::repeat_n(0.0, frames as usize * usize::from(self.stream.channels));
        block.splice(0..0, silence);
        Ok(())
    }
}

/// Runs `work` on untrusted input: a panic in a decoder is a broken file, not a broken daemon.
fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, Refusal>) -> std::result::Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Refusal::appealable(undecodable("the decoder gave up on it"))))
}

fn audio_track(format: &dyn FormatReader) -> std::result::Result<(Track, AudioCodecParameters), Refusal> {
    let track = format.default_track(TrackType::Audio).or_else(|| format.first_track(TrackType::Audio));
    match track.map(|track| (track, &track.codec_params)) {
        Some((track, Some(CodecParameters::Audio(parameters)))) => Ok((track.clone(), parameters.clone())),
        _ => Err(Refusal::appealable(
            Error::new(
                ErrorKind::UnsupportedFormat,
                format!("no audio track that is known here in the {} file", format.format_info().short_name),
            )
            .hint(INSTALL),
        )),
    }
}

fn make_decoder(
    parameters: &AudioCodecParameters,
    gapless: bool,
    container: &str,
) -> std::result::Result<Box<dyn AudioDecoder>, Refusal> {
    let options = AudioDecoderOptions::default().gapless(gapless).verify(true);
    symphonia::default::get_codecs().make_audio_decoder(parameters, &options).map_err(|fault| {
        Refusal::appealable(
            Error::new(
                ErrorKind::UnsupportedFormat,
                format!(
                    "{} audio in a {container} file cannot be decoded here",
                    sniff::codec_name(parameters.codec)
                ),
            )
            .hint(INSTALL)
            .cause(fault),
        )
    })
}

/// Bits of a sample where the codec keeps samples as they are: by the header, or by the name of a kind of PCM.
fn bit_depth(codec: &str, parameters: &AudioCodecParameters) -> Option<u16> {
    let by_name = codec.strip_prefix("pcm_").and_then(|kind| {
        let digits: String = kind.chars().skip(1).take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    let said = parameters.bits_per_sample.or(parameters.bits_per_coded_sample);
    // The sixth byte of ALAC's magic cookie, which may have one or two atom headers in front.
    let cookie = parameters.extra_data.as_ref().filter(|_| codec == "alac").and_then(|cookie| {
        let bits = [5, 17, 29].iter().filter_map(|at| cookie.get(*at));
        bits.copied().find(|bits| matches!(bits, 16 | 20 | 24 | 32))
    });
    let said = said.filter(|bits| *bits > 0).and_then(|bits| bits.try_into().ok());
    let said = said.or(by_name).or(cookie.map(u16::from));
    said.filter(|_| codec.starts_with("pcm_") || matches!(codec, "flac" | "alac"))
}
