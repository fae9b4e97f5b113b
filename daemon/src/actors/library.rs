//! `LibraryActor`: owns the store, on one thread. Many callers share one durable commit.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use harmonix_ipc::{Error, ErrorKind, Result};
use tokio::sync::oneshot;

use super::Ping;
use crate::store::{Entries, Store, Write};

/// Writes records; answers once they are durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Commit(pub Vec<Write>);

/// Reads every record whose key begins so.
#[derive(Debug, Message)]
#[rtype(result = "Result<Entries>")]
pub struct Scan(pub &'static str);

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

enum Work {
    Commit(Vec<Write>, oneshot::Sender<Result<()>>),
    Scan(&'static str, oneshot::Sender<Result<Entries>>),
    Task(Box<dyn FnOnce(&mut dyn Store) + Send>),
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
    /// The thread that owns the store.
    pub store: StoreThread,
}

impl Actor for LibraryActor {
    type Context = Context<Self>;
}

impl LibraryActor {
    fn hand_over<T: 'static>(
        &self,
        work: Work,
        done: oneshot::Receiver<Result<T>>,
    ) -> ResponseFuture<Result<T>> {
        let busy = || Error::new(ErrorKind::Busy, "the store has too much to do").hint("try again later");
        let sent = self.store.0.try_send(work).map_err(|_| busy());
        Box::pin(async move {
            sent?;
            done.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the store is gone")))
        })
    }
}

impl Handler<Commit> for LibraryActor {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, Commit(writes): Commit, _: &mut Self::Context) -> Self::Result {
        let (sender, done) = oneshot::channel();
        self.hand_over(Work::Commit(writes, sender), done)
    }
}

impl Handler<Scan> for LibraryActor {
    type Result = ResponseFuture<Result<Entries>>;

    fn handle(&mut self, Scan(prefix): Scan, _: &mut Self::Context) -> Self::Result {
        let (sender, done) = oneshot::channel();
        self.hand_over(Work::Scan(prefix, sender), done)
    }
}

impl<T: Send + 'static> Handler<OnStore<T>> for LibraryActor {
    type Result = ResponseFuture<Result<T>>;

    fn handle(&mut self, OnStore(task): OnStore<T>, _: &mut Self::Context) -> Self::Result {
        let (sender, done) = oneshot::channel();
        let work = move |store: &mut dyn Store| drop(sender.send(task(store)));
        self.hand_over(Work::Task(Box::new(work)), done)
    }
}

impl Handler<Ping> for LibraryActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}
