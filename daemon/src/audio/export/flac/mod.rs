//! Streaming FLAC files (RFC 9639, within its streamable subset).
//!
//! Each block is coded with the best of a constant, a fixed predictor, a linear predictor of order 8, or verbatim
//! samples, with Rice parameters of up to 30 so that loud 24-bit audio stays small. Nothing but one block and the
//! seek table is held in memory.

mod bits;
mod fixed;
mod frame;
mod lpc;
mod rice;
mod subframe;

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
};

use md5::{Digest, Md5};

use self::frame::{BLOCK, FrameCoder};
use super::{encoder::Spec, pcm::Pcm};

/// Highest sample rate that a frame's header can state in every case, in Hz.
pub(super) const MAX_RATE: u32 = 655_350;
/// Most frames that STREAMINFO can state.
pub(super) const MAX_FRAMES: u64 = (1 << 36) - 1;
/// Most bytes that a metadata block can hold.
pub(super) const MAX_BLOCK_BYTES: usize = (1 << 24) - 1;

const STREAMINFO: u8 = 0;
const SEEKTABLE: u8 = 3;
const LAST: u8 = 0x80;
/// Seconds between seek points.
const SEEK_SECONDS: u64 = 10;
/// Most seek points; a longer stream has them further apart.
const MAX_SEEK_POINTS: u64 = 10_000;

/// A metadata block: its type and its body.
pub(super) type MetadataBlock = (u8, Vec<u8>);

/// Writes one FLAC file.
pub(super) struct FlacWriter {
    file: BufWriter<File>,
    spec: Spec,
    coder: FrameCoder,
    block: Vec<i32>,
    md5: Md5,
    number: u32,
    sizes: Option<(u32, u32)>,
    bytes: u64,
    seek_points: Vec<[u64; 3]>,
    seek_step: u64,
    seek_count: usize,
}

impl FlacWriter {
    /// Starts a file with `metadata` behind STREAMINFO and the seek table.
    pub(super) fn new(file: File, spec: Spec, metadata: &[MetadataBlock]) -> io::Result<Self> {
        let step = (u64::from(spec.rate) * SEEK_SECONDS).max(spec.frames.div_ceil(MAX_SEEK_POINTS)).max(1);
        let seek_count = spec.frames.div_ceil(step) as usize;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.write_all(b"fLaC")?;
        let mut blocks = vec![(STREAMINFO, vec![0; 34]), (SEEKTABLE, vec![0; 18 * seek_count])];
        blocks.extend_from_slice(metadata);
        let last = blocks.len() - 1;
        for (index, (kind, body)) in blocks.iter().enumerate() {
            let length = u32::try_from(body.len()).ok().filter(|&n| n as usize <= MAX_BLOCK_BYTES);
            let length = length.ok_or_else(|| io::Error::other("a metadata block is too large"))?;
            file.write_all(&[kind | if index == last { LAST } else { 0 }])?;
            file.write_all(&length.to_be_bytes()[1..])?;
            file.write_all(body)?;
        }
        Ok(Self {
            file,
            spec,
            coder: FrameCoder::new(spec.rate, spec.format.bits(), spec.channels),
            block: Vec::new(),
            md5: Md5::new(),
            number: 0,
            sizes: None,
            bytes: 0,
            seek_points: Vec::new(),
            seek_step: step,
            seek_count,
        })
    }

    /// Appends integer samples; `packed` is their packed form.
    pub(super) fn write(&mut self, pcm: &Pcm, packed: &[u8]) -> io::Result<()> {
        let Pcm::Int { samples, .. } = pcm else { return Err(io::Error::other("FLAC holds integers only")) };
        self.md5.update(packed);
        self.block.extend_from_slice(samples);
        let full = BLOCK * usize::from(self.spec.channels);
        let whole = self.block.len() - self.block.len() % full;
        let block = std::mem::take(&mut self.block);
        for samples in block[..whole].chunks_exact(full) {
            self.frame(samples)?;
        }
        self.block.extend_from_slice(&block[whole..]);
        Ok(())
    }

    /// Writes the last block, STREAMINFO and the seek table, and makes the file durable.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.block);
        if !rest.is_empty() {
            self.frame(&rest)?;
        }
        self.file.seek(SeekFrom::Start(8))?;
        let info = self.stream_info();
        self.file.write_all(&info)?;
        self.file.seek(SeekFrom::Current(4))?;
        // Unused points are placeholders: all ones.
        self.seek_points.resize(self.seek_count, [u64::MAX, 0, 0]);
        for [sample, offset, frames] in &self.seek_points {
            self.file.write_all(&sample.to_be_bytes())?;
            self.file.write_all(&offset.to_be_bytes())?;
            self.file.write_all(&(*frames as u16).to_be_bytes())?;
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    fn frame(&mut self, samples: &[i32]) -> io::Result<()> {
        let frames = (samples.len() / usize::from(self.spec.channels)) as u64;
        let start = u64::from(self.number) * BLOCK as u64;
        let next_point = self.seek_points.len() as u64 * self.seek_step;
        if start + frames > next_point && self.seek_points.len() < self.seek_count {
            self.seek_points.push([start, self.bytes, frames]);
        }
        let coded = self.coder.code(self.number, samples);
        self.file.write_all(coded)?;
        let size = coded.len() as u32;
        let (least, most) = self.sizes.unwrap_or((size, size));
        self.sizes = Some((least.min(size), most.max(size)));
        self.bytes += u64::from(size);
        self.number += 1;
        Ok(())
    }

    fn stream_info(&self) -> [u8; 34] {
        let mut info = [0; 34];
        let (least, most) = self.sizes.unwrap_or_default();
        info[..2].copy_from_slice(&(BLOCK as u16).to_be_bytes());
        info[2..4].copy_from_slice(&(BLOCK as u16).to_be_bytes());
        info[4..7].copy_from_slice(&least.to_be_bytes()[1..]);
        info[7..10].copy_from_slice(&most.to_be_bytes()[1..]);
        // 20 bits of rate, 3 of channels − 1, 5 of bits − 1, 36 of frames.
        let packed = u64::from(self.spec.rate) << 44
            | u64::from(self.spec.channels - 1) << 41
            | u64::from(self.spec.format.bits() - 1) << 36
            | self.spec.frames;
        info[10..18].copy_from_slice(&packed.to_be_bytes());
        info[18..].copy_from_slice(&self.md5.clone().finalize());
        info
    }
}

#[cfg(test)]
mod tests;
