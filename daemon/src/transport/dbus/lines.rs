//! Commands that answer bit by bit: the caller gets one end of a socket pair and reads JSON lines, or audio, from it.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    time::Duration,
};

use harmonix_ipc::{Event, Reply, frame::line};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};

use crate::listen::Excerpt;

/// Longest that a caller may take to take a line.
const SEND: Duration = Duration::from_secs(60);

/// Events until the caller closes its end or falls behind.
pub(super) fn events(events: mpsc::Receiver<Event>, place: OwnedSemaphorePermit) -> io::Result<OwnedFd> {
    begin(events, Some(Event::Lagged {}), place)
}

/// Lines of progress and the reply. Closing the other end ends the work.
pub(super) fn progress(lines: mpsc::Receiver<Reply>, place: OwnedSemaphorePermit) -> io::Result<OwnedFd> {
    begin(lines, None, place)
}

/// An output as it becomes final, without frames round it. It ends early where the socket would say that it is given up.
pub(super) fn excerpt(mut excerpt: Excerpt, place: OwnedSemaphorePermit) -> io::Result<OwnedFd> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let (mut hear, mut say) = UnixStream::from_std(ours)?.into_split();
    actix::spawn(async move {
        let mut ignored = [0; 256];
        loop {
            let next = tokio::select! {
                next = excerpt.next() => next,
                read = hear.read(&mut ignored) => if read.unwrap_or(0) == 0 { break } else { continue },
            };
            let Ok(Some(bytes)) = next else { break };
            if !matches!(timeout(SEND, say.write_all(&bytes)).await, Ok(Ok(()))) {
                break;
            }
        }
        drop(place);
    });
    Ok(theirs.into())
}

fn begin<T: Serialize + 'static>(
    values: mpsc::Receiver<T>,
    last: Option<T>,
    place: OwnedSemaphorePermit,
) -> io::Result<OwnedFd> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    actix::spawn(async move {
        if let Err(error) = send(ours, values, last).await {
            tracing::debug!(%error, "lines ended");
        }
        drop(place);
    });
    Ok(theirs.into())
}

async fn send<T: Serialize>(
    stream: UnixStream,
    mut values: mpsc::Receiver<T>,
    last: Option<T>,
) -> io::Result<()> {
    let (mut hear, mut say) = stream.into_split();
    let mut ignored = [0; 256];
    loop {
        tokio::select! {
            value = values.recv() => {
                let Some(value) = value else { break };
                timeout(SEND, say.write_all(&line(&value)?)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            }
            read = hear.read(&mut ignored) => if read? == 0 { return Ok(()) },
        }
    }
    match last {
        Some(last) => {
            timeout(SEND, say.write_all(&line(&last)?)).await.map_err(|_| io::ErrorKind::TimedOut)?
        }
        None => Ok(()),
    }
}
