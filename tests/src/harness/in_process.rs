use std::{path::PathBuf, thread::JoinHandle, time::Duration};

use harmonix_ipc::Client;
use harmonixd::config::{Config, Dbus, DbusBus, Worker};
use tempfile::TempDir;

use super::program;

/// A daemon on a thread of the caller: no process to start, everything else is real.
pub struct InProcess {
    dir: TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<harmonix_ipc::Result<()>>>,
}

impl InProcess {
    /// Starts it with defaults and waits until its socket answers.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let defaults = Config::default();
        let config = Config {
            state_dir: dir.path().join("state"),
            cache_dir: dir.path().join("cache"),
            runtime_dir: dir.path().join("run"),
            worker: Worker { program: program("harmonix-worker"), ..defaults.worker.clone() },
            dbus: Dbus { bus: DbusBus::Off, ..defaults.dbus.clone() },
            ..defaults
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serve = move || {
            let stopped = async { drop(stopped.await) };
            actix::System::new().block_on(harmonixd::serve(config, stopped))
        };
        let thread = Some(std::thread::spawn(serve));
        let daemon = Self { dir, stop: Some(stop), thread };
        for _ in 0..2000 {
            if Client::connect(&daemon.socket()).is_ok() {
                return daemon;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the daemon did not get ready");
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run/control.sock")
    }

    /// Stops it and gives its result.
    pub fn stop(mut self) -> harmonix_ipc::Result<()> {
        drop(self.stop.take());
        self.thread.take().expect("a running daemon").join().expect("the daemon's thread")
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
