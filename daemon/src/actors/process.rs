//! A worker process and the socket pair to it.

use std::{
    env, io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use harmonix_engine::protocol::{Ask, Say};
use harmonix_ipc::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
};

/// Where packages put programs that people do not call.
const PACKAGED: &str = "/usr/libexec/harmonix/harmonix-worker";

/// How a worker stands beside other programs.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// 0 to 19. The disk goes by it too: the kernel derives the priority there from it.
    pub nice: u8,
    /// 0 to 1000.
    pub oom_score_adj: u16,
}

impl Standing {
    /// Gives it to a process. Where that is not allowed, the worker stands as the daemon does.
    fn give(self, pid: Pid) {
        let nice = rustix::process::setpriority_process(Some(pid), self.nice.into()).map_err(io::Error::from);
        let oom = std::fs::write(
            format!("/proc/{}/oom_score_adj", pid.as_raw_nonzero()),
            self.oom_score_adj.to_string(),
        );
        for (what, result) in [("nice", nice), ("oom_score_adj", oom)] {
            if let Err(error) = result {
                tracing::debug!(what, %error, "the worker stands as the daemon does");
            }
        }
    }
}

/// A running worker. Dropping it kills it with everything that it started.
pub(super) struct Process {
    child: Child,
    pid: Pid,
    hear: Lines<BufReader<OwnedReadHalf>>,
    say: OwnedWriteHalf,
}

impl Process {
    /// Starts the program. Has to be called on the daemon's main thread: the kernel ends a worker together with the
    /// thread that started it.
    pub(super) fn start(program: &Path, standing: Standing) -> Result<Self> {
        let failed = |error: &io::Error| {
            Error::new(ErrorKind::Unavailable, "the worker cannot be started")
                .cause(error)
                .hint("install harmonix-worker beside harmonixd, or set worker.program")
        };
        let start = || -> io::Result<Self> {
            let (ours, theirs) = StdStream::pair()?;
            ours.set_nonblocking(true)?;
            let child = Command::new(program)
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .process_group(0)
                .kill_on_drop(true)
                .spawn()?;
            let pid = child.id().and_then(|id| Pid::from_raw(id as i32)).ok_or(io::ErrorKind::NotFound)?;
            standing.give(pid);
            let (hear, say) = UnixStream::from_std(ours)?.into_split();
            Ok(Self { child, pid, hear: BufReader::new(hear).lines(), say })
        };
        start().map_err(|error| failed(&error))
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The worker, unless it has ended meanwhile.
    pub(super) fn alive(mut self) -> Option<Self> {
        matches!(self.child.try_wait(), Ok(None)).then_some(self)
    }

    /// Sends a line. A worker that is gone shows when it is listened to.
    pub(super) async fn ask(&mut self, ask: &Ask) {
        let mut line = serde_json::to_vec(ask).unwrap_or_default();
        line.push(b'\n');
        let _ = self.say.write_all(&line).await;
    }

    /// The next line; none once the worker is gone.
    pub(super) async fn hear(&mut self) -> Option<Say> {
        let line = self.hear.next_line().await.ok()??;
        match serde_json::from_str(&line) {
            Ok(say) => Some(say),
            Err(error) => {
                tracing::error!(%error, "worker speaks another protocol");
                None
            }
        }
    }

    /// Ends the worker at once and says how it ended.
    pub(super) async fn end(mut self) -> String {
        // it may be about to end by itself: then its own status is the interesting one
        let ended = tokio::time::timeout(std::time::Duration::from_millis(50), self.child.wait()).await;
        let status = match ended {
            Ok(status) => status,
            Err(_) => {
                self.kill();
                self.child.wait().await
            }
        };
        status.map_or_else(|error| error.to_string(), describe)
    }

    fn kill(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

const NO_LIBRARIES: &str = "the worker does not find its libraries";

/// The failure of a worker that ended so.
pub(super) fn failure(kind: ErrorKind, how: String) -> Error {
    let no_libraries = how == NO_LIBRARIES;
    let error = Error::new(kind, how);
    if no_libraries {
        return error.hint(
            "libtorch is missing: run /usr/libexec/harmonix/install-libtorch as root; `ldd` on harmonix-worker names others",
        );
    }
    error
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(number), _) => {
            let name =
                Signal::from_named_raw(number).map(|signal| format!(" ({signal:?})")).unwrap_or_default();
            format!("the worker was killed by signal {number}{name}")
        }
        // how the program loader ends a program
        (None, Some(127)) => NO_LIBRARIES.into(),
        (None, code) => format!("the worker ended with status {}", code.unwrap_or(-1)),
    }
}

/// The worker's program: as configured, beside this one, or where packages put it.
pub fn find(configured: &Path) -> Option<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return Some(configured.to_owned());
    }
    let beside = env::current_exe().ok().map(|exe| exe.with_file_name("harmonix-worker"));
    beside.into_iter().chain([PathBuf::from(PACKAGED)]).find(|path| path.exists())
}
