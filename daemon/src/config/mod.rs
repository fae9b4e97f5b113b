//! Configuration: defaults < file < `HARMONIX_*` < flags. Every key is in [`keys::KEYS`] with its text.

mod keys;
mod layers;

use std::path::{Path, PathBuf};

use harmonix_ipc::Device;
use serde::{Deserialize, Serialize};

pub use keys::example;
pub use layers::{Layers, check};

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
    pub socket: Socket,
    pub access: Access,
    pub limits: Limits,
    pub ingest: Ingest,
    pub worker: Worker,
    pub models: Models,
    pub analysis: Analysis,
    pub cache: Cache,
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
pub struct Limits {
    pub upload_bytes: u64,
    pub upload_idle: f64,
    pub duration: f64,
    pub channels: u16,
    pub sample_rate: u32,
    pub active_jobs: usize,
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
            socket: Socket { mode: "auto".into(), connections: 256 },
            access: Access { admins: Vec::new() },
            limits: Limits {
                upload_bytes: 2 << 30,
                upload_idle: 60.0,
                duration: 0.0,
                channels: 64,
                sample_rate: 768_000,
                active_jobs: 256,
            },
            ingest: Ingest { ffmpeg: "ffmpeg".into(), parallel: 2 },
            worker: Worker { program: PathBuf::new(), idle: 300.0, stall: 300.0 },
            models: Models { catalogue: PathBuf::new(), proxy: String::new() },
            analysis: Analysis { instruments: Instruments::Classifier, instrument_threshold: 0.5 },
            cache: Cache { max_bytes: 10 << 30 },
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
