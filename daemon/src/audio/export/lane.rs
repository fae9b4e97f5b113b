//! One stem's spool as a stream at the source's rate and channels.

use std::path::Path;

use harmonix_engine::{EngineError, spool::SpoolReader};
use harmonix_ipc::{Error, ErrorKind, Result};

use crate::audio::resample::Resampler;

/// Frames that are read from a spool at once.
const CHUNK: usize = 4096;

/// A stem spool (stereo, at the model's rate), resampled and folded to what the source is.
pub(super) struct Lane {
    spool: SpoolReader,
    position: u64,
    resampler: Resampler,
    finished: bool,
    fold: bool,
    chunk: Vec<f32>,
    ready: Vec<f32>,
}

/// What a lane has to deliver.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneSpec {
    /// Rate of the spool in Hz.
    pub(super) model_rate: u32,
    /// Rate to deliver in Hz.
    pub(super) rate: u32,
    /// Channels to deliver: 2 as in the spool, or 1 for their mean.
    pub(super) channels: usize,
    /// Frames to deliver, exactly.
    pub(super) frames: u64,
}

impl Lane {
    /// Opens the spool of the stem `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Separation`] if it is shorter than `spec` asks for.
    pub(super) fn open(name: &str, path: &Path, spec: &LaneSpec) -> Result<Self> {
        let spool = SpoolReader::open(path, 2).map_err(spool_error)?;
        let needed = u128::from(spec.frames) * u128::from(spec.model_rate) / u128::from(spec.rate);
        // Rounding the length to the model's rate may have gone either way.
        if u128::from(spool.frames()) + 1 < needed {
            let message = format!("stem {name} has {} of {needed} frames", spool.frames());
            return Err(Error::new(ErrorKind::Separation, message).hint("run the separation again"));
        }
        Ok(Self {
            spool,
            position: 0,
            resampler: Resampler::new(spec.model_rate, spec.rate, spec.channels, spec.frames)?,
            finished: false,
            fold: spec.channels == 1,
            chunk: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// Replaces `out` with the next `samples` samples.
    ///
    /// # Errors
    /// [`ErrorKind::Separation`] if the stem holds a sample that is not finite.
    pub(super) fn take(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<()> {
        while self.ready.len() < samples && !self.finished {
            self.feed()?;
        }
        if self.ready.len() < samples {
            return Err(Error::new(ErrorKind::Internal, "a resampled stem ended before the source"));
        }
        out.clear();
        out.extend(self.ready.drain(..samples));
        Ok(())
    }

    fn feed(&mut self) -> Result<()> {
        let frames = (self.spool.frames() - self.position).min(CHUNK as u64) as usize;
        if frames == 0 {
            self.finished = true;
            return self.resampler.finish(&mut self.ready);
        }
        self.chunk.resize(frames * 2, 0.0);
        self.spool.read(self.position as i64, &mut self.chunk).map_err(spool_error)?;
        self.position += frames as u64;
        if !self.chunk.iter().all(|x| x.is_finite()) {
            return Err(Error::new(ErrorKind::Separation, "a stem holds samples that are not finite"));
        }
        if self.fold {
            for frame in 0..frames {
                self.chunk[frame] = 0.5 * (self.chunk[2 * frame] + self.chunk[2 * frame + 1]);
            }
            self.chunk.truncate(frames);
        }
        self.resampler.push(&self.chunk, &mut self.ready)
    }
}

/// What clients may know of a spool that cannot be read: not its path.
pub(super) fn spool_error(error: EngineError) -> Error {
    match error {
        EngineError::Io { source, .. } => {
            Error::io(ErrorKind::Internal, "the separated audio could not be read", &source)
        }
        other => Error::new(ErrorKind::Internal, "the separated audio could not be read").cause(other),
    }
}
