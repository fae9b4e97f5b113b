//! Events over as many connections as it takes: a daemon that restarts does not end a watch.

use std::{thread, time::Duration};

use harmonix_ipc::{
    Client, Event, Watch,
    client::{Called, ClientError},
};

use crate::{context::Context, failure::Failure};

/// Waits between attempts to reach the daemon again; a service manager has restarted it by then.
const WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// Gives every event to `take` until it returns `false`, or until the daemon refuses or stays away.
pub(crate) fn follow(
    ctx: &Context,
    watch: &Watch,
    client: Client,
    mut take: impl FnMut(Event) -> bool,
) -> Result<(), Failure> {
    let mut client = Some(client);
    let mut attempts = WAITS.iter();
    loop {
        let ended = match client.take().map_or_else(|| Client::connect(&ctx.socket), Ok) {
            Ok(client) => stream(client, watch, |event| {
                attempts = WAITS.iter();
                take(event)
            }),
            Err(error) => Err(error),
        };
        match ended {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error @ (ClientError::Refused(_) | ClientError::Local(_))) => return Err(error.into()),
            Err(error) => match attempts.next() {
                Some(wait) => thread::sleep(*wait),
                None => return Err(error.into()),
            },
        }
    }
}

/// One connection's events; `Ok(true)` when `take` has enough, `Ok(false)` when the watch has to begin anew.
fn stream(client: Client, watch: &Watch, mut take: impl FnMut(Event) -> bool) -> Called<bool> {
    for event in client.watch(watch.clone())? {
        let event = event?;
        let lagged = matches!(event, Event::Lagged {});
        if !take(event) {
            return Ok(true);
        }
        if lagged {
            return Ok(false);
        }
    }
    Err(ClientError::Broken(std::io::ErrorKind::UnexpectedEof.into()))
}
