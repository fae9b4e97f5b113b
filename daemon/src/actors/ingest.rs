//! `IngestActor`: an uploaded file becomes spools, a probe and a content hash.

use std::path::PathBuf;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use harmonix_ipc::{Error, ErrorKind, Result};

use super::{Ping, Running, compute};
use crate::{
    audio::{self, IngestRequest, Ingested},
    config::{self, Live},
    folders::JobFolder,
};

/// Sample rate of every model's input in hertz.
const MODEL_RATE: u32 = 44_100;

/// Length of a preview in seconds.
pub(super) const PREVIEW: f64 = 30.0;

/// Decodes the source of a job.
#[derive(Message)]
#[rtype(result = "Result<Ingested>")]
pub struct Ingest {
    /// Its cancellation and progress.
    pub running: Running,
    /// Where it lies.
    pub folder: JobFolder,
    /// Name that the client gave: for its extension.
    pub name: String,
    /// Only the beginning.
    pub preview: bool,
    /// Bring the peak to −3 dBFS.
    pub normalize: bool,
}

/// The actor; how many run at once is decided by the plan.
#[derive(Clone)]
pub struct IngestActor {
    /// Says what an input may be.
    pub live: Live,
    /// The ffmpeg program, if it may be run and is there.
    pub ffmpeg: Option<PathBuf>,
}

impl Actor for IngestActor {
    type Context = Context<Self>;
}

impl Handler<Ingest> for IngestActor {
    type Result = ResponseFuture<Result<Ingested>>;

    fn handle(&mut self, message: Ingest, _: &mut Self::Context) -> Self::Result {
        crate::fault::strike("ingest_actor");
        let Self { live, ffmpeg } = self.clone();
        let limits = limits(&live.get().limits);
        Box::pin(compute(move || {
            let work = message.folder.work();
            std::fs::create_dir_all(&work)
                .map_err(|error| Error::io(ErrorKind::Internal, "cannot create the work folder", &error))?;
            let request = IngestRequest {
                source: &message.folder.source(),
                name: message.name.as_ref(),
                work: &work,
                limits: &limits,
                preview: message.preview.then_some(PREVIEW),
                normalize: message.normalize,
                ffmpeg: ffmpeg.as_deref(),
                model_rate: MODEL_RATE,
            };
            crate::fault::strike("ingest");
            audio::ingest(&request, &message.running)
        }))
    }
}

impl Handler<Ping> for IngestActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}

fn limits(config: &config::Limits) -> audio::Limits {
    audio::Limits {
        max_bytes: config.upload_bytes,
        max_duration: Some(config.duration).filter(|seconds| *seconds > 0.0),
        max_channels: config.channels,
        max_rate: config.sample_rate,
        ..audio::Limits::default()
    }
}
