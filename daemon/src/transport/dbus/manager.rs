//! `org.harmonix1.Manager`: what most callers need, typed.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use harmonix_ipc::{Error, ErrorKind, ListJobs, Reply, Request, Show, Submit};
use serde_json::Value as Json;
use zbus::{OwnedFd, OwnedObjectPath, interface, message::Header, object_server::SignalEmitter};

use super::{
    bridge::{Answer, Bridge, unexpected},
    convert::{Arguments, to_dictionary, to_json},
    failure::Failure,
    job::path,
};

/// The interface.
pub(super) struct Manager {
    pub(super) bridge: Bridge,
    /// Jobs that are not in a final state.
    pub(super) queue: Arc<AtomicU32>,
    pub(super) device: String,
}

#[interface(name = "org.harmonix1.Manager")]
impl Manager {
    /// Submits a song: its bytes are read from the descriptor, from where it stands to its end. `name` among the options
    /// is the song's file name, for its extension and for display; the others are those of a job. The job is durable once
    /// its object's path is there.
    #[zbus(out_args("job"))]
    async fn submit_job(
        &self,
        input: OwnedFd,
        options: Arguments,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath, Failure> {
        let mut options = to_json(&options)?;
        let name = options.remove("name").unwrap_or_else(|| "input".into());
        let not_understood = |error: serde_json::Error| {
            Error::new(ErrorKind::InvalidRequest, format!("not understood: {error}"))
        };
        let submit = Submit {
            name: serde_json::from_value(name).map_err(not_understood)?,
            size: None,
            options: serde_json::from_value(Json::Object(options)).map_err(not_understood)?,
        };
        let job = self.bridge.job(&header, submit.into(), Some(input.into())).await?;
        Ok(path(&job.id))
    }

    /// The jobs that the caller may see, the newest first: each as GetJob gives it. Arguments are those of the
    /// command `jobs`: `states`, `limit`, `page`, `text`.
    #[zbus(out_args("jobs"))]
    async fn list_jobs(
        &self,
        filter: Arguments,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<Arguments>, Failure> {
        let list: ListJobs = serde_json::from_value(Json::Object(to_json(&filter)?))
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, format!("not understood: {error}")))?;
        let Answer::Reply(reply) = self.bridge.ask(&header, Request::ListJobs(list), None).await? else {
            return Err(unexpected().into());
        };
        let Reply::Jobs(list) = *reply else { return Err(unexpected().into()) };
        Ok(list.jobs.iter().map(to_dictionary).collect::<harmonix_ipc::Result<_>>()?)
    }

    /// One job, of whatever age, with everything that is known about it.
    #[zbus(out_args("job"))]
    async fn get_job(&self, id: String, #[zbus(header)] header: Header<'_>) -> Result<Arguments, Failure> {
        let show = Show { job: harmonix_ipc::JobId(id) };
        Ok(to_dictionary(&self.bridge.job(&header, show.into(), None).await?)?)
    }

    /// Version of the daemon.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    /// Version of the protocol.
    #[zbus(property(emits_changed_signal = "const"))]
    fn protocol(&self) -> u32 {
        harmonix_ipc::PROTOCOL
    }

    /// Jobs of all users that are not in a final state.
    #[zbus(property)]
    fn queue_length(&self) -> u32 {
        self.queue.load(Relaxed)
    }

    /// Where models compute: auto, cpu or cuda.
    #[zbus(property(emits_changed_signal = "const"))]
    fn device(&self) -> &str {
        &self.device
    }

    /// A job has an object now.
    #[zbus(signal)]
    pub(super) async fn job_new(
        emitter: &SignalEmitter<'_>,
        id: &str,
        job: OwnedObjectPath,
    ) -> zbus::Result<()>;

    /// A job has no object any more. It may still be there: GetJob.
    #[zbus(signal)]
    pub(super) async fn job_removed(
        emitter: &SignalEmitter<'_>,
        id: &str,
        job: OwnedObjectPath,
    ) -> zbus::Result<()>;
}
