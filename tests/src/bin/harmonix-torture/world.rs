//! What the threads of a campaign share.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use harmonix_ipc::{JobId, JobState};

use crate::{
    Story,
    cases::{Case, Outputs},
    figures::Figures,
    ledger::Ledger,
};

/// What the threads of a campaign share.
pub(crate) struct World {
    /// The control socket.
    pub(crate) socket: PathBuf,
    /// Songs with settings.
    pub(crate) cases: Vec<Case>,
    /// What comes out of each.
    pub(crate) expected: Vec<Outputs>,
    /// Clients hold it while they ask; who looks at everything holds it alone.
    pub(crate) gate: RwLock<()>,
    /// The campaign is over.
    pub(crate) over: AtomicBool,
    /// The power is cut: until the daemon is another one, it may refuse whatever it likes.
    pub(crate) dark: AtomicBool,
    /// Daemons that were killed.
    pub(crate) daemon_deaths: AtomicUsize,
    /// Workers that were killed.
    pub(crate) worker_deaths: AtomicUsize,
    ledger: Mutex<Ledger>,
    figures: Mutex<Figures>,
    states: Mutex<BTreeMap<JobId, JobState>>,
    changed: Condvar,
    stories: Mutex<Vec<Story>>,
}

impl World {
    pub(crate) fn new(socket: PathBuf, cases: Vec<Case>, expected: Vec<Outputs>) -> Self {
        Self {
            socket,
            cases,
            expected,
            gate: RwLock::new(()),
            over: AtomicBool::new(false),
            dark: AtomicBool::new(false),
            daemon_deaths: AtomicUsize::new(0),
            worker_deaths: AtomicUsize::new(0),
            ledger: Mutex::default(),
            figures: Mutex::default(),
            states: Mutex::default(),
            changed: Condvar::new(),
            stories: Mutex::default(),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the observer has seen last.
    pub(crate) fn states(&self) -> MutexGuard<'_, BTreeMap<JobId, JobState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notified whenever [`states`](Self::states) changes.
    pub(crate) fn changed(&self) -> &Condvar {
        &self.changed
    }

    /// A promise was broken.
    pub(crate) fn tell(&self, story: Story) {
        self.stories.lock().unwrap_or_else(PoisonError::into_inner).push(story);
    }

    /// The first broken promise.
    pub(crate) fn story(&self) -> Option<Story> {
        self.stories.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    /// Jobs that have not ended, as far as the observer knows.
    pub(crate) fn active(&self) -> usize {
        self.states().values().filter(|state| !state.is_final()).count()
    }
}
