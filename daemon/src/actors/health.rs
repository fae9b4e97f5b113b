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
    jobs::{CountActive, JobsActor, Parts},
    watch::WatchActor,
};
use crate::systemd;

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
    /// How often systemd wants to hear of the daemon.
    watchdog: Option<Duration>,
    /// What systemd was told last.
    status: String,
}

impl HealthActor {
    /// Looks after the queue, everything that it works with, and the watched folders.
    pub fn new(jobs: Slot<JobsActor>, watch: Slot<WatchActor>, parts: Parts) -> Self {
        Self {
            jobs,
            watch,
            parts,
            seen: BTreeMap::new(),
            watchdog: systemd::watchdog(),
            status: String::new(),
        }
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

    /// An actor that did not answer for so long is not alive. A watchdog has to hear of it in its time.
    fn deadline(&self) -> Duration {
        self.watchdog.map_or(DEADLINE, |watchdog| DEADLINE.min(watchdog / 2))
    }

    /// Says that the daemon lives, if all of it does, and what it does. When it does not, systemd ends it.
    fn tell_systemd(&mut self, ctx: &mut Context<Self>) {
        if !systemd::is_manager_there() {
            return;
        }
        let hung: Vec<_> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.elapsed() >= self.deadline())
            .map(|(name, _)| *name)
            .collect();
        if hung.is_empty() {
            systemd::notify("WATCHDOG=1");
        } else {
            self.say(format!("not answering: {}", hung.join(", ")));
            return;
        }
        let count = self.jobs.addr().send(CountActive);
        ctx.spawn(count.into_actor(self).map(|active, actor, _| match active {
            Ok(0) => actor.say("idle".into()),
            Ok(1) => actor.say("1 job waits or runs".into()),
            Ok(active) => actor.say(format!("{active} jobs wait or run")),
            Err(_) => {}
        }));
    }

    fn say(&mut self, status: String) {
        if self.status != status {
            systemd::notify(&format!("STATUS={status}"));
            self.status = status;
        }
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
        let every = self.watchdog.map_or(EVERY, |watchdog| EVERY.min(watchdog / 4));
        ctx.run_interval(every, |actor, ctx| {
            actor.tell_systemd(ctx);
            actor.ask_all(ctx);
        });
    }
}

impl Handler<AskHealth> for HealthActor {
    type Result = MessageResult<AskHealth>;

    fn handle(&mut self, _: AskHealth, _: &mut Self::Context) -> Self::Result {
        let health = |(name, seen): (&&'static str, &Instant)| ActorHealth {
            name: (*name).to_owned(),
            alive: seen.elapsed() < self.deadline(),
            last_seen: seen.elapsed().as_secs_f64(),
            restarts: self.restarts(name),
        };
        MessageResult(self.seen.iter().map(health).collect())
    }
}
