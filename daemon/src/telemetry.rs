//! Where log lines go. Fields, not sentences; nothing private at `info`: no path, no file name, no token.

use std::{env, io, os::unix::fs::MetadataExt};

use harmonix_ipc::{Error, ErrorKind, Result};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Starts logging. A second call in one process (a daemon inside a test) leaves the first in force.
pub(crate) fn start(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{},sled=warn,pagecache=warn", config.log))
        .map_err(|error| Error::new(ErrorKind::Config, format!("`log`: {error}")))?;
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
    Ok(layer.with_field_prefix(None).boxed())
}

/// True when standard error is the journal's stream: `JOURNAL_STREAM` holds its device and inode.
fn on_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|meta| stream == format!("{}:{}", meta.dev(), meta.ino()))
}
