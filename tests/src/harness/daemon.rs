use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{
    Client, DaemonStatus, Error, Event, Job, JobId, JobOptions, Jobs, Show, Status, Submit, Watch,
};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// Longest that anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(300);

/// A program of the workspace, built in the same profile as the caller.
///
/// # Panics
/// When it was not built: `cargo build --workspace --bins` comes first.
pub fn program(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("own path");
    let found = exe.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not built: run `cargo build --workspace --bins` first"))
}

/// How a daemon is to be started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    config: String,
    env: Vec<(String, String)>,
    state: Option<PathBuf>,
}

impl Setup {
    /// Defaults, in temporary folders.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds lines to the configuration file.
    #[must_use]
    pub fn config(mut self, lines: &str) -> Self {
        self.config += lines;
        self.config.push('\n');
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Another state directory than one in a temporary folder, such as one on a file system of its own.
    #[must_use]
    pub fn state(mut self, dir: impl Into<PathBuf>) -> Self {
        self.state = Some(dir.into());
        self
    }

    /// Starts the daemon and waits until it is ready.
    pub fn start(self) -> Daemon {
        let mut daemon = self.prepare();
        daemon.launch();
        daemon
    }

    /// The daemon's folders, before it runs.
    pub fn prepare(self) -> Daemon {
        let dir = tempfile::tempdir().expect("temporary folder");
        Daemon { setup: self, dir, child: None, log: Arc::default() }
    }
}

/// A running daemon.
pub struct Daemon {
    setup: Setup,
    dir: TempDir,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Daemon {
    /// A daemon with defaults.
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// Its state directory.
    pub fn state(&self) -> PathBuf {
        self.setup.state.clone().unwrap_or_else(|| self.dir.path().join("state"))
    }

    /// Where its models lie.
    pub fn models(&self) -> PathBuf {
        self.dir.path().join("cache/models")
    }

    /// A folder for the test's own files, which goes with the daemon.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.dir.path().join("scratch");
        fs::create_dir_all(&scratch).expect("scratch folder");
        scratch
    }

    /// Its control socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run/control.sock")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running daemon").id()
    }

    /// Whether it was started and nobody has waited for its end.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let dir = self.dir.path();
        let config = dir.join("config.toml");
        fs::write(&config, &self.setup.config).expect("configuration");
        let mut command = Command::new(program("harmonixd"));
        command
            .env_remove("HARMONIX_FAULT")
            .env("HARMONIX_CONFIG", config)
            .env("HARMONIX_STATE_DIR", self.state())
            .env("HARMONIX_CACHE_DIR", dir.join("cache"))
            .env("HARMONIX_RUNTIME_DIR", dir.join("run"))
            .env("HARMONIX_DBUS_BUS", "off")
            .env("NO_COLOR", "1")
            .envs(self.setup.env.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    fn launch(&mut self) {
        self.try_launch().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Starts it, after it has ended or for the first time, and gives how long it took until it was ready; else what
    /// it said.
    pub fn try_launch(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        let mut child = self.command().stderr(Stdio::piped()).spawn().expect("harmonixd");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let (ready, is_ready) = mpsc::channel();
        let log = Arc::clone(&self.log);
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains(" ready ") {
                    let _ = ready.send(());
                }
                *log.lock().expect("log") += &format!("{line}\n");
            }
        });
        self.child = Some(child);
        match is_ready.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => Ok(began.elapsed()),
            Err(_) => Err(format!("the daemon did not get ready:\n{}", self.log())),
        }
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid() as i32).expect("pid"), signal).expect("signal");
    }

    /// Waits for the daemon to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.take().expect("a running daemon").wait().expect("wait")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// `kill -9`, then a new daemon over the same folders.
    pub fn crash_and_restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// SIGTERM; what it exits with.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Starts it again after [`stop`](Self::stop) or [`wait`](Self::wait), perhaps with another environment.
    pub fn restart_with(&mut self, env: &[(&str, &str)]) {
        self.setup.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.launch();
    }

    /// A connection.
    pub fn client(&self) -> Client {
        Client::connect(&self.socket()).expect("connect")
    }

    /// Runs `harmonixctl` with these arguments in the scratch folder.
    pub fn ctl<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        Command::new(program("harmonixctl"))
            .env("HARMONIX_SOCKET", self.socket())
            .current_dir(self.scratch())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("harmonixctl")
    }

    /// Submits a file's bytes.
    pub fn submit(&self, name: &str, bytes: &[u8], options: JobOptions) -> Result<Job, Error> {
        let submit = Submit { name: name.into(), size: None, options };
        self.client().submit(submit, &mut &bytes[..]).map_err(Error::from)
    }

    /// The job as it is now.
    pub fn show(&self, id: &JobId) -> Job {
        self.client().call(Show { job: id.clone() }).expect("show")
    }

    /// How the daemon is.
    pub fn status(&self) -> DaemonStatus {
        self.client().call(Status {}).expect("status")
    }

    /// Follows a job until `done` says so, or it is final.
    ///
    /// # Panics
    /// When the stream ends before that.
    pub fn until(&self, id: &JobId, done: impl Fn(&Job) -> bool) -> Job {
        let mut jobs = Jobs::default();
        let began = Instant::now();
        for event in self.client().watch(Watch { job: Some(id.clone()) }).expect("watch") {
            jobs.apply(event.expect("event"));
            if let Some(job) = jobs.get(id).filter(|job| done(job) || job.state.is_final()) {
                return job.clone();
            }
            assert!(began.elapsed() < PATIENCE, "job {id} takes too long:\n{}", self.log());
        }
        panic!("the stream of events ended:\n{}", self.log());
    }

    /// Follows a job to its final state.
    pub fn finished(&self, id: &JobId) -> Job {
        self.until(id, |_| false)
    }

    /// Every event of a job until it is final.
    pub fn events(&self, id: &JobId) -> Vec<Event> {
        let mut all = Vec::new();
        for event in self.client().watch(Watch { job: Some(id.clone()) }).expect("watch") {
            all.push(event.expect("event"));
            let mut jobs = Jobs::default();
            jobs.apply(all.last().expect("an event").clone());
            if jobs.get(id).is_some_and(|job| job.state.is_final()) {
                break;
            }
        }
        all
    }

    /// Process id of the worker, once there is one.
    pub fn worker(&self) -> u32 {
        let began = Instant::now();
        loop {
            if let Some(worker) = self.status().worker {
                return worker.pid;
            }
            assert!(began.elapsed() < PATIENCE, "no worker was started");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether a process is there.
    pub fn lives(pid: u32) -> bool {
        Pid::from_raw(pid as i32).is_some_and(|pid| test_kill_process(pid).is_ok())
    }

    /// Waits until a process is gone.
    pub fn wait_gone(pid: u32) {
        let began = Instant::now();
        while Self::lives(pid) {
            assert!(began.elapsed() < PATIENCE, "process {pid} is still there");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything that lies in the folders of jobs, relative to them, sorted.
    pub fn files(&self) -> Vec<String> {
        let root = self.state().join("jobs");
        let mut all = Vec::new();
        list(&root, &root, &mut all);
        all.sort();
        all
    }

    /// Content of a job's output file, as it lies in the state directory.
    pub fn output(&self, job: &Job, stem: &str) -> Vec<u8> {
        let file = job.stems.get(stem).unwrap_or_else(|| panic!("no stem {stem} in {job:?}"));
        fs::read(self.state().join("jobs").join(&job.id.0).join("out").join(file)).expect("output")
    }
}

fn list(root: &Path, dir: &Path, all: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("folder").map_while(Result::ok) {
        let path = entry.path();
        all.push(path.strip_prefix(root).expect("inside").display().to_string());
        if path.is_dir() {
            list(root, &path, all);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process(Pid::from_raw(child.id() as i32).expect("pid"), Signal::TERM);
        let began = Instant::now();
        while child.try_wait().is_ok_and(|status| status.is_none()) {
            if began.elapsed() > Duration::from_secs(20) {
                let _ = child.kill();
            }
            thread::sleep(Duration::from_millis(5));
        }
        if thread::panicking() {
            let mut out = std::io::stderr();
            let _ = std::io::Write::write_all(
                &mut out,
                format!("--- daemon's log ---\n{}", self.log()).as_bytes(),
            );
        }
    }
}
