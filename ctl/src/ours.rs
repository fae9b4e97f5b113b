//! What this call has begun, so that an interruption leaves nothing behind: jobs at the daemon, unfinished files here.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use harmonix_ipc::JobId;

/// How long an interruption waits for the reply to a submission under way: without it the job's id is not known.
const REPLY_PATIENCE: Duration = Duration::from_secs(1);

/// The register.
#[derive(Default)]
pub(crate) struct Ours {
    stopped: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Jobs of this call that have not ended.
    jobs: BTreeSet<JobId>,
    /// Unfinished files.
    parts: BTreeSet<PathBuf>,
    /// A submission waits for its reply.
    submitting: bool,
}

impl Ours {
    /// True once the user has interrupted.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Never returns once the user has interrupted: the clean-up ends the process.
    pub(crate) fn park_if_stopped(&self) {
        while self.is_stopped() {
            thread::park();
        }
    }

    /// A submission begins.
    pub(crate) fn submitting(&self) {
        self.state().submitting = true;
    }

    /// It ended, with a job or without.
    pub(crate) fn submitted(&self, job: Option<&JobId>) {
        let mut state = self.state();
        state.submitting = false;
        state.jobs.extend(job.cloned());
        self.changed.notify_all();
    }

    /// A job came to its end, or is no longer this call's business.
    pub(crate) fn ended(&self, job: &JobId) {
        self.state().jobs.remove(job);
        self.changed.notify_all();
    }

    /// Waits for a job of this call to end, at most so long; false at once when none is going on.
    pub(crate) fn wait_for_room(&self, limit: Duration) -> bool {
        let state = self.state();
        let before = state.jobs.len();
        if before == 0 {
            return false;
        }
        let wait = self.changed.wait_timeout_while(state, limit, |state| state.jobs.len() >= before);
        drop(wait.unwrap_or_else(PoisonError::into_inner));
        !self.is_stopped()
    }

    /// Makes an unfinished file; fails when it is there already.
    pub(crate) fn create_part(&self, path: &Path) -> io::Result<File> {
        let mut state = self.state();
        if self.is_stopped() {
            return Err(io::Error::other("interrupted"));
        }
        let file = File::create_new(path)?;
        state.parts.insert(path.to_path_buf());
        Ok(file)
    }

    /// Gives finished files their names; unless `force`, only names that are free.
    pub(crate) fn publish<'a>(
        &self,
        files: impl Iterator<Item = (&'a Path, &'a Path)> + Clone,
        force: bool,
    ) -> io::Result<()> {
        let mut state = self.state();
        if !force && files.clone().any(|(_, path)| path.symlink_metadata().is_ok()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        for (part, path) in files {
            fs::rename(part, path)?;
            state.parts.remove(part);
        }
        Ok(())
    }

    /// Removes an unfinished file.
    pub(crate) fn remove_part(&self, path: &Path) {
        if self.state().parts.remove(path) {
            // gone already: as it should be
            let _ = fs::remove_file(path);
        }
    }

    /// The user interrupts: removes what is unfinished here, and names the jobs to cancel.
    pub(crate) fn stop(&self) -> BTreeSet<JobId> {
        self.stopped.store(true, Ordering::SeqCst);
        let mut state = self.state();
        for part in std::mem::take(&mut state.parts) {
            let _ = fs::remove_file(part);
        }
        self.changed.notify_all();
        let wait = self.changed.wait_timeout_while(state, REPLY_PATIENCE, |state| state.submitting);
        std::mem::take(&mut wait.unwrap_or_else(PoisonError::into_inner).0.jobs)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
