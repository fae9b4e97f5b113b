//! Supervision. actix closes the mailbox of an actor that panics, for good; a [`Slot`] builds it anew.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix::{Actor, Addr, Context, Handler, MailboxError, Message, dev::ToEnvelope};
use harmonix_ipc::{Error, ErrorKind, Result};

/// Asks an actor whether it is alive.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Ping;

/// Longest that a caller waits for an actor.
const DEADLINE: Duration = Duration::from_secs(30);

/// The place of an actor: always leads to a living one.
pub struct Slot<A: Actor<Context = Context<A>>>(Rc<Inner<A>>);

struct Inner<A: Actor<Context = Context<A>>> {
    name: &'static str,
    build: Box<dyn Fn() -> A>,
    addr: RefCell<Addr<A>>,
    restarts: Cell<u32>,
}

impl<A: Actor<Context = Context<A>>> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<A: Actor<Context = Context<A>>> Slot<A> {
    /// Starts the actor that `build` makes.
    pub fn new(name: &'static str, build: impl Fn() -> A + 'static) -> Self {
        let addr = RefCell::new(build().start());
        Self(Rc::new(Inner { name, build: Box::new(build), addr, restarts: Cell::new(0) }))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Times that it was built anew.
    pub fn restarts(&self) -> u32 {
        self.0.restarts.get()
    }

    /// The living actor.
    pub fn addr(&self) -> Addr<A> {
        if !self.0.addr.borrow().connected() {
            self.0.restarts.set(self.0.restarts.get() + 1);
            tracing::error!(actor = self.0.name, restarts = self.0.restarts.get(), "actor died, rebuilt");
            *self.0.addr.borrow_mut() = (self.0.build)().start();
        }
        self.0.addr.borrow().clone()
    }

    /// Builds the actor anew although it lives: it is asked to leave, and may refuse. Who waits for an answer of it is told
    /// that it broke off.
    pub async fn renew<M>(&self, leave: M) -> Result<()>
    where
        M: Message<Result = Result<()>> + Send + 'static,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let old = self.addr();
        self.call(leave).await??;
        while old.connected() {
            tokio::task::yield_now().await;
        }
        let is_there = *self.0.addr.borrow() == old;
        if is_there {
            *self.0.addr.borrow_mut() = (self.0.build)().start();
        }
        Ok(())
    }

    /// Sends a message to the actor if it lives. One that was built anew would know nothing of what it is about.
    pub fn tell<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let addr = self.0.addr.borrow();
        if addr.connected() {
            addr.do_send(message);
        }
    }

    /// Sends a message and waits for its answer: `busy` when none comes in time, `internal` when the actor dies
    /// over it.
    pub async fn call<M>(&self, message: M) -> Result<M::Result>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        self.addr().send(message).timeout(DEADLINE).await.map_err(|error| match error {
            MailboxError::Timeout => Error::new(ErrorKind::Busy, format!("{} does not answer", self.0.name))
                .hint("try again later"),
            MailboxError::Closed => Error::new(ErrorKind::Internal, format!("{} broke off", self.0.name)),
        })
    }

    /// The same without a deadline, for stages that take as long as the song is.
    pub async fn run<M>(&self, message: M) -> Result<M::Result>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        Context<A>: ToEnvelope<A, M>,
    {
        let closed = |_| Error::new(ErrorKind::Internal, format!("{} broke off", self.0.name));
        self.addr().send(message).await.map_err(closed)
    }
}
