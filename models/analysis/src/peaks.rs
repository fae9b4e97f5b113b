//! Waveform peaks in the formats of audiowaveform, as players in a browser read them.
//!
//! A data file of version 2 is a header of six little-endian 32-bit numbers (version, flags, sample rate, samples per
//! pixel, length in pixels, channels), then the smallest and the largest sample of each pixel and channel as signed
//! bytes. A JSON file has the same under the names `version`, `channels`, `sample_rate`, `samples_per_pixel`, `bits`,
//! `length` and `data`.

use std::io::{self, Seek, SeekFrom, Write};

/// Where the length lies in the header.
const LENGTH_AT: u64 = 16;
/// The zooms that players use, in samples per pixel.
pub const ZOOMS: [u32; 4] = [256, 512, 1024, 4096];

/// The format of a file of peaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Binary, `.dat`, version 2, 8 bits.
    Dat,
    /// `.json`, 8 bits.
    Json,
}

/// Writes the peaks of a stream at one zoom, as the audio comes.
pub struct PeaksWriter<W: Write + Seek> {
    sink: W,
    format: Format,
    start: u64,
    channels: usize,
    zoom: Zoom,
    length: u32,
}

/// The pixel that is being filled.
struct Zoom {
    samples_per_pixel: u32,
    taken: u32,
    channel: usize,
    /// Smallest and largest sample of each channel.
    range: Vec<[i8; 2]>,
}

impl<W: Write + Seek> PeaksWriter<W> {
    /// Begins a file of peaks of audio with `channels` interleaved channels.
    ///
    /// # Errors
    /// When the sink fails; when `channels` or `samples_per_pixel` is 0.
    pub fn new(
        mut sink: W,
        format: Format,
        sample_rate: u32,
        channels: u32,
        samples_per_pixel: u32,
    ) -> io::Result<Self> {
        if channels == 0 || samples_per_pixel == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "peaks need a channel and a zoom"));
        }
        let start = sink.stream_position()?;
        match format {
            Format::Dat => {
                for word in [2, 1, sample_rate, samples_per_pixel, 0, channels] {
                    sink.write_all(&word.to_le_bytes())?;
                }
            }
            Format::Json => write!(
                sink,
                "{{\"version\":2,\"channels\":{channels},\"sample_rate\":{sample_rate},\
                 \"samples_per_pixel\":{samples_per_pixel},\"bits\":8,\"data\":["
            )?,
        }
        let zoom = Zoom {
            samples_per_pixel,
            taken: 0,
            channel: 0,
            range: vec![[i8::MAX, i8::MIN]; channels as usize],
        };
        Ok(Self { sink, format, start, channels: channels as usize, zoom, length: 0 })
    }

    /// Takes the next samples, interleaved, in blocks of any length.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn push(&mut self, interleaved: &[f32]) -> io::Result<()> {
        for sample in interleaved {
            let byte = eight_bits(*sample);
            let [low, high] = &mut self.zoom.range[self.zoom.channel];
            (*low, *high) = ((*low).min(byte), (*high).max(byte));
            self.zoom.channel += 1;
            if self.zoom.channel == self.channels {
                self.zoom.channel = 0;
                self.zoom.taken += 1;
                if self.zoom.taken == self.zoom.samples_per_pixel {
                    self.pixel()?;
                }
            }
        }
        Ok(())
    }

    /// Writes the last pixel and the length, and gives the sink back.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn finish(mut self) -> io::Result<W> {
        if self.zoom.taken > 0 {
            self.pixel()?;
        }
        match self.format {
            Format::Dat => {
                self.sink.seek(SeekFrom::Start(self.start + LENGTH_AT))?;
                self.sink.write_all(&self.length.to_le_bytes())?;
                self.sink.seek(SeekFrom::End(0))?;
            }
            Format::Json => write!(self.sink, "],\"length\":{}}}", self.length)?,
        }
        self.sink.flush()?;
        Ok(self.sink)
    }

    fn pixel(&mut self) -> io::Result<()> {
        for range in &mut self.zoom.range {
            let [low, high] = std::mem::replace(range, [i8::MAX, i8::MIN]);
            match self.format {
                Format::Dat => self.sink.write_all(&[low as u8, high as u8])?,
                Format::Json => {
                    let comma = if self.length == 0 && self.zoom.channel == 0 { "" } else { "," };
                    write!(self.sink, "{comma}{low},{high}")?;
                    // only the very first pair of all has no comma before it
                    self.zoom.channel = 1;
                }
            }
        }
        (self.zoom.taken, self.zoom.channel) = (0, 0);
        self.length += 1;
        Ok(())
    }
}

/// A sample as 16 bits of which the upper 8 are kept, rounded down, as audiowaveform does.
fn eight_bits(sample: f32) -> i8 {
    // what is not a number becomes 0
    let sixteen = (sample.clamp(-1.0, 1.0) * 32_767.0) as i32;
    (sixteen >> 8) as i8
}
