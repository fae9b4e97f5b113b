//! `AnalyzerActor`: tempo, beats, key, chords, sections and loudness of a decoded input, in one pass over its spool.

use std::path::Path;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use harmonix_analysis::{Analysis, Analyzer, Options};
use harmonix_engine::{Monitor, durable, spool::SpoolReader};
use harmonix_ipc::{Error, ErrorKind, Result};
use serde_json::Value;

use super::{Ping, Running, compute};
use crate::{audio::Ingested, folders::JobFolder};

/// Frames that are read at once.
const BLOCK: usize = 1 << 15;

/// Lowest sample rate that is analysed as it is; the mixture for the models takes the place of what is below.
const LOWEST_RATE: u32 = 8000;

/// Sample rate and channels of the mixture for the models.
const MIX: (u32, u16) = (44_100, 2);

/// Analyses the input of a job.
#[derive(Message)]
#[rtype(result = "Result<Value>")]
pub struct Analyse {
    /// Its cancellation and progress.
    pub running: Running,
    /// Where its spools lie.
    pub folder: JobFolder,
    /// What ingest found.
    pub ingested: Ingested,
}

/// The actor; how many run at once is decided by the plan.
pub struct AnalyzerActor {
    /// What is looked for.
    pub options: Options,
}

impl Actor for AnalyzerActor {
    type Context = Context<Self>;
}

impl Handler<Analyse> for AnalyzerActor {
    type Result = ResponseFuture<Result<Value>>;

    fn handle(&mut self, message: Analyse, _: &mut Self::Context) -> Self::Result {
        crate::fault::strike("analyzer_actor");
        let options = self.options.clone();
        Box::pin(compute(move || analyse(&message, options)))
    }
}

/// Writes all that was found to the job's `analysis.json`, and gives what lists and events carry of it.
fn analyse(message: &Analyse, options: Options) -> Result<Value> {
    crate::fault::strike("analysis");
    let Analyse { running, folder, ingested } = message;
    let (spool, rate, channels) = if ingested.rate < LOWEST_RATE {
        (folder.work().join("mix.f32"), MIX.0, MIX.1)
    } else {
        (folder.work().join("source.f32"), ingested.rate, ingested.channels)
    };
    let analysis = listen(running, &spool, (rate, channels), options)?;
    let internal = |error: serde_json::Error| Error::new(ErrorKind::Internal, error.to_string());
    let whole = serde_json::to_vec(&analysis).map_err(internal)?;
    let write = || {
        std::fs::create_dir_all(folder.out())?;
        durable::write_file(&folder.analysis(), &whole)
    };
    write().map_err(|error| Error::io(ErrorKind::Internal, "the analysis cannot be written", &error))?;
    serde_json::to_value(brief(analysis)).map_err(internal)
}

fn listen(
    running: &Running,
    spool: &Path,
    (rate, channels): (u32, u16),
    options: Options,
) -> Result<Analysis> {
    let channels = usize::from(channels);
    let failed = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Analysis, error.to_string());
    let unread = |error| Error::new(ErrorKind::Internal, "the decoded input cannot be read").cause(error);
    let mut analyzer = Analyzer::new(rate, channels, options).map_err(|error| failed(&error))?;
    let spool = SpoolReader::open(spool, channels).map_err(unread)?;
    let mut block = Vec::new();
    let mut at = 0;
    while at < spool.frames() {
        if running.cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the analysis was stopped"));
        }
        let frames = (spool.frames() - at).min(BLOCK as u64);
        block.resize(frames as usize * channels, 0.0);
        spool.read(at as i64, &mut block).map_err(unread)?;
        analyzer.push(&block);
        at += frames;
        running.progress(at as f64 / spool.frames() as f64);
    }
    Ok(analyzer.finish())
}

/// Without what grows with the length of the song.
fn brief(mut analysis: Analysis) -> Analysis {
    if let Some(tempo) = &mut analysis.tempo {
        tempo.beats.clear();
        tempo.downbeats.clear();
        tempo.curve.clear();
    }
    analysis.chords.clear();
    analysis.instruments.iter_mut().for_each(|instrument| instrument.segments.clear());
    analysis.energy.rms.clear();
    analysis
}

impl Handler<Ping> for AnalyzerActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}
