//! What systemd and its services tell each other: readiness, status, the watchdog, sockets that are open already.
//! Protocols: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3). Without systemd all of it does nothing.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
    time::Duration,
};

use listenfd::ListenFd;

/// Tells the service manager something, e.g. `READY=1`.
pub(crate) fn notify(state: &str) {
    if let Err(error) = try_notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

fn try_notify(state: &str) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match path.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// True when somebody listens to [`notify`].
pub(crate) fn is_manager_there() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often this process has to say that it lives; none when nobody waits for it.
pub(crate) fn watchdog() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros)
}

/// The control socket, when systemd has opened it.
pub(crate) fn listener() -> io::Result<Option<UnixListener>> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 { Ok(None) } else { sockets.take_unix_listener(0) }
}
