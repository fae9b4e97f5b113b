//! The second pass: outputs are made on one thread and encoded and verified on others.

use std::{
    fs::File,
    io,
    ops::ControlFlow,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use harmonix_engine::{Monitor, Span};
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{
    ExportRequest,
    encoder::{Encoder, Spec},
    gain::check_cancelled,
    levels::Meter,
    pcm::Pcm,
    publish::Publication,
    quantise::Quantiser,
    stems::{Block, FinalStems},
    tags::Tags,
    verify::verify,
};

/// Blocks that may wait for an encoding thread, over all of its files.
const QUEUE: usize = 16;
/// How often cancellation is asked for while files are verified.
const PATIENCE: Duration = Duration::from_millis(20);

/// A block for the file with this index.
type Message = (usize, Pcm);
/// The files that one worker made, with their indices.
type Share = Vec<(usize, Finished)>;

/// Everything that the second pass needs.
pub(super) struct Job<'a> {
    pub(super) request: &'a ExportRequest<'a>,
    pub(super) spec: Spec,
    pub(super) quantiser: Quantiser,
    pub(super) tags: Tags,
    pub(super) publication: &'a Publication,
}

/// A written and verified file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finished {
    /// Size in bytes.
    pub(super) bytes: u64,
    /// Digest of the file.
    pub(super) blake3: blake3::Hash,
    /// Levels of its samples.
    pub(super) meter: Meter,
}

impl Job<'_> {
    /// Writes and verifies all files. Gives them in the order of the outputs, and the root mean square of the
    /// residual in dBFS before and after it was spread.
    pub(super) fn run(&self, monitor: &dyn Monitor) -> Result<(Vec<Finished>, [Option<f64>; 2])> {
        let outputs = self.request.outputs.len();
        let workers = thread::available_parallelism().map_or(1, usize::from).min(outputs);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let (progress, verified) = channel();
            let (mut queues, mut handles) = (Vec::new(), Vec::new());
            for worker in 0..workers {
                let (queue, messages) = sync_channel(QUEUE);
                let (progress, stop) = (progress.clone(), &stop);
                let indices = (worker..outputs).step_by(workers).collect();
                queues.push(queue);
                handles.push(scope.spawn(move || self.work(indices, &messages, &progress, stop)));
            }
            drop(progress);
            let produced = self.produce(&queues, &Span::new(monitor, 0.0, 0.6));
            if !matches!(produced, Ok(ControlFlow::Continue(_))) {
                stop.store(true, Ordering::Relaxed);
            }
            drop(queues);
            let total = self.spec.frames * outputs as u64;
            let watched = await_verification(&verified, total, &Span::new(monitor, 0.6, 1.0));
            if watched.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            let worked = join(handles);
            let produced = produced?;
            watched?;
            match (produced, worked?) {
                (ControlFlow::Continue(residual), finished) => Ok((finished, residual)),
                (ControlFlow::Break(()), _) => {
                    Err(Error::new(ErrorKind::Internal, "an encoder stopped early"))
                }
            }
        })
    }

    /// Makes all blocks and hands them out. Breaks off when a worker takes none any more, which then has failed.
    fn produce(
        &self,
        queues: &[SyncSender<Message>],
        monitor: &dyn Monitor,
    ) -> Result<ControlFlow<(), [Option<f64>; 2]>> {
        let mut stems = FinalStems::open(self.request)?;
        let mut samples = 0;
        let total = self.spec.frames as f64 * f64::from(self.spec.channels);
        while let Some(block) = stems.next_block()? {
            check_cancelled(monitor)?;
            samples += block.mixture.len();
            for message in self.outputs(&block).into_iter().enumerate() {
                if queues[message.0 % queues.len()].send(message).is_err() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            monitor.progress(samples as f64 / total);
        }
        Ok(ControlFlow::Continue(stems.residual_dbfs()))
    }

    fn outputs(&self, block: &Block) -> Vec<Pcm> {
        let mix = |output: &super::Output| {
            let mut sum = Vec::new();
            output.mix(&block.stems, &mut sum);
            sum
        };
        let sums: Vec<Vec<f32>> = self.request.outputs.iter().map(mix).collect();
        if self.spec.format.is_float() {
            return sums.into_iter().map(Pcm::Float).collect();
        }
        let bits = self.quantiser.bits;
        let integers = self.quantiser.quantise(&sums, &block.mixture);
        integers.into_iter().map(|samples| Pcm::Int { samples, bits }).collect()
    }

    /// Encodes the files `indices` from the messages for them, then verifies them.
    fn work(
        &self,
        indices: Vec<usize>,
        messages: &Receiver<Message>,
        progress: &Sender<u64>,
        stop: &AtomicBool,
    ) -> Result<Share> {
        let mut files = Vec::with_capacity(indices.len());
        for index in indices {
            let output = &self.request.outputs[index];
            let tags = self.tags.for_stem(&output.name, self.request.display_name);
            let create = || Encoder::new(File::create(self.publication.part(index))?, self.spec, &tags);
            files.push((index, create().map_err(|e| unwritable(&e))?));
        }
        for (index, pcm) in messages {
            if let Some((_, encoder)) = files.iter_mut().find(|(of, _)| *of == index) {
                encoder.write(&pcm).map_err(|e| unwritable(&e))?;
            }
        }
        let mut finished = Vec::with_capacity(files.len());
        for (index, encoder) in files {
            stopped(stop)?;
            let written = encoder.finish().map_err(|e| unwritable(&e))?;
            let path = self.publication.part(index);
            let mut seen = 0;
            verify(&path, &self.spec, written.pcm, &mut |frames| {
                stopped(stop)?;
                let _ = progress.send(frames - std::mem::replace(&mut seen, frames));
                Ok(())
            })?;
            let (bytes, blake3) = digest(&path).map_err(|e| unwritable(&e))?;
            finished.push((index, Finished { bytes, blake3, meter: written.meter }));
        }
        Ok(finished)
    }
}

/// Waits until the workers have ended, which verify `total` frames.
fn await_verification(verified: &Receiver<u64>, total: u64, monitor: &dyn Monitor) -> Result<()> {
    let mut frames = 0;
    loop {
        check_cancelled(monitor)?;
        match verified.recv_timeout(PATIENCE) {
            Ok(more) => {
                frames += more;
                monitor.progress(frames as f64 / total as f64);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The files of all workers in order, or the first error.
fn join(handles: Vec<ScopedJoinHandle<'_, Result<Share>>>) -> Result<Vec<Finished>> {
    let ended: Vec<_> = handles.into_iter().map(ScopedJoinHandle::join).collect();
    let mut files = Vec::new();
    for result in ended {
        files.extend(result.map_err(|_| Error::new(ErrorKind::Internal, "an encoder panicked"))??);
    }
    files.sort_by_key(|(index, _)| *index);
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

fn stopped(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) {
        Err(Error::new(ErrorKind::Cancelled, "the export was stopped"))
    } else {
        Ok(())
    }
}

fn digest(path: &Path) -> io::Result<(u64, blake3::Hash)> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok((hasher.count(), hasher.finalize()))
}

/// A file that cannot be written: [`ErrorKind::DiskFull`] if that is why.
pub(super) fn unwritable(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "a stem could not be written", error)
}
