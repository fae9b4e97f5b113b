//! Streaming WAV files: RIFF/WAVE, or RF64 (EBU Tech 3306) where 32-bit sizes do not suffice.
//!
//! Layout: `JUNK` (the place of `ds64`), `fmt `, `fact` (float only), `LIST` `INFO`, `data`, `id3 `. 16-bit samples are
//! plain PCM, 24-bit ones `WAVE_FORMAT_EXTENSIBLE` with the PCM GUID, as Microsoft asks for more than 16 bits;
//! floats are `WAVE_FORMAT_IEEE_FLOAT`.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
};

use super::{encoder::Spec, tags::WavTags};

/// Largest size that a plain RIFF file may state for itself.
const RIFF_LIMIT: u64 = u32::MAX as u64 - 1;
const PCM: u16 = 1;
const IEEE_FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;
/// `KSDATAFORMAT_SUBTYPE_PCM` without its first two bytes, which are the format tag.
const GUID_TAIL: [u8; 14] =
    [0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71];
/// Size of the body of a `ds64` chunk without a table.
const DS64: u32 = 28;

/// Writes one WAV file.
pub(super) struct WavWriter {
    file: BufWriter<File>,
    spec: Spec,
    id3: Vec<u8>,
    fact_at: Option<u64>,
    data_at: u64,
    data_bytes: u64,
    riff_limit: u64,
}

impl WavWriter {
    /// Starts a file.
    pub(super) fn new(file: File, spec: Spec, tags: WavTags) -> io::Result<Self> {
        Self::with_limit(file, spec, tags, RIFF_LIMIT)
    }

    /// Starts a file that becomes RF64 when it is larger than `riff_limit` bytes.
    fn with_limit(file: File, spec: Spec, tags: WavTags, riff_limit: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        head.extend(b"RIFF\0\0\0\0WAVEJUNK");
        head.extend(DS64.to_le_bytes());
        head.extend([0; DS64 as usize]);
        format_chunk(&spec, &mut head);
        let fact_at = spec.format.is_float().then(|| {
            head.extend(b"fact\x04\0\0\0\0\0\0\0");
            head.len() as u64 - 4
        });
        head.extend(&tags.info);
        head.extend(b"data\0\0\0\0");
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.write_all(&head)?;
        let data_at = head.len() as u64;
        Ok(Self { file, spec, id3: tags.id3, fact_at, data_at, data_bytes: 0, riff_limit })
    }

    /// Appends samples as they stand in the file.
    pub(super) fn write(&mut self, packed: &[u8]) -> io::Result<()> {
        self.data_bytes += packed.len() as u64;
        self.file.write_all(packed)
    }

    /// Writes what stands behind the samples and the sizes, and makes the file durable.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        pad(&mut self.file, self.data_bytes)?;
        if !self.id3.is_empty() {
            self.file.write_all(b"id3 ")?;
            self.file.write_all(&(self.id3.len() as u32).to_le_bytes())?;
            self.file.write_all(&self.id3)?;
            pad(&mut self.file, self.id3.len() as u64)?;
        }
        let riff_bytes = self.file.stream_position()? - 8;
        let block = u64::from(self.spec.channels) * u64::from(self.spec.format.bits() / 8);
        let frames = self.data_bytes / block;
        let wide = riff_bytes > self.riff_limit;
        let size = |bytes: u64| if wide { u32::MAX } else { bytes as u32 }.to_le_bytes();
        if wide {
            self.patch(0, b"RF64")?;
            let mut ds64 = b"ds64".to_vec();
            ds64.extend(DS64.to_le_bytes());
            ds64.extend([riff_bytes, self.data_bytes, frames].iter().flat_map(|n| n.to_le_bytes()));
            self.patch(12, &ds64)?;
        }
        self.patch(4, &size(riff_bytes))?;
        if let Some(at) = self.fact_at {
            self.patch(at, &size(frames))?;
        }
        self.patch(self.data_at - 4, &size(self.data_bytes))?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }
}

/// What stands before the samples of a file of 32-bit floats. Without `frames`, which is for streams, every size says that
/// it is not known.
pub(crate) fn float_head(rate: u32, channels: u16, frames: Option<u64>) -> Vec<u8> {
    let spec = Spec { format: harmonix_ipc::Format::Wav32f, rate, channels, frames: 0 };
    let data = frames.map(|frames| frames * u64::from(channels) * 4);
    let mut body = Vec::new();
    format_chunk(&spec, &mut body);
    // RIFF size, form type and ds64 stand before, fact and the head of data behind
    let riff = data.map(|data| data + 4 + 36 + body.len() as u64 + 12 + 8);
    let size = |bytes: Option<u64>| bytes.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(u32::MAX);
    let wide = riff.is_some_and(|riff| riff > RIFF_LIMIT);
    let mut head = if wide { b"RF64".to_vec() } else { b"RIFF".to_vec() };
    head.extend(if wide { u32::MAX } else { size(riff) }.to_le_bytes());
    head.extend(if wide { b"WAVEds64" } else { b"WAVEJUNK" });
    head.extend(DS64.to_le_bytes());
    let sizes = [riff, data, frames].map(|size| size.filter(|_| wide).unwrap_or_default().to_le_bytes());
    head.extend(sizes.concat());
    head.extend([0; 4]);
    head.extend(body);
    head.extend(b"fact\x04\0\0\0");
    head.extend(size(frames).to_le_bytes());
    head.extend(b"data");
    head.extend(if wide { u32::MAX } else { size(data) }.to_le_bytes());
    head
}

/// Chunks begin at even positions.
fn pad(file: &mut impl Write, bytes: u64) -> io::Result<()> {
    if bytes % 2 == 1 { file.write_all(&[0]) } else { Ok(()) }
}

fn format_chunk(spec: &Spec, head: &mut Vec<u8>) {
    let (bits, channels) = (spec.format.bits() as u16, spec.channels);
    let block = channels * bits / 8;
    let (tag, size) = match bits {
        16 => (PCM, 16u32),
        24 => (EXTENSIBLE, 40),
        _ => (IEEE_FLOAT, 18),
    };
    head.extend(b"fmt ");
    head.extend(size.to_le_bytes());
    head.extend([tag, channels].iter().flat_map(|n| n.to_le_bytes()));
    head.extend([spec.rate, spec.rate.saturating_mul(u32::from(block))].iter().flat_map(|n| n.to_le_bytes()));
    head.extend([block, bits].iter().flat_map(|n| n.to_le_bytes()));
    match tag {
        IEEE_FLOAT => head.extend([0, 0]),
        EXTENSIBLE => {
            // Front centre, or front left and front right.
            let speakers: u32 = if channels == 1 { 0b100 } else { 0b011 };
            head.extend([22, bits].iter().flat_map(|n| n.to_le_bytes()));
            head.extend(speakers.to_le_bytes());
            head.extend(PCM.to_le_bytes());
            head.extend(GUID_TAIL);
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
