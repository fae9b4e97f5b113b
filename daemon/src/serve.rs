//! The composition root: what is built from what, top to bottom.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use harmonix_analysis::Options;
use harmonix_ipc::{Error, ErrorKind, Result};
use tokio::sync::broadcast;

use crate::{
    actors::{
        Slot, Stages,
        analyzer::AnalyzerActor,
        export::ExportActor,
        health::HealthActor,
        ingest::IngestActor,
        jobs::{JobsActor, Parts, Stop},
        library::{Commit, LibraryActor, StoreThread},
        separator::{GpuSeparatorActor, Standing, find},
        watch::{Feed, WatchActor},
    },
    cache::Cache,
    config::{Config, Instruments, Live},
    folders::Folders,
    job::Capacity,
    models::{Catalogue, ModelStore},
    router::Router,
    systemd,
    transport::{dbus::Bus, unix::Control},
    upkeep::{self, Backups, Incoming},
};

/// Jobs that may be decoded ahead of the device: their spools lie on disk.
const AHEAD: usize = 3;

/// Longest that running stages may take to stop.
const STOP: Duration = Duration::from_secs(10);

/// Runs the daemon until `stop` resolves. Has to be called on an actix system.
pub async fn serve(config: impl Into<Live>, stop: impl Future<Output = ()>) -> Result<()> {
    let started = Instant::now();
    let live = config.into();
    let config = live.get();
    folder(&config.state_dir, 0o700)?;
    folder(&config.cache_dir, 0o700)?;
    folder(&config.runtime_dir, 0o755)?;
    let unusable = |error: io::Error| Error::io(ErrorKind::Config, "state_dir cannot be used", &error);
    let folders = Folders::open(&config.state_dir).map_err(unusable)?;
    let backups = Backups::open(config.state_dir.join("backups"), config.store.backups).map_err(unusable)?;
    let store = upkeep::open(&config.state_dir, &backups, &folders)?;
    let store = StoreThread::start(Box::new(store))?;

    let catalogue = Catalogue::load(config.catalogue())?;
    let models = ModelStore::open(config.cache_dir.join("models"), catalogue, config.models.proxy.clone())?;

    let cache = Cache::open(config.state_dir.join("stems"), config.cache.max_bytes).map_err(unusable)?;

    let parts = parts(&live, store, folders, models, cache, backups);
    let queue = parts.clone();
    let jobs = Slot::new("jobs", move || JobsActor::new(queue.clone()));
    let feed = Feed::new(&config, jobs.clone(), parts.clone())?;
    let watch = Slot::new("watch", move || WatchActor::new(feed.clone()));
    let vital = (jobs.clone(), watch.clone(), parts.clone());
    let health =
        Slot::new("health", move || HealthActor::new(vital.0.clone(), vital.1.clone(), vital.2.clone()));
    let control = Control::open(&config.socket_path(), config.socket_mode().unwrap_or(0o600))?;
    let bus = Bus::default();
    let router = Router {
        config,
        live,
        bus: bus.clone(),
        jobs: jobs.clone(),
        parts: parts.clone(),
        watch,
        health,
        started,
    };
    let bus = actix::spawn(bus.serve(router.clone()));
    systemd::notify("READY=1");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");

    tokio::select! {
        () = control.serve(router) => {}
        () = upkeep::daily(parts.clone()) => {}
        () = stop => {}
    }
    systemd::notify("STOPPING=1");
    tracing::info!("stopping");
    bus.abort();
    drop(control);
    parts.models.stop();
    if tokio::time::timeout(STOP, jobs.call(Stop)).await.is_err() {
        tracing::warn!("stages did not stop in time; they resume at the next start");
    }
    // commits are served in order: when this one is done, so are all before it
    parts.library.call(Commit(Vec::new())).await?
}

fn parts(
    live: &Live,
    store: StoreThread,
    folders: Folders,
    models: ModelStore,
    cache: Cache,
    backups: Backups,
) -> Parts {
    let config = live.get();
    let ingest = IngestActor { live: live.clone(), ffmpeg: on_path(&config.ingest.ffmpeg) };
    let options = analysis_options(&config);
    let program = find(&config.worker.program);
    let standing = Standing { nice: config.worker.nice, oom_score_adj: config.worker.oom_score_adj };
    let (idle, stall) =
        (Duration::from_secs_f64(config.worker.idle), Duration::from_secs_f64(config.worker.stall));
    Parts {
        library: Slot::new("library", move || LibraryActor::new(store.clone())),
        ingest: Slot::new("ingest", move || ingest.clone()),
        analyzer: Slot::new("analyzer", move || AnalyzerActor { options: options.clone() }),
        separator: Slot::new("separator", move || {
            GpuSeparatorActor::new(program.clone(), standing, idle, stall)
        }),
        export: Slot::new("export", || ExportActor),
        models,
        cache,
        folders,
        stages: Stages::default(),
        capacity: Capacity { ingest: config.ingest.parallel, ahead: AHEAD, device: 1, export: 1 },
        live: live.clone(),
        backups,
        incoming: Incoming::default(),
        keep_sources: config.library.keep_sources,
        ended: broadcast::Sender::new(256),
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
