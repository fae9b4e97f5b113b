//! `ExportActor`: the stems' spools become verified files and a manifest.

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, JobOptions, Result};

use super::{Ping, Running, compute};
use crate::{
    audio::{self, ExportRequest, Ingested, Musical},
    folders::JobFolder,
    job::{Exported, Resolved, Separated},
    manifest::{MANIFEST, Manifest},
};

/// Encodes the outputs of a job.
#[derive(Message)]
#[rtype(result = "Result<Exported>")]
pub struct Export {
    /// Its cancellation and progress.
    pub running: Running,
    /// Where everything lies.
    pub folder: JobFolder,
    /// Name that the client gave: the title where the source has none.
    pub name: String,
    /// What was asked for.
    pub options: JobOptions,
    /// What the job came to.
    pub resolved: Resolved,
    /// What ingest found.
    pub ingested: Ingested,
    /// What separation did.
    pub separated: Separated,
}

/// The actor; how many run at once is decided by the plan.
pub struct ExportActor;

impl Actor for ExportActor {
    type Context = Context<Self>;
}

impl Handler<Export> for ExportActor {
    type Result = ResponseFuture<Result<Exported>>;

    fn handle(&mut self, message: Export, _: &mut Self::Context) -> Self::Result {
        crate::fault::strike("export_actor");
        Box::pin(compute(move || export(&message)))
    }
}

fn export(message: &Export) -> Result<Exported> {
    let Export { running, folder, options, resolved, ingested, separated, .. } = message;
    let out = folder.out();
    std::fs::create_dir_all(&out)
        .map_err(|error| Error::io(ErrorKind::Internal, "cannot create the outputs' folder", &error))?;
    let outputs = resolved.outputs_over(&separated.model.sources)?;
    let spool = |source: &String| (source.clone(), folder.stems().join(source).with_extension("f32"));
    let stems: Vec<_> = separated.model.sources.iter().map(spool).collect();
    let request = ExportRequest {
        stems: &stems,
        model_rate: separated.model.sample_rate,
        source: &folder.work().join("source.f32"),
        tags_from: Some(&folder.source()),
        display_name: &message.name,
        musical: Musical::default(),
        rate: ingested.rate,
        channels: ingested.channels,
        frames: ingested.frames,
        input_gain: ingested.input_gain,
        outputs: &outputs,
        format: options.format,
        raw: options.raw || separated.model.sources.len() < resolved.sources.len(),
        dest: &out,
    };
    crate::fault::strike("export");
    let audio = audio::export(&request, running)?;
    let manifest = Manifest::new(message, &outputs, request.raw, &audio);
    let write = || durable::write_file(&out.join(MANIFEST), &manifest.to_bytes());
    write().map_err(|error| Error::io(ErrorKind::Internal, "cannot write the manifest", &error))?;
    Ok(Exported { audio, manifest: MANIFEST.into() })
}

impl Handler<Ping> for ExportActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}
