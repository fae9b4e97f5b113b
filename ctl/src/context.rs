//! What every verb works with.

use std::path::PathBuf;

use harmonix_ipc::{Client, Command};

use crate::{failure::Failure, ours::Ours, out::Out, socket};

/// The daemon's address, the way out, and what this call has begun.
pub(crate) struct Context {
    /// Where the daemon listens.
    pub(crate) socket: PathBuf,
    /// Where words and results go.
    pub(crate) out: Out,
    /// Jobs and files that an interruption has to clear away.
    pub(crate) ours: Ours,
}

impl Context {
    pub(crate) fn new(socket: Option<PathBuf>, json: bool) -> Self {
        Self { socket: socket.unwrap_or_else(socket::default), out: Out::new(json), ours: Ours::default() }
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.socket)?)
    }

    /// One command over a connection of its own.
    pub(crate) fn call<C: Command>(&self, command: C) -> Result<C::Reply, Failure> {
        Ok(self.connect()?.call(command)?)
    }
}
