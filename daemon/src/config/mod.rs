//! Configuration: defaults < file < `HARMONIX_*` < flags. Every key is in [`keys::KEYS`] with its text.

mod keys;
mod layers;
mod live;
mod watch;

use std::path::{Path, PathBuf};

use harmonix_ipc::Device;
use serde::{Deserialize, Serialize};

pub use keys::example;
pub use layers::{Layers, check};
pub use live::{Live, Reloaded};
pub use watch::Watch;

/// The configuration in force. Texts, units and defaults of the keys: `harmonixd --example-config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in the table of keys, once")]
pub struct Config {
    pub state_dir: PathBuf,
    pub cache_dir: PathBuf,
    pub runtime_dir: PathBuf,
    pub device: Device,
    pub log: String,
    pub log_format: LogFormat,
    pub watch: Vec<Watch>,
    pub socket: Socket,
    pub access: Access,
    pub dbus: Dbus,
    pub limits: Limits,
    pub library: Library,
    pub ingest: Ingest,
    pub worker: Worker,
    pub models: Models,
    pub analysis: Analysis,
    pub cache: Cache,
    pub quota: Quota,
    pub retention: Retention,
    pub store: Store,
}

/// Where log lines go and in which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// To the journal when systemd connected standard error to it, else as text.
    #[default]
    Auto,
    /// Text on standard error.
    Text,
    /// JSON lines on standard error.
    Json,
    /// The journal.
    Journal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Socket {
    pub mode: String,
    pub connections: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Access {
    pub admins: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Dbus {
    pub bus: DbusBus,
    pub finished: usize,
    pub finished_for: f64,
}

/// Which message bus is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DbusBus {
    /// The system's for the system's daemon, the session's for a user's own. None there: nothing is missed.
    #[default]
    Auto,
    /// The system's.
    System,
    /// The session's.
    Session,
    /// None.
    Off,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Limits {
    pub upload_bytes: u64,
    pub upload_idle: f64,
    pub duration: f64,
    pub channels: u16,
    pub sample_rate: u32,
    pub active_jobs: usize,
    pub free_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Library {
    pub keep_sources: bool,
    pub roots: Vec<PathBuf>,
    pub scan: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Ingest {
    pub ffmpeg: String,
    pub parallel: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Worker {
    pub program: PathBuf,
    pub idle: f64,
    pub stall: f64,
    pub nice: u8,
    pub oom_score_adj: u16,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Models {
    pub catalogue: PathBuf,
    pub proxy: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Analysis {
    pub instruments: Instruments,
    pub instrument_threshold: f64,
}

/// What instruments are told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruments {
    /// The classifier that is built in.
    Classifier,
    /// The shape of the spectrum.
    Heuristic,
    /// Nothing: none are named.
    Off,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Cache {
    pub max_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Quota {
    pub jobs: usize,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Retention {
    pub hours: f64,
    pub max_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "see Config")]
pub struct Store {
    pub backups: usize,
}

impl Default for Config {
    fn default() -> Self {
        let dirs = layers::Dirs::here();
        Self {
            state_dir: dirs.state,
            cache_dir: dirs.cache,
            runtime_dir: dirs.runtime,
            device: Device::Auto,
            log: "info".into(),
            log_format: LogFormat::Auto,
            watch: Vec::new(),
            socket: Socket { mode: "auto".into(), connections: 256 },
            access: Access { admins: Vec::new() },
            dbus: Dbus { bus: DbusBus::Auto, finished: 32, finished_for: 600.0 },
            limits: Limits {
                upload_bytes: 2 << 30,
                upload_idle: 60.0,
                duration: 0.0,
                channels: 64,
                sample_rate: 768_000,
                active_jobs: 256,
                free_bytes: 0,
            },
            library: Library { keep_sources: true, roots: Vec::new(), scan: 10.0 },
            ingest: Ingest { ffmpeg: "ffmpeg".into(), parallel: 2 },
            worker: Worker {
                program: PathBuf::new(),
                idle: 300.0,
                stall: 300.0,
                nice: 5,
                oom_score_adj: 500,
            },
            models: Models { catalogue: PathBuf::new(), proxy: String::new() },
            analysis: Analysis { instruments: Instruments::Classifier, instrument_threshold: 0.5 },
            cache: Cache { max_bytes: 10 << 30 },
            quota: Quota::default(),
            retention: Retention::default(),
            store: Store { backups: 10 },
        }
    }
}

impl Config {
    /// The control socket's path.
    pub fn socket_path(&self) -> PathBuf {
        self.runtime_dir.join("control.sock")
    }

    /// The administrator's own catalogue of models.
    pub fn catalogue(&self) -> Option<&Path> {
        Some(self.models.catalogue.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// True for the system's daemon: root's, or one with a state directory from systemd.
    pub fn is_system() -> bool {
        layers::Dirs::is_system()
    }

    /// The control socket's mode: `socket.mode`, or by default 0660 for the system's daemon (root, or started by
    /// systemd with a state directory) and 0600 for a user's own.
    pub fn socket_mode(&self) -> Option<u32> {
        match self.socket.mode.as_str() {
            "auto" if layers::Dirs::is_system() => Some(0o660),
            "auto" => Some(0o600),
            octal => u32::from_str_radix(octal, 8).ok().filter(|mode| *mode <= 0o777),
        }
    }
}

#[cfg(test)]
mod tests;
