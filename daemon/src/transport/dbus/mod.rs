//! `org.harmonix1` on the message bus: beside the control socket the other way to the [`Router`]. `systemd/DBUS.md` is
//! its documentation, made from what it says of itself.
//!
//! zbus wants its interfaces to be `Send`, the router lives on the daemon's one thread: [`Bridge`] is between them.

mod bridge;
mod commands;
mod convert;
mod failure;
mod input;
mod job;
mod lines;
mod manager;
mod objects;
mod polkit;

use std::{cell::RefCell, rc::Rc, time::Duration};

use harmonix_ipc::{Check, Verdict};
use zbus::{Connection, connection::Builder, fdo::ObjectManager};

use self::{bridge::Bridge, commands::Commands, manager::Manager, objects::Objects};
use crate::{
    config::{Config, DbusBus},
    router::Router,
};

/// The name on the bus.
const NAME: &str = "org.harmonix1";

/// The object that everything else hangs from.
const ROOT: &str = "/org/harmonix1";

/// How long after the bus was lost or not found it is looked for again.
const RETRY: Duration = Duration::from_secs(15);

/// Longest that connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How the daemon's place on the bus is, for the doctor.
#[derive(Debug, Clone, Default)]
pub struct Bus(Rc<RefCell<State>>);

#[derive(Debug, Clone, Default, PartialEq)]
enum State {
    #[default]
    Off,
    On(&'static str),
    Absent(&'static str, String),
}

impl Bus {
    /// Serves the router on the configured bus for ever: whatever becomes of the bus, the daemon goes on.
    pub async fn serve(self, router: Router) {
        let kind = router.config.dbus.bus;
        let Some((which, builder)) = pick(kind) else { return };
        let mut builder = Some(builder);
        loop {
            let builder = builder.take().or_else(|| pick(kind).map(|(_, builder)| builder));
            let Some(builder) = builder else { return };
            let (objects, asks) = (Objects::new(&router.config), bridge::channel());
            match tokio::time::timeout(CONNECT, connect(builder, &router.config, &objects, asks.0)).await {
                Ok(Ok(connection)) => {
                    self.set(State::On(which), kind);
                    let answering = bridge::answer(router.clone(), connection.clone(), which, asks.1);
                    tokio::select! {
                        () = answering => {}
                        () = objects.keep(&router, &connection) => {}
                        () = connection.closed() => {}
                    }
                    self.set(State::Absent(which, "the bus went away".into()), kind);
                }
                Ok(Err(error)) => self.set(State::Absent(which, error.to_string()), kind),
                Err(_) => self.set(State::Absent(which, "it does not answer".into()), kind),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn set(&self, state: State, wanted: DbusBus) {
        if *self.0.borrow() == state {
            return;
        }
        match &state {
            State::Off => {}
            State::On(bus) => tracing::info!(bus, name = NAME, "on the message bus"),
            State::Absent(bus, why) if wanted == DbusBus::Auto => {
                tracing::info!(bus, why, "no message bus; the control socket serves");
            }
            State::Absent(bus, why) => {
                tracing::warn!(bus, why, "no message bus; the control socket serves");
            }
        }
        *self.0.borrow_mut() = state;
    }

    /// What the doctor says of it.
    pub fn check(&self, wanted: DbusBus) -> Check {
        let (verdict, found, remedy) = match &*self.0.borrow() {
            State::Off => (Verdict::Ok, "off".to_owned(), None),
            State::On(bus) => (Verdict::Ok, format!("{NAME} on the {bus} bus"), None),
            State::Absent(bus, why) => (
                if wanted == DbusBus::Auto { Verdict::Ok } else { Verdict::Warning },
                format!("not on the {bus} bus: {why}"),
                Some("the control socket serves all the same; start the bus, install the policy org.harmonix1.conf, or set dbus.bus = \"off\"".to_owned()),
            ),
        };
        Check { name: "dbus".into(), verdict, found, remedy }
    }
}

/// The bus that the configuration means; none when it is off.
fn pick(bus: DbusBus) -> Option<(&'static str, Builder<'static>)> {
    match bus {
        DbusBus::Off => None,
        DbusBus::System => Some(("system", Builder::system())),
        DbusBus::Session => Some(("session", Builder::session())),
        DbusBus::Auto if Config::is_system() => Some(("system", Builder::system())),
        DbusBus::Auto => Some(("session", Builder::session())),
    }
}

async fn connect(
    builder: Builder<'static>,
    config: &Config,
    objects: &Objects,
    bridge: Bridge,
) -> zbus::Result<Connection> {
    let manager =
        Manager { bridge: bridge.clone(), queue: objects.queue(), device: config.device.to_string() };
    builder
        .serve_at(ROOT, ObjectManager)
        .serve_at(ROOT, manager)
        .serve_at(ROOT, Commands { bridge: bridge.clone() })
        .name(NAME)
        .build()
        .await
        .inspect(|_| objects.begin(bridge))
}
