//! How requests come in. A transport knows no command: it carries them to the [`Router`](crate::router::Router).

pub mod dbus;
pub mod unix;
