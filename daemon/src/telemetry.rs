//! Where log lines go. Fields, not sentences; nothing private at `info`: no path, no file name, no token.

use std::{env, io, os::unix::fs::MetadataExt, sync::OnceLock};

use harmonix_ipc::{Error, ErrorKind, Result};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::{Config, LogFormat};

/// The filter that is in force, to be replaced.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

fn filter(config: &Config) -> Result<EnvFilter> {
    EnvFilter::try_new(format!("{},sled=warn,pagecache=warn,zbus=warn", config.log))
        .map_err(|error| Error::new(ErrorKind::Config, format!("`log`: {error}")))
}

/// Goes by the `log` of a new configuration from now on.
pub(crate) fn reload(config: &Config) -> Result<()> {
    let filter = filter(config)?;
    FILTER
        .get()
        .map_or(Ok(()), |handle| handle.reload(filter))
        .map_err(|error| Error::new(ErrorKind::Internal, "the log's filter cannot be replaced").cause(error))
}

/// Starts logging. A second call in one process (a daemon inside a test) leaves the first in force.
pub(crate) fn start(config: &Config) -> Result<()> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let _ = FILTER.set(handle);
    let text = || fmt::layer().with_writer(io::stderr).with_target(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match config.log_format {
        LogFormat::Journal => journal()?,
        LogFormat::Auto if on_journal() => {
            journal().unwrap_or_else(|_| text().without_time().with_ansi(false).boxed())
        }
        LogFormat::Auto | LogFormat::Text => {
            text().with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed()
        }
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}

fn journal() -> Result<Box<dyn Layer<Registry> + Send + Sync>> {
    let layer = tracing_journald::layer()
        .map_err(|error| Error::io(ErrorKind::Unavailable, "cannot reach the journal", &error))?;
    // its own mapping makes a notice of info
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(layer.with_field_prefix(None).with_priority_mappings(priorities).boxed())
}

/// True when standard error is the journal's stream: `JOURNAL_STREAM` holds its device and inode.
fn on_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
}
