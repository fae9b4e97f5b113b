//! From the interfaces to the router and back.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use harmonix_ipc::{
    Access, Error, ErrorKind, ExcerptHead, FileHead, Job, JobId, Reply, Request, Result, Show, Submit,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use zbus::{
    Connection,
    fdo::DBusProxy,
    message::{Flags, Header},
    names::{BusName, OwnedUniqueName},
};

use super::{
    input::{self, Readers},
    lines, polkit,
};
use crate::{
    caller::Caller,
    router::{Outcome, Router},
};

/// Calls that wait, and calls that are answered, at once; more are told `busy`.
const WAITING: usize = 128;

/// Callers that are sent lines at once.
const LISTENING: usize = 64;

/// What polkit is asked before somebody acts on another's job.
const JOBS_OF_OTHERS: &str = "org.harmonix1.jobs-of-others";

/// What polkit is asked before somebody who is no administrator administers.
const ADMINISTER: &str = "org.harmonix1.administer";

/// What a call comes to.
#[derive(Debug)]
pub(super) enum Answer {
    /// One reply.
    Reply(Box<Reply>),
    /// An output, open for reading.
    File(FileHead, OwnedFd),
    /// An output that may still be computed: its bytes come from here.
    Excerpt(ExcerptHead, OwnedFd),
    /// JSON lines come from here.
    Lines(OwnedFd),
}

/// A call on its way.
pub(super) struct Ask {
    sender: OwnedUniqueName,
    /// Somebody sits there who can be asked for a password.
    may_ask: bool,
    request: Request,
    input: Option<OwnedFd>,
    answer: oneshot::Sender<Result<Answer>>,
}

/// The end that interfaces hold.
#[derive(Debug, Clone)]
pub(super) struct Bridge(mpsc::Sender<Ask>);

/// Both ends.
pub(super) fn channel() -> (Bridge, mpsc::Receiver<Ask>) {
    let (sender, asks) = mpsc::channel(WAITING);
    (Bridge(sender), asks)
}

impl Bridge {
    /// Has a request carried out for the sender of a message.
    pub(super) async fn ask(
        &self,
        header: &Header<'_>,
        request: Request,
        input: Option<OwnedFd>,
    ) -> Result<Answer> {
        let gone = || Error::new(ErrorKind::Unavailable, "the daemon is stopping");
        let sender =
            header.sender().ok_or_else(|| Error::new(ErrorKind::Denied, "a call without a sender"))?;
        let may_ask = header.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
        let (answer, answered) = oneshot::channel();
        let ask = Ask { sender: sender.to_owned().into(), may_ask, request, input, answer };
        self.0.try_send(ask).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Error::new(ErrorKind::Busy, format!("{WAITING} calls are waiting already"))
                    .hint("try again later")
            }
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The same for requests that are answered with a job.
    pub(super) async fn job(
        &self,
        header: &Header<'_>,
        request: Request,
        input: Option<OwnedFd>,
    ) -> Result<Job> {
        match self.ask(header, request, input).await? {
            Answer::Reply(reply) => match *reply {
                Reply::Job(job) => Ok(job),
                _ => Err(unexpected()),
            },
            Answer::File(..) | Answer::Excerpt(..) | Answer::Lines(_) => Err(unexpected()),
        }
    }
}

pub(super) fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "a reply of another command")
}

/// Answers calls, each on its own, until all interfaces are gone.
pub(super) async fn answer(
    router: Router,
    connection: Connection,
    bus: &'static str,
    mut asks: mpsc::Receiver<Ask>,
) {
    let readers = Readers::default();
    let (answered, listening) = (Arc::new(Semaphore::new(WAITING)), Arc::new(Semaphore::new(LISTENING)));
    while let Some(Ask { sender, may_ask, request, input, answer }) = asks.recv().await {
        let (router, connection, readers) = (router.now(), connection.clone(), readers.clone());
        let Ok(place) = Arc::clone(&answered).acquire_owned().await else { return };
        let (polkit, listening) = (bus == "system", Arc::clone(&listening));
        actix::spawn(async move {
            let desk = Desk { router, connection, readers, listening, sender, may_ask, polkit };
            let answered = desk.answer(request, input).await;
            drop(place);
            let _ = answer.send(answered);
        });
    }
}

/// Where one call is answered.
struct Desk {
    router: Router,
    connection: Connection,
    readers: Readers,
    listening: Arc<Semaphore>,
    sender: OwnedUniqueName,
    may_ask: bool,
    polkit: bool,
}

impl Desk {
    async fn answer(&self, mut request: Request, input: Option<OwnedFd>) -> Result<Answer> {
        let uid = self.uid().await?;
        let mut caller = Caller::new(uid, &self.router.config.access.admins);
        if !caller.admin
            && let Some(action) = self.right_needed(&request, uid).await
        {
            caller.admin = polkit::grants(&self.connection, &self.sender, action, self.may_ask).await;
        }
        if let (Request::Submit(Submit { size: size @ None, .. }), Some(input)) = (&mut request, &input) {
            *size = input::size(input);
        }
        let unreadable =
            |error: std::io::Error| Error::io(ErrorKind::Internal, "the reply cannot be passed", &error);
        match self.router.route(caller, request).await? {
            Outcome::Reply(reply) => Ok(Answer::Reply(Box::new(reply))),
            Outcome::Upload(upload) => {
                let Some(input) = input else {
                    return Err(Error::new(
                        ErrorKind::InvalidRequest,
                        "the input is missing: pass a descriptor",
                    ));
                };
                let idle = Duration::from_secs_f64(self.router.config.limits.upload_idle);
                let reply = self.readers.take(caller.uid, input, idle, upload).await?;
                Ok(Answer::Reply(Box::new(reply)))
            }
            Outcome::Download(head, path) => {
                let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
                Ok(Answer::File(head, file.into_std().await.into()))
            }
            Outcome::File(head, file) => Ok(Answer::File(head, file.into())),
            Outcome::Whole(head, _, path) => {
                let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
                Ok(Answer::Excerpt(head, file.into_std().await.into()))
            }
            Outcome::Excerpt(excerpt) => {
                let head = excerpt.head.clone();
                let sound = lines::excerpt(*excerpt, self.listen()?).map_err(unreadable)?;
                Ok(Answer::Excerpt(head, sound))
            }
            Outcome::Stream(events) => {
                lines::events(events, self.listen()?).map(Answer::Lines).map_err(unreadable)
            }
            Outcome::Progress(steps) => {
                lines::progress(steps, self.listen()?).map(Answer::Lines).map_err(unreadable)
            }
        }
    }

    /// A place among those who are sent lines.
    fn listen(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.listening).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::Busy, format!("{LISTENING} callers are sent lines already"))
                .hint("close descriptors that are not read any more")
        })
    }

    /// Who the sender is, as the bus knows from the kernel.
    async fn uid(&self) -> Result<u32> {
        let unknown = |error: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Denied, "the bus does not say who asks").cause(error)
        };
        let bus = DBusProxy::new(&self.connection).await.map_err(|error| unknown(&error))?;
        let credentials = bus.get_connection_credentials(BusName::from(self.sender.as_ref())).await;
        let uid = credentials.map_err(|error| unknown(&error))?.unix_user_id();
        uid.ok_or_else(|| unknown(&"no user id"))
    }

    /// The action that polkit has to grant before a user who is no administrator may do this.
    async fn right_needed(&self, request: &Request, uid: u32) -> Option<&'static str> {
        match request.info().access {
            _ if !self.polkit => None,
            Access::Anyone => None,
            Access::Admin => Some(ADMINISTER),
            Access::Owner => {
                let fields = serde_json::to_value(request).ok()?;
                let job = JobId(fields.get("job")?.as_str()?.to_owned());
                let root = Caller { uid: 0, admin: true };
                let found = self.router.route(root, Show { job }.into()).await;
                matches!(found, Ok(Outcome::Reply(Reply::Job(job))) if job.owner != uid)
                    .then_some(JOBS_OF_OTHERS)
            }
        }
    }
}
