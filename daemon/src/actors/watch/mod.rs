//! `WatchActor`: takes the songs that are dropped into watched folders, and brings their stems back.

mod keeper;

use std::{cell::RefCell, rc::Rc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture,
};
use harmonix_ipc::{Result, WatchList, WatchedFolder};

use self::keeper::Keeper;
use super::{
    Ping, Slot,
    jobs::{JobsActor, Parts},
    library::Scan,
};
use crate::{
    caller::Caller,
    config::Config,
    watch::{Folder, Taken},
};

/// The watched folders that the caller may see.
#[derive(Debug, Message)]
#[rtype(result = "WatchList")]
pub struct AskWatches(pub Caller);

/// What the actor works with. It outlives the actor.
#[derive(Clone)]
pub struct Feed {
    folders: Vec<Folder>,
    jobs: Slot<JobsActor>,
    parts: Parts,
    /// Largest song in bytes.
    limit: u64,
    /// Time between two looks at a folder.
    every: Duration,
}

impl Feed {
    /// Fails with [`ErrorKind::Config`](harmonix_ipc::ErrorKind::Config) where a folder cannot be used.
    pub(crate) fn new(config: &Config, jobs: Slot<JobsActor>, parts: Parts) -> Result<Self> {
        let every = Duration::from_secs_f64(config.library.scan);
        Ok(Self { folders: Folder::all(config)?, jobs, parts, limit: config.limits.upload_bytes, every })
    }
}

/// The actor. Each folder is kept by a task of its own, so that a large copy in one does not hold the others up.
pub struct WatchActor {
    feed: Feed,
    folders: Vec<Rc<RefCell<WatchedFolder>>>,
}

impl WatchActor {
    /// Over these folders.
    pub fn new(feed: Feed) -> Self {
        Self { feed, folders: Vec::new() }
    }
}

impl Actor for WatchActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.feed.folders.is_empty() {
            return;
        }
        let library = self.feed.parts.library.clone();
        let loading = async move { library.call(Scan(Taken::PREFIX)).await? };
        ctx.wait(loading.into_actor(self).map(|stored, actor, ctx| {
            let stored = match stored {
                Ok(stored) => stored,
                Err(error) => {
                    tracing::error!(error = %error, "records of watched folders cannot be read");
                    return ctx.stop();
                }
            };
            let mut taken = Vec::new();
            for (key, bytes) in stored {
                match Taken::from_bytes(&bytes) {
                    Ok(one) => taken.push(one),
                    Err(error) => tracing::error!(key, error = %error, "stored record skipped"),
                }
            }
            for folder in &actor.feed.folders {
                let keeper = Keeper::new(folder, &actor.feed, &taken);
                actor.folders.push(keeper.shown());
                ctx.spawn(keeper.run().into_actor(actor));
            }
        }));
    }
}

impl Handler<AskWatches> for WatchActor {
    type Result = MessageResult<AskWatches>;

    fn handle(&mut self, AskWatches(caller): AskWatches, _: &mut Self::Context) -> Self::Result {
        let folders = self.folders.iter().map(|folder| folder.borrow().clone());
        MessageResult(WatchList { folders: folders.filter(|folder| caller.sees(folder.owner)).collect() })
    }
}

impl Handler<Ping> for WatchActor {
    type Result = ();

    fn handle(&mut self, _: Ping, _: &mut Self::Context) {}
}
