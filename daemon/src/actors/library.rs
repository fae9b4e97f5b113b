//! `LibraryActor`: owns the store, on one thread, and what is known of songs. Many callers share one durable commit.
//!
//! What happens to a job and what the library makes of it are one commit. Its knowledge in memory runs ahead of the disk;
//! after a commit that failed it is read anew, before anything else is answered.

use std::{
    collections::HashSet,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture,
    ResponseFuture, WrapFuture,
};
use harmonix_ipc::{
    Activity, EditTrack, Error, ErrorKind, JobId, ListTracks, Result, Stats, Track, TrackId, TrackList,
};
use tokio::sync::oneshot;

use super::Ping;
use crate::{
    caller::Caller,
    job::now,
    library::{ACTIVITY, Completed, Library, News, TRACKS},
    store::{Entries, Store, Write},
};

/// Writes records; answers once they are durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Commit(pub Vec<Write>);

/// Reads every record whose key begins so.
#[derive(Debug, Message)]
#[rtype(result = "Result<Entries>")]
pub struct Scan(pub &'static str);

/// Writes records together with what the library makes of the news; answers once all of it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Tell(pub Vec<Write>, pub News);

/// Compares the library with all completed jobs: see [`Library::reconcile`].
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Reconcile(pub Vec<Completed>);

/// Lists songs.
#[derive(Debug, Message)]
#[rtype(result = "TrackList")]
pub struct Browse(pub Caller, pub ListTracks);

/// One song.
#[derive(Debug, Message)]
#[rtype(result = "Result<Track>")]
pub struct Look(pub Caller, pub TrackId);

/// Changes what is known of a song; answers once it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<Track>")]
pub struct Edit(pub Caller, pub EditTrack);

/// Forgets a song that has no jobs; answers once that is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Forget(pub Caller, pub TrackId);

/// The newest entries of the activity log.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Activity>")]
pub struct Recall(pub Caller, pub Option<usize>);

/// Jobs that retention leaves alone.
#[derive(Debug, Message)]
#[rtype(result = "HashSet<JobId>")]
pub struct Protected;

/// The song that a job's files are of.
#[derive(Debug, Message)]
#[rtype(result = "Option<TrackId>")]
pub struct TrackOf(pub JobId);

/// Adds its songs to the figures.
#[derive(Debug, Message)]
#[rtype(result = "Stats")]
pub struct Count(pub Caller, pub Stats);

/// Reads the library from the store anew: what is stored was put there by somebody else.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reread;

/// Anything else that is done with the store, by the thread that owns it.
#[derive(Message)]
#[rtype(result = "Result<T>")]
pub struct OnStore<T: 'static>(Task<T>);

type Task<T> = Box<dyn FnOnce(&mut dyn Store) -> Result<T> + Send>;

impl<T> OnStore<T> {
    /// Does that once all commits before it are done.
    pub fn new(task: impl FnOnce(&mut dyn Store) -> Result<T> + Send + 'static) -> Self {
        Self(Box::new(task))
    }
}

/// Most commits that share one flush.
const GROUP: usize = 256;

type Errand = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Work {
    Commit(Vec<Write>, oneshot::Sender<Result<()>>),
    Scan(&'static str, oneshot::Sender<Result<Entries>>),
    Task(Errand),
}

/// A handle of the thread that owns the store. It outlives the actor.
#[derive(Clone)]
pub struct StoreThread(mpsc::SyncSender<Work>);

impl StoreThread {
    /// Starts the thread.
    pub fn start(store: Box<dyn Store>) -> Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(1024);
        thread::Builder::new()
            .name("store".into())
            .spawn(move || serve(store, &receiver))
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot start a thread", &error))?;
        Ok(Self(sender))
    }
}

fn serve(mut store: Box<dyn Store>, work: &mpsc::Receiver<Work>) {
    while let Ok(first) = work.recv() {
        let mut group = Group::default();
        for work in std::iter::once(first).chain(work.try_iter().take(GROUP)) {
            match work {
                Work::Commit(writes, done) => {
                    group.writes.extend(writes);
                    group.waiting.push(done);
                }
                Work::Scan(prefix, done) => {
                    group.commit(&mut *store);
                    let _ = done.send(store.scan(prefix));
                }
                Work::Task(task) => {
                    group.commit(&mut *store);
                    // who waits for it hears that it broke off
                    if catch_unwind(AssertUnwindSafe(|| task(&mut *store))).is_err() {
                        tracing::error!("a task of the store panicked");
                    }
                }
            }
        }
        group.commit(&mut *store);
    }
}

/// Commits that share a flush.
#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    waiting: Vec<oneshot::Sender<Result<()>>>,
}

impl Group {
    /// Makes all of them durable and tells who waits.
    fn commit(&mut self, store: &mut dyn Store) {
        let writes = mem::take(&mut self.writes);
        let result = if writes.is_empty() { Ok(()) } else { store.commit(&writes) };
        if let Err(error) = &result {
            tracing::error!(error.kind = %error.kind, causes = ?error.causes, "commit failed");
        }
        for done in self.waiting.drain(..) {
            let _ = done.send(result.clone());
        }
    }
}

/// The actor in front of the store.
pub struct LibraryActor {
    store: StoreThread,
    library: Library,
}

impl LibraryActor {
    /// The actor over the thread that owns the store.
    pub fn new(store: StoreThread) -> Self {
        Self { store, library: Library::default() }
    }

    fn hand_over<T: 'static>(
        &self,
        work: Work,
        done: oneshot::Receiver<Result<T>>,
    ) -> impl Future<Output = Result<T>> + 'static {
        let busy = || Error::new(ErrorKind::Busy, "the store has too much to do").hint("try again later");
        let sent = self.store.0.try_send(work).map_err(|_| busy());
        async move {
            sent?;
            done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the store is gone")))
        }
    }

    fn commit(&self, writes: Vec<Write>) -> impl Future<Output = Result<()>> + 'static {
        let (sender, done) = oneshot::channel();
        self.hand_over(Work::Commit(writes, sender), done)
    }

    fn scan(&self, prefix: &'static str) -> impl Future<Output = Result<Entries>> + 'static {
        let (sender, done) = oneshot::channel();
        self.hand_over(Work::Scan(prefix, sender), done)
    }

    /// Commits what the library has made of something already; when that fails, it is read anew.
    fn settle<T: 'static>(&self, writes: Vec<Write>, answer: T) -> ResponseActFuture<Self, Result<T>> {
        Box::pin(self.commit(writes).into_actor(self).map(|committed, actor, ctx| match committed {
            Ok(()) => Ok(answer),
            Err(error) => {
                actor.read(ctx);
                Err(error)
            }
        }))
    }

    /// Reads what the store holds; messages wait until it is there.
    fn read(&self, ctx: &mut Context<Self>) {
        let (tracks, activity) = (self.scan(TRACKS), self.scan(ACTIVITY));
        let all = async move { Ok([tracks.await?, activity.await?].concat()) };
        ctx.wait(all.into_actor(self).map(|stored: Result<Entries>, actor, _| match stored {
            Ok(stored) => actor.library = Library::load(stored),
            Err(error) => tracing::error!(error = %error, "the library cannot be read"),
        }));
    }
}

impl Actor for LibraryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read(ctx);
    }
}

impl Handler<Commit> for LibraryActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, Commit(writes): Commit, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.commit(writes))
    }
}

impl Handler<Scan> for LibraryActor {
    type Result = ResponseFuture<Result<Entries>>;

    fn handle(&mut self, Scan(prefix): Scan, _: &mut Self::Context) -> Self::Result {
        Box::pin(self.scan(prefix))
    }
}

impl Handler<Tell> for LibraryActor {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, Tell(mut writes, news): Tell, _: &mut Self::Context) -> Self::Result {
        writes.extend(self.library.take(news, now()));
        self.settle(writes, ())
    }
}

impl Handler<Reconcile> for LibraryActor {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, Reconcile(completed): Reconcile, _: &mut Self::Context) -> Self::Result {
        let writes = self.library.reconcile(completed);
        self.settle(writes, ())
    }
}

impl Handler<Reread> for LibraryActor {
    type Result = ();

    fn handle(&mut self, _: Reread, ctx: &mut Self::Context) {
        self.read(ctx);
    }
}

impl Handler<Browse> for LibraryActor {
    type Result = MessageResult<Browse>;

    fn handle(&mut self, Browse(caller, list): Browse, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.library.list(caller, &list))
    }
}

impl Handler<Look> for LibraryActor {
    type Result = Result<Track>;

    fn handle(&mut self, Look(caller, id): Look, _: &mut Self::Context) -> Self::Result {
        self.library.seen(caller, &id).cloned()
    }
}

impl Handler<Edit> for LibraryActor {
    type Result = ResponseActFuture<Self, Result<Track>>;

    fn handle(&mut self, Edit(caller, edit): Edit, _: &mut Self::Context) -> Self::Result {
        match self.library.edit(caller, &edit, now()) {
            Ok((track, writes)) => self.settle(writes, track),
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
        }
    }
}

impl Handler<Forget> for LibraryActor {
    type Result = ResponseActFuture<Self, Result<()>>;

    fn handle(&mut self, Forget(caller, id): Forget, _: &mut Self::Context) -> Self::Result {
        match self.library.forget(caller, &id, now()) {
            Ok(writes) => self.settle(writes, ()),
            Err(error) => Box::pin(actix::fut::ready(Err(error))),
        }
    }
}

impl Handler<Recall> for LibraryActor {
    type Result = MessageResult<Recall>;

    fn handle(&mut self, Recall(caller, limit): Recall, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.library.activity(caller, limit))
    }
}

impl Handler<Protected> for LibraryActor {
    type Result = MessageResult<Protected>;

    fn handle(&mut self, _: Protected, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.library.protected())
    }
}

impl Handler<TrackOf> for LibraryActor {
    type Result = MessageResult<TrackOf>;

    fn handle(&mut self, TrackOf(job): TrackOf, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.library.track_of(&job).cloned())
    }
}

impl Handler<Count> for LibraryActor {
    type Result = MessageResult<Count>;

    fn handle(&mut self, Count(caller, mut stats): Count, _: &mut Self::Context) -> Self::Result {
        self.library.count(caller, &mut stats);
        MessageResult(stats)
    }
}

impl<T: Send + 'static> Handler<OnStore<T>> for LibraryActor {
    type Result = ResponseFuture<Result<T>>;

    fn handle(&mut self, OnStore(task): OnStore<T>, _: &mut Self::Context) -> Self::Result {
        let (sender, done) = oneshot::channel();
        let work = move |store: &mut dyn Store| drop(sender.send(task(store)));
        Box::pin(self.hand_over(Work::Task(Box::new(work)), done))
    }
}

impl Handler<Ping> for LibraryActor {
    type Result = ();

    fn handle(&mut self, _: Ping, ctx: &mut Self::Context) {
        crate::fault::hang("library", ctx);
    }
}
