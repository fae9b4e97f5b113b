//! `org.harmonix1.Job`: a job that waits or runs, or has ended lately.
//!
//! Properties show what a list of processes shows: whose job it is and how far, to everybody who may use the bus's
//! service. What it is about (names, results) is told by methods, which know their caller.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harmonix_ipc::{
    Cancel, Delete, Error, ErrorKind, Fetch, Job, JobId, Pause, Prioritise, Request, Resume, Show,
};
use zbus::{ObjectPath, OwnedFd, OwnedObjectPath, Variant, interface, message::Header};

use super::{
    bridge::{Answer, Bridge, unexpected},
    convert::{Arguments, to_dictionary},
    failure::Failure,
};

/// The interface's name.
pub(super) const NAME: &str = "org.harmonix1.Job";

/// Where a job's object lies.
pub(super) fn path(id: &JobId) -> OwnedObjectPath {
    // ids are lower-case letters and digits
    ObjectPath::from_string_unchecked(format!("/org/harmonix1/jobs/{id}")).into()
}

/// What changes of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct View {
    pub(super) state: String,
    pub(super) progress: f64,
    started_at: f64,
    finished_at: f64,
    result: String,
}

impl View {
    /// A job as its object shows it.
    pub(super) fn of(job: &Job) -> Self {
        let result = match &job.error {
            _ if !job.state.is_final() => String::new(),
            Some(error) => error.kind.to_string(),
            None => job.state.to_string(),
        };
        Self {
            state: job.state.to_string(),
            progress: job.progress,
            started_at: job.started_at.unwrap_or(0.0),
            finished_at: job.finished_at.unwrap_or(0.0),
            result,
        }
    }

    /// What is different from `before`, by the names of properties.
    pub(super) fn changes(&self, before: &Self) -> Vec<(&'static str, Variant<'static>)> {
        let mut changes = Vec::new();
        let mut add = |differs, name, value| {
            if differs {
                changes.push((name, value));
            }
        };
        add(self.state != before.state, "State", self.state.clone().into());
        add(self.progress != before.progress, "Progress", self.progress.into());
        add(self.started_at != before.started_at, "StartedAt", self.started_at.into());
        add(self.finished_at != before.finished_at, "FinishedAt", self.finished_at.into());
        add(self.result != before.result, "Result", self.result.clone().into());
        changes
    }
}

/// The interface.
pub(super) struct JobObject {
    pub(super) bridge: Bridge,
    pub(super) id: JobId,
    pub(super) owner: u32,
    pub(super) created_at: f64,
    pub(super) view: Arc<Mutex<View>>,
}

impl JobObject {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn act(&self, header: &Header<'_>, request: impl Into<Request>) -> Result<(), Failure> {
        match self.bridge.ask(header, request.into(), None).await? {
            Answer::Reply(_) => Ok(()),
            Answer::File(..) | Answer::Excerpt(..) | Answer::Lines(_) => Err(unexpected().into()),
        }
    }
}

#[interface(name = "org.harmonix1.Job")]
impl JobObject {
    /// Everything that is known about the job.
    #[zbus(out_args("job"))]
    async fn get(&self, #[zbus(header)] header: Header<'_>) -> Result<Arguments, Failure> {
        let show = Show { job: self.id.clone() };
        Ok(to_dictionary(&self.bridge.job(&header, show.into(), None).await?)?)
    }

    /// Stops the job and removes its files. Replies once it has stopped.
    async fn cancel(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.act(&header, Cancel { job: self.id.clone() }).await
    }

    /// Holds the job where it is until it is resumed. Replies once it has stopped.
    async fn pause(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.act(&header, Pause { job: self.id.clone() }).await
    }

    /// Lets the job go on.
    async fn resume(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.act(&header, Resume { job: self.id.clone() }).await
    }

    /// Changes its priority: low, normal or high.
    async fn prioritise(&self, priority: String, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        let priority = serde_json::from_value(priority.into())
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("not understood: {error}")))?;
        self.act(&header, Prioritise { job: self.id.clone(), priority }).await
    }

    /// Removes the job and everything of it.
    async fn delete(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Failure> {
        self.act(&header, Delete { job: self.id.clone() }).await
    }

    /// An output of the completed job (the name of a stem, `manifest` or `analysis`): open for reading, its file name,
    /// its size in bytes.
    #[zbus(out_args("output", "name", "bytes"))]
    async fn fetch(
        &self,
        output: String,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(OwnedFd, String, u64), Failure> {
        let fetch = Fetch { job: self.id.clone(), output };
        match self.bridge.ask(&header, fetch.into(), None).await? {
            Answer::File(head, file) => Ok((file.into(), head.name, head.bytes)),
            Answer::Reply(_) | Answer::Excerpt(..) | Answer::Lines(_) => Err(unexpected().into()),
        }
    }

    /// Its id.
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &str {
        &self.id.0
    }

    /// User id of whoever submitted it.
    #[zbus(property(emits_changed_signal = "const"), name = "OwnerUID")]
    fn owner_uid(&self) -> u32 {
        self.owner
    }

    /// Submission, in seconds since the Unix epoch.
    #[zbus(property(emits_changed_signal = "const"))]
    fn created_at(&self) -> f64 {
        self.created_at
    }

    /// Where it stands: queued, ingesting, analyzing, separating, exporting, transcribing, paused, completed, failed or
    /// cancelled.
    #[zbus(property)]
    fn state(&self) -> String {
        self.view().state.clone()
    }

    /// Work done, 0.0 to 1.0. Changes are told at most four times a second.
    #[zbus(property)]
    fn progress(&self) -> f64 {
        self.view().progress
    }

    /// First stage begun, in seconds since the Unix epoch; 0 before.
    #[zbus(property)]
    fn started_at(&self) -> f64 {
        self.view().started_at
    }

    /// Final state reached, in seconds since the Unix epoch; 0 before.
    #[zbus(property)]
    fn finished_at(&self) -> f64 {
        self.view().finished_at
    }

    /// How it ended: completed, cancelled, or the kind of the error, such as audio_load; empty before.
    #[zbus(property)]
    fn result(&self) -> String {
        self.view().result.clone()
    }
}
