//! The final stems: what the model made, at the source's rate and channels, summing to the mixture.

use std::{collections::VecDeque, path::PathBuf};

use harmonix_engine::spool::SpoolReader;
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{
    ExportRequest,
    lane::{Lane, LaneSpec, spool_error},
    levels::Meter,
    residual::{RawBlock, Shares, measure, spread},
};

/// A block of final stems.
#[derive(Debug, Default)]
pub struct Block {
    /// The stems in the model's order: interleaved samples at the source's rate and channels.
    pub stems: Vec<Vec<f32>>,
    /// The mixture that they sum to (unless raw): `input_gain` × source, interleaved.
    pub mixture: Vec<f64>,
}

/// Reads the final stems of a track, block by block, in memory that does not depend on its length.
///
/// Two readers of the same request yield the same bits.
///
/// Unless the request is raw, the stems of a block sum to the mixture: added up in `f64` they differ from it by
/// less than −145 dBFS as long as no sample is beyond full scale.
pub struct FinalStems {
    lanes: Vec<Lane>,
    source: SpoolReader,
    input_gain: f64,
    channels: usize,
    frames: u64,
    raw: bool,
    hop: usize,
    position: u64,
    read: VecDeque<(RawBlock, Vec<f64>)>,
    before: Option<Vec<f64>>,
    residual: [Meter; 2],
}

impl FinalStems {
    /// Opens everything that `request` names.
    ///
    /// # Errors
    /// [`ErrorKind::Separation`] if a stem is incomplete, [`ErrorKind::Internal`] if a spool cannot be read or the
    /// source is not as long as the request says.
    pub fn open(request: &ExportRequest<'_>) -> Result<Self> {
        let channels = usize::from(request.channels);
        let spec =
            LaneSpec { model_rate: request.model_rate, rate: request.rate, channels, frames: request.frames };
        let lane = |(name, path): &(String, PathBuf)| Lane::open(name, path, &spec);
        let source = SpoolReader::open(request.source, channels).map_err(spool_error)?;
        if source.frames() != request.frames {
            let message = format!("the decoded source has {} of {} frames", source.frames(), request.frames);
            return Err(Error::new(ErrorKind::Internal, message));
        }
        Ok(Self {
            lanes: request.stems.iter().map(lane).collect::<Result<_>>()?,
            source,
            input_gain: request.input_gain,
            channels,
            frames: request.frames,
            raw: request.raw,
            hop: hop(request.rate),
            position: 0,
            read: VecDeque::new(),
            before: None,
            residual: Default::default(),
        })
    }

    /// The next block: 50 ms, the last one shorter; nothing after the last frame.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`ErrorKind::Separation`] if a stem holds samples that are not finite.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        while self.read.len() < 2 && self.position < self.frames {
            let block = self.read_block()?;
            let shares = block.shares();
            self.read.push_back((block, shares));
        }
        let Some((mut block, here)) = self.read.pop_front() else { return Ok(None) };
        measure(&block, &mut self.residual[0]);
        if !self.raw {
            let after = self.read.front().map_or(&here, |(_, shares)| shares);
            let before = self.before.as_ref().unwrap_or(&here);
            spread(&mut block, &Shares { before, here: &here, after }, self.hop, self.channels);
        }
        measure(&block, &mut self.residual[1]);
        self.before = Some(here);
        Ok(Some(Block { stems: block.stems, mixture: block.mixture }))
    }

    /// Root mean square in dBFS of the mixture minus the sum of the stems, over all blocks so far: as the model
    /// made them, and as they were handed out. Nothing where there is no difference at all.
    pub fn residual_dbfs(&self) -> [Option<f64>; 2] {
        self.residual.map(|meter| meter.rms_dbfs())
    }

    fn read_block(&mut self) -> Result<RawBlock> {
        let frames = (self.frames - self.position).min(self.hop as u64) as usize;
        let samples = frames * self.channels;
        let mut source = vec![0.0; samples];
        self.source.read(self.position as i64, &mut source).map_err(spool_error)?;
        if !source.iter().all(|x| x.is_finite()) {
            return Err(Error::new(
                ErrorKind::Internal,
                "the decoded source holds samples that are not finite",
            ));
        }
        let mut stems = vec![Vec::new(); self.lanes.len()];
        for (lane, stem) in self.lanes.iter_mut().zip(&mut stems) {
            lane.take(samples, stem)?;
        }
        self.position += frames as u64;
        let mixture = source.iter().map(|&x| f64::from(x) * self.input_gain).collect();
        Ok(RawBlock { stems, mixture })
    }
}

/// Frames of a block at `rate`: 50 ms.
pub(super) fn hop(rate: u32) -> usize {
    (rate as usize / 20).max(32)
}
