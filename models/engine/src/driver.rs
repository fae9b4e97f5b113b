//! Runs a [`Separator`] over a whole track: one grid, weighted overlap-add, checkpoints, resume.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    EngineError, Grid, ModelInfo, Monitor, Segment, Segments, Separator, Span, TrackStats, durable,
    protocol::Precision,
    spool::{SpoolReader, SpoolWriter},
};

/// Part of the progress that belongs to [`Separator::prepare`].
const PREPARE: f64 = 0.05;

/// Shifted passes begin at most this many seconds before the track.
const MAX_SHIFT: f64 = 0.5;

/// How a track is laid out in segments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Fraction of a segment that it shares with the next, `0.0..1.0`.
    pub overlap: f64,
    /// Shifted passes that are averaged; none is one pass without a shift.
    pub shifts: u32,
    /// Seed of the shifts.
    pub seed: u64,
}

/// What a separation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Frames of each stem: the mixture's.
    pub frames: u64,
    /// Segments of the grid.
    pub segments: usize,
    /// Passes over the track.
    pub passes: usize,
    /// Segments that were computed here.
    pub computed: usize,
    /// First frame that was computed here: not zero when an earlier run's checkpoint was there.
    pub resumed_at: u64,
}

/// Where a separation had got to: every stem is final and durable below `frames`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Identity of everything that decides the result. Frames below a checkpoint of the same key have the same bits.
    pub key: String,
    /// Frames that are final.
    pub frames: u64,
}

impl Checkpoint {
    /// The key of a separation: model, device, arithmetic, layout and the identity of the input.
    pub fn key(
        model: &ModelInfo,
        device: &str,
        precision: Precision,
        layout: &Layout,
        input: &str,
    ) -> String {
        let ModelInfo { id, fingerprint, sources, .. } = model;
        let Layout { overlap, shifts, seed } = layout;
        let sources = sources.join("+");
        format!(
            "{id} {fingerprint} {device} {precision:?} {sources} overlap {overlap} shifts {shifts} seed {seed} input {input}"
        )
    }

    /// The checkpoint of the stems in `dir`; none if there is none yet.
    ///
    /// Whoever reads stems while they are computed reads this before and after: as long as the key stays, what lay
    /// below it was what is in the end.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(dir.join(CHECKPOINT)) {
            Ok(raw) => Ok(serde_json::from_slice(&raw).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A track to be separated.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The mixture at the model's rate and channels.
    pub mix: &'a SpoolReader,
    /// Its statistics.
    pub stats: &'a TrackStats,
    /// How it is laid out in segments.
    pub layout: &'a Layout,
    /// Identity of everything that decides the result: model, settings and input.
    pub key: &'a str,
    /// Folder of the stems.
    pub dir: &'a Path,
}

/// Separates a track into `dir/<source>.f32`, one spool for each of the model's sources.
///
/// Memory depends on the segment, not on the track. Finished frames are appended and made durable segment
/// by segment, then `checkpoint` hears up to which frame. If `dir` holds a checkpoint of the same `key` (model,
/// settings and input), the computation goes on there and gives the same bits as one that was never
/// interrupted. A checkpoint of another key is thrown away.
///
/// Fails with [`EngineError::NonFinite`] when the model's output is not finite; what lies in `dir` can
/// be resumed from after every error.
pub fn separate_track(
    separator: &mut dyn Separator,
    task: &Task<'_>,
    monitor: &dyn Monitor,
    checkpoint: &mut dyn FnMut(u64),
) -> Result<Summary, EngineError> {
    let Task { mix, stats, layout, key, dir } = *task;
    let info = separator.info().clone();
    let max_shift = (MAX_SHIFT * f64::from(info.sample_rate)) as u64;
    let grid = Grid::new(mix.frames(), info.segment, layout.overlap, layout.shifts, max_shift, layout.seed);
    let mut stems = Stems::open(dir, key, &info.sources, info.channels)?;
    let resumed_at = stems.frames;
    let todo: Vec<_> = grid.after(resumed_at).collect();
    let mut summary = Summary {
        frames: mix.frames(),
        segments: grid.segments().len(),
        passes: grid.passes(),
        computed: 0,
        resumed_at,
    };
    if resumed_at == mix.frames() {
        monitor.progress(1.0);
        return Ok(summary);
    }
    separator.prepare(stats, mix, &Span::new(monitor, 0.0, PREPARE))?;

    let per_segment = info.segment * info.channels;
    let (batch, separator_fills_up) = (separator.max_batch().max(1), separator.fills_up());
    let mut input = vec![0.0; per_segment * batch];
    let mut output = vec![0.0; per_segment * info.sources.len() * batch];
    let mut sum = Accumulator::new(info.sources.len(), info.channels, resumed_at);
    let before = grid.segments().len() - todo.len();
    let at = |done: usize| PREPARE + (1.0 - PREPARE) * (before + done) as f64 / grid.segments().len() as f64;

    let whole = |segment: &Segment| separator_fills_up || segment.length == info.segment;
    let groups = todo.chunk_by(|a, b| whole(a) && whole(b)).flat_map(|run| run.chunks(batch));
    for group in groups {
        if monitor.cancelled() {
            return Err(EngineError::Cancelled);
        }
        // a segment that is not filled up is alone in its group
        let (length, lead) = match group {
            [only] if !whole(only) => (only.length, (only.start - only.input) as usize),
            _ => (info.segment, 0),
        };
        let input = &mut input[..length * info.channels * group.len()];
        let output = &mut output[..length * info.channels * info.sources.len() * group.len()];
        let mut inside = Vec::with_capacity(group.len());
        for (segment, buffer) in group.iter().zip(input.chunks_exact_mut(length * info.channels)) {
            let first = segment.input + lead as i64;
            mix.read(first, buffer)?;
            let within = |frame: i64| (frame - first).clamp(0, length as i64) as usize;
            inside.push(within(0)..within(mix.frames() as i64));
        }
        let span = Span::new(monitor, at(summary.computed), at(summary.computed + group.len()));
        separator.separate(&Segments { mix: input, inside: &inside }, output, &span)?;
        for (segment, stems) in
            group.iter().zip(output.chunks_exact(length * info.channels * info.sources.len()))
        {
            sum.add(&grid, segment, lead, separator.window(), stems)?;
        }
        summary.computed += group.len();
        let finished = grid.finished(before + summary.computed).max(stems.frames);
        stems.append(&mut sum, finished)?;
        checkpoint(finished);
        monitor.progress(at(summary.computed));
    }
    Ok(summary)
}

/// The part of the stems that some segments have reached and others will still add to.
struct Accumulator {
    stems: Vec<Vec<f32>>,
    channels: usize,
    /// Frame of the track at which the buffers begin.
    start: u64,
    weights: Vec<f32>,
}

impl Accumulator {
    fn new(sources: usize, channels: usize, start: u64) -> Self {
        Self { stems: vec![Vec::new(); sources], channels, start, weights: Vec::new() }
    }

    /// Adds a segment's stems, shape `[source, frame, channels]`, without its first `cut` frames; what lies before
    /// `start` is final already.
    fn add(
        &mut self,
        grid: &Grid,
        segment: &Segment,
        cut: usize,
        window: &[f32],
        stems: &[f32],
    ) -> Result<(), EngineError> {
        let skip = (self.start as i64 - segment.start).max(0) as usize;
        if skip >= segment.length {
            return Ok(());
        }
        grid.weights(segment, skip..segment.length, window, &mut self.weights);
        let offset = (segment.start + skip as i64 - self.start as i64) as usize * self.channels;
        let lead = (segment.start - segment.input) as usize + skip - cut;
        let count = (segment.length - skip) * self.channels;
        let per_stem = stems.len() / self.stems.len();
        for (sum, stem) in self.stems.iter_mut().zip(stems.chunks_exact(per_stem)) {
            let stem = &stem[lead * self.channels..][..count];
            if !stem.iter().all(|sample| sample.is_finite()) {
                return Err(EngineError::NonFinite(segment.start));
            }
            sum.resize(sum.len().max(offset + count), 0.0);
            let frames = sum[offset..].chunks_exact_mut(self.channels).zip(stem.chunks_exact(self.channels));
            for ((sum, stem), weight) in frames.zip(&self.weights) {
                for (sum, sample) in sum.iter_mut().zip(stem) {
                    *sum += sample * weight;
                }
            }
        }
        Ok(())
    }
}

/// The stems' spools with their checkpoint.
struct Stems<'a> {
    dir: &'a Path,
    key: &'a str,
    spools: Vec<SpoolWriter>,
    frames: u64,
}

const CHECKPOINT: &str = "checkpoint.json";

impl<'a> Stems<'a> {
    fn open(dir: &'a Path, key: &'a str, sources: &[String], channels: usize) -> Result<Self, EngineError> {
        let failed = |error| EngineError::io("open stems", error);
        fs::create_dir_all(dir).map_err(failed)?;
        let open = |frames| -> Result<Vec<SpoolWriter>, EngineError> {
            let path = |source: &String| dir.join(source).with_extension("f32");
            sources.iter().map(|source| SpoolWriter::open(&path(source), channels, frames)).collect()
        };
        let begin = || -> Result<_, EngineError> {
            // first, so that nobody takes for final what is written anew
            match fs::remove_file(dir.join(CHECKPOINT)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok((open(0)?, 0)),
            }
        };
        let (spools, frames) = match Checkpoint::read(dir) {
            Ok(Some(Checkpoint { key: same, frames })) if same == key => {
                // a spool that is shorter than its checkpoint says is damaged: begin again
                open(frames).map(|spools| (spools, frames)).or_else(|_| begin())?
            }
            _ => begin()?,
        };
        durable::sync_dir(dir).map_err(failed)?;
        Ok(Self { dir, key, spools, frames })
    }

    /// Appends everything before frame `finished` and makes it durable.
    fn append(&mut self, sum: &mut Accumulator, finished: u64) -> Result<(), EngineError> {
        let count = (finished - sum.start) as usize * sum.channels;
        if count == 0 {
            return Ok(());
        }
        for (spool, stem) in self.spools.iter_mut().zip(&mut sum.stems) {
            spool.write(&stem[..count])?;
            stem.drain(..count);
        }
        self.spools.iter().try_for_each(SpoolWriter::sync)?;
        sum.start = finished;
        self.frames = finished;
        let checkpoint = Checkpoint { key: self.key.to_owned(), frames: finished };
        let bytes =
            serde_json::to_vec(&checkpoint).map_err(|e| EngineError::io("write checkpoint", e.into()))?;
        durable::write_file(&self.dir.join(CHECKPOINT), &bytes)
            .map_err(|error| EngineError::io("write checkpoint", error))
    }
}

#[cfg(test)]
mod tests;
