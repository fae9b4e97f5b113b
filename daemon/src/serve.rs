//! The composition root: what is built from what, top to bottom.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use harmonix_analysis::Options;
use harmonix_ipc::{Error, ErrorKind, Result};

use crate::{
    actors::{
        Slot, Stages,
        analyzer::AnalyzerActor,
        export::ExportActor,
        health::HealthActor,
        ingest::IngestActor,
        jobs::{JobsActor, Parts, Stop},
        library::{Commit, LibraryActor, StoreThread},
        separator::{GpuSeparatorActor, find},
    },
    audio,
    cache::Cache,
    config::{Config, Instruments},
    folders::Folders,
    job::Capacity,
    models::{Catalogue, ModelStore},
    router::Router,
    store::SledStore,
    transport::unix::Control,
};

/// Jobs that may be decoded ahead of the device: their spools lie on disk.
const AHEAD: usize = 3;

/// Longest that running stages may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// Runs the daemon until `stop` resolves. Has to be called on an actix system.
pub async fn serve(config: Config, stop: impl Future<Output = ()>) -> Result<()> {
    let started = Instant::now();
    folder(&config.state_dir, 0o700)?;
    folder(&config.cache_dir, 0o700)?;
    folder(&config.runtime_dir, 0o755)?;
    let store = StoreThread::start(Box::new(SledStore::open(&config.state_dir.join("store"))?))?;
    let folders = Folders::open(&config.state_dir)
        .map_err(|error| Error::io(ErrorKind::Config, "state_dir cannot be used", &error))?;

    let catalogue = Catalogue::load(config.catalogue())?;
    let models = ModelStore::open(config.cache_dir.join("models"), catalogue, config.models.proxy.clone())?;

    let cache = Cache::open(config.state_dir.join("stems"), config.cache.max_bytes)
        .map_err(|error| Error::io(ErrorKind::Config, "state_dir cannot be used", &error))?;

    let parts = parts(&config, store, folders, models, cache);
    let queue = parts.clone();
    let jobs = Slot::new("jobs", move || JobsActor::new(queue.clone()));
    let watched = (jobs.clone(), parts.clone());
    let health = Slot::new("health", move || HealthActor::new(watched.0.clone(), watched.1.clone()));
    let control = Control::bind(&config.socket_path(), config.socket_mode().unwrap_or(0o600))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    let router =
        Router { config: Rc::new(config), jobs: jobs.clone(), parts: parts.clone(), health, started };

    tokio::select! {
        () = control.serve(router) => {}
        () = stop => {}
    }
    tracing::info!("stopping");
    drop(control);
    parts.models.stop();
    if tokio::time::timeout(STOP, jobs.call(Stop)).await.is_err() {
        tracing::warn!("stages did not stop in time; they resume at the next start");
    }
    // commits are served in order: when this one is done, so are all before it
    parts.library.call(Commit(Vec::new())).await?
}

fn parts(config: &Config, store: StoreThread, folders: Folders, models: ModelStore, cache: Cache) -> Parts {
    let limits = audio::Limits {
        max_bytes: config.limits.upload_bytes,
        max_duration: Some(config.limits.duration).filter(|seconds| *seconds > 0.0),
        max_channels: config.limits.channels,
        max_rate: config.limits.sample_rate,
        ..audio::Limits::default()
    };
    let ingest = IngestActor { limits, ffmpeg: on_path(&config.ingest.ffmpeg) };
    let options = analysis_options(config);
    let program = find(&config.worker.program);
    let (idle, stall) =
        (Duration::from_secs_f64(config.worker.idle), Duration::from_secs_f64(config.worker.stall));
    Parts {
        library: Slot::new("library", move || LibraryActor { store: store.clone() }),
        ingest: Slot::new("ingest", move || ingest.clone()),
        analyzer: Slot::new("analyzer", move || AnalyzerActor { options: options.clone() }),
        separator: Slot::new("separator", move || GpuSeparatorActor::new(program.clone(), idle, stall)),
        export: Slot::new("export", || ExportActor),
        models,
        cache,
        folders,
        stages: Stages::default(),
        capacity: Capacity { ingest: config.ingest.parallel, ahead: AHEAD, device: 1, export: 1 },
        active: config.limits.active_jobs,
    }
}

fn analysis_options(config: &Config) -> Options {
    let instruments = match config.analysis.instruments {
        Instruments::Classifier => harmonix_analysis::Instruments::Classifier,
        Instruments::Heuristic => harmonix_analysis::Instruments::Heuristic,
        Instruments::Off => harmonix_analysis::Instruments::Off,
    };
    let instrument_threshold = config.analysis.instrument_threshold as f32;
    Options { instruments, instrument_threshold, ..Options::default() }
}

/// Creates a folder, private to the daemon unless it is there already.
fn folder(path: &Path, mode: u32) -> Result<()> {
    let create = || -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(mode).create(path)?;
        if mode == 0o700 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    create().map_err(|error| {
        Error::io(ErrorKind::Config, format!("the folder {} cannot be used", path.display()), &error)
            .hint("set state_dir, cache_dir and runtime_dir to folders that this user may write to")
    })
}

/// A program by name or path, if it is there.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    if program.is_empty() {
        return None;
    }
    let dirs = env::var_os("PATH").unwrap_or_default();
    let mut candidates = env::split_paths(&dirs).map(|dir| dir.join(program));
    if program.contains('/') {
        Some(program.into()).filter(|path: &PathBuf| path.exists())
    } else {
        candidates.find(|path| path.is_file())
    }
}
