//! `HealthActor`: asks each vital actor whether it lives, and has dead ones rebuilt.

use std::{collections::BTreeMap, time::Duration};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, MessageResult, WrapFuture,
    dev::ToEnvelope,
};
use harmonix_ipc::ActorHealth;
use tokio::time::Instant;

use super::{
    Ping, Slot,
    jobs::{JobsActor, Parts},
    watch::WatchActor,
};

/// How often each actor is asked.
const EVERY: Duration = Duration::from_secs(1);

/// An actor that did not answer for so long is not alive.
const DEADLINE: Duration = Duration::from_secs(10);

/// Asks how the vital actors are.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ActorHealth>")]
pub struct AskHealth;

/// The actor.
pub struct HealthActor {
    jobs: Slot<JobsActor>,
    watch: Slot<WatchActor>,
    parts: Parts,
    seen: BTreeMap<&'static str, Instant>,
}

impl HealthActor {
    /// Looks after the queue, everything that it works with, and the watched folders.
    pub fn new(jobs: Slot<JobsActor>, watch: Slot<WatchActor>, parts: Parts) -> Self {
        Self { jobs, watch, parts, seen: BTreeMap::new() }
    }

    fn ask<A>(&mut self, slot: &Slot<A>, ctx: &mut Context<Self>)
    where
        A: Actor<Context = Context<A>> + Handler<Ping>,
        Context<A>: ToEnvelope<A, Ping>,
    {
        let name = slot.name();
        self.seen.entry(name).or_insert_with(Instant::now);
        let answer = slot.addr().send(Ping);
        ctx.spawn(answer.into_actor(self).map(move |answer, actor, _| {
            if answer.is_ok() {
                actor.seen.insert(name, Instant::now());
            }
        }));
    }

    fn ask_all(&mut self, ctx: &mut Context<Self>) {
        let (jobs, watch, parts) = (self.jobs.clone(), self.watch.clone(), self.parts.clone());
        self.ask(&jobs, ctx);
        self.ask(&watch, ctx);
        self.ask(&parts.library, ctx);
        self.ask(&parts.ingest, ctx);
        self.ask(&parts.analyzer, ctx);
        self.ask(&parts.separator, ctx);
        self.ask(&parts.export, ctx);
    }

    fn restarts(&self, name: &str) -> u32 {
        let Parts { library, ingest, analyzer, separator, export, .. } = &self.parts;
        let all = [
            (self.jobs.name(), self.jobs.restarts()),
            (self.watch.name(), self.watch.restarts()),
            (library.name(), library.restarts()),
            (ingest.name(), ingest.restarts()),
            (analyzer.name(), analyzer.restarts()),
            (separator.name(), separator.restarts()),
            (export.name(), export.restarts()),
        ];
        all.iter().find(|(other, _)| *other == name).map_or(0, |(_, restarts)| *restarts)
    }
}

impl Actor for HealthActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.ask_all(ctx);
        ctx.run_interval(EVERY, Self::ask_all);
    }
}

impl Handler<AskHealth> for HealthActor {
    type Result = MessageResult<AskHealth>;

    fn handle(&mut self, _: AskHealth, _: &mut Self::Context) -> Self::Result {
        let health = |(name, seen): (&&'static str, &Instant)| ActorHealth {
            name: (*name).to_owned(),
            alive: seen.elapsed() < DEADLINE,
            last_seen: seen.elapsed().as_secs_f64(),
            restarts: self.restarts(name),
        };
        MessageResult(self.seen.iter().map(health).collect())
    }
}
