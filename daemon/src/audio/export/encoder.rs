//! One file being written.

use std::{fs::File, io};

use harmonix_ipc::Format;

use super::{flac::FlacWriter, levels::Meter, pcm::Pcm, tags::Tags, wav::WavWriter};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spec {
    /// How it is encoded.
    pub(super) format: Format,
    /// Frames per second.
    pub(super) rate: u32,
    /// Samples per frame, 1 or 2.
    pub(super) channels: u16,
    /// Frames.
    pub(super) frames: u64,
}

enum Writer {
    Wav(Box<WavWriter>),
    Flac(Box<FlacWriter>),
}

/// Writes one file as a stream and remembers what went into it.
pub(super) struct Encoder {
    writer: Writer,
    packed: Vec<u8>,
    hasher: blake3::Hasher,
    meter: Meter,
}

/// What went into a finished file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// BLAKE3 of all samples in the form of [`Pcm::pack`].
    pub(super) pcm: blake3::Hash,
    /// Levels of all samples.
    pub(super) meter: Meter,
}

impl Encoder {
    /// Starts writing to `file`, which is empty.
    pub(super) fn new(file: File, spec: Spec, tags: &Tags) -> io::Result<Self> {
        let writer = match spec.format {
            Format::Wav16 | Format::Wav24 | Format::Wav32f => {
                Writer::Wav(Box::new(WavWriter::new(file, spec, tags.wav())?))
            }
            Format::Flac16 | Format::Flac24 => {
                Writer::Flac(Box::new(FlacWriter::new(file, spec, &tags.flac())?))
            }
        };
        Ok(Self { writer, packed: Vec::new(), hasher: blake3::Hasher::new(), meter: Meter::default() })
    }

    /// Appends a block.
    pub(super) fn write(&mut self, pcm: &Pcm) -> io::Result<()> {
        pcm.pack(&mut self.packed);
        self.hasher.update(&self.packed);
        self.meter.add_pcm(pcm);
        match &mut self.writer {
            Writer::Wav(writer) => writer.write(&self.packed),
            Writer::Flac(writer) => writer.write(pcm, &self.packed),
        }
    }

    /// Completes the file and makes it durable.
    pub(super) fn finish(mut self) -> io::Result<Written> {
        match &mut self.writer {
            Writer::Wav(writer) => writer.finish()?,
            Writer::Flac(writer) => writer.finish()?,
        }
        Ok(Written { pcm: self.hasher.finalize(), meter: self.meter })
    }
}
