use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{
    EngineError, Monitor,
    protocol::{Note, Precision},
    spool::SpoolReader,
};

/// What a separation model is, as far as the driver and the manifest need to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Catalogue id, e.g. `spectral`, `htdemucs_ft`.
    pub id: String,
    /// Identity of what computes: a digest of the weights, or the version of an algorithm without any.
    /// The same fingerprint and input give the same stems.
    pub fingerprint: String,
    /// Names of the stems in output order.
    pub sources: Vec<String>,
    /// Frames per second of input and output.
    pub sample_rate: u32,
    /// Channels of input and output, interleaved.
    pub channels: usize,
    /// Frames of one segment.
    pub segment: usize,
}

/// Whole-track statistics of the mixture at the model's rate, gathered while decoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackStats {
    /// Length in frames.
    pub frames: u64,
    /// Mean of the mono mix (average of the channels).
    pub mean: f64,
    /// Standard deviation of the mono mix with Bessel's correction, as the reference of HTDemucs computes it.
    pub std: f64,
    /// Largest absolute sample of any channel.
    pub peak: f32,
}

/// How a model computes.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// Where, e.g. `cpu` or `cuda:0 NVIDIA H100`.
    pub device: String,
    /// In which arithmetic.
    pub precision: Precision,
    /// Segments at once.
    pub batch: usize,
}

/// A source-separation model: one segment of a mixture in, its stems out.
///
/// The driver lays one grid of overlapping segments over the whole track and joins the results by
/// weighted overlap-add, so an engine sees segments only. What it needs of the whole track it takes
/// in [`prepare`](Self::prepare).
///
/// `separate` is a pure function of the prepared track and its arguments: a job that resumes after a
/// crash recomputes a segment and has to get the same bits.
pub trait Separator {
    /// What this model is.
    fn info(&self) -> &ModelInfo;

    /// Overlap-add weight of each frame of a segment: `info().segment` values, all positive and finite.
    fn window(&self) -> &[f32];

    /// How many segments [`separate`](Self::separate) takes at once, at most.
    fn max_batch(&self) -> usize {
        1
    }

    /// How it computes at present. It changes when a model goes on with less after memory ran out.
    fn conditions(&self) -> Conditions {
        Conditions { device: "cpu".into(), precision: Precision::F32, batch: self.max_batch() }
    }

    /// What has happened since this was asked last and is worth telling.
    fn take_notes(&mut self) -> Vec<Note> {
        Vec::new()
    }

    /// Memory that its weights take, in bytes.
    fn weight_bytes(&self) -> u64 {
        0
    }

    /// Whether a segment that the end of the track cuts short is filled up to the whole length. If not, `separate`
    /// gets it alone and as short as it is.
    fn fills_up(&self) -> bool {
        true
    }

    /// Called once per track before its first segment, also on resume. May stream through the whole
    /// mixture (in bounded memory) to learn what holds for all of it.
    fn prepare(
        &mut self,
        stats: &TrackStats,
        mix: &SpoolReader,
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError>;

    /// Separates `1..=max_batch()` segments.
    ///
    /// `stems`: shape `[batch, source, segment, channels]`, overwritten entirely.
    fn separate(
        &mut self,
        segments: &Segments<'_>,
        stems: &mut [f32],
        monitor: &dyn Monitor,
    ) -> Result<(), EngineError>;
}

/// Segments of a mixture that are separated together.
#[derive(Debug, Clone, Copy)]
pub struct Segments<'a> {
    /// Samples, shape `[batch, segment, channels]`. Frames outside of the track are zero.
    pub mix: &'a [f32],
    /// For each segment, which of its frames lie inside the track.
    pub inside: &'a [Range<usize>],
}
