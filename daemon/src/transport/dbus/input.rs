//! Inputs by file descriptor. The daemon reads what it was given and never opens a path.

use std::{
    collections::HashMap,
    fs::File,
    io::{ErrorKind as Io, Read},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use harmonix_ipc::{Error, ErrorKind, Reply, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, fstat},
};
use tokio::sync::mpsc;

use crate::upload::Incoming;

/// Descriptors of one user that are read at once. A file system may let a reader wait for ever, and then a thread waits.
const EACH: usize = 8;

/// Descriptors that are read at once.
const ALL: usize = 32;

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1024;

/// The descriptors that are read now, by user.
#[derive(Debug, Clone, Default)]
pub(super) struct Readers(Arc<Mutex<HashMap<u32, usize>>>);

/// A place among them, until it is dropped.
struct Place(Readers, u32);

impl Readers {
    fn place(&self, uid: u32) -> Result<Place> {
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (readers.values().sum::<usize>(), readers.get(&uid).copied().unwrap_or(0));
        if all >= ALL || own >= EACH {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("{all} inputs are read already, {own} of them yours"),
            )
            .hint("try again when some have been read"));
        }
        *readers.entry(uid).or_default() += 1;
        Ok(Place(self.clone(), uid))
    }

    /// Takes everything that the descriptor gives, from where it stands, as the bytes of an upload.
    pub(super) async fn take(
        &self,
        uid: u32,
        input: OwnedFd,
        idle: Duration,
        mut upload: Incoming,
    ) -> Result<Reply> {
        let place = self.place(uid)?;
        let (chunks, mut read) = mpsc::channel(2);
        thread::Builder::new()
            .name("descriptor".into())
            .spawn(move || {
                pump(input, idle, &chunks);
                drop(place);
            })
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot start a thread", &error))?;
        let silent = || {
            let idle = idle.as_secs_f64();
            Error::new(ErrorKind::InvalidRequest, format!("no byte of the input came for {idle} s"))
        };
        loop {
            match tokio::time::timeout(idle, read.recv()).await {
                Ok(Some(Ok(chunk))) => upload.write(&chunk).await?,
                Ok(Some(Err(error))) if error.kind() == Io::TimedOut => return Err(silent()),
                Ok(Some(Err(error))) => {
                    return Err(Error::io(
                        ErrorKind::InvalidRequest,
                        "the descriptor cannot be read",
                        &error,
                    )
                    .hint("pass a file, a pipe or a socket that is open for reading"));
                }
                Ok(None) => return upload.finish().await,
                Err(_) => return Err(silent()),
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut readers = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = readers.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.1);
            }
        }
    }
}

/// The size, where it is a file: what is too large is refused before it is read.
pub(super) fn size(input: &OwnedFd) -> Option<u64> {
    let stat = fstat(input).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    u64::try_from(stat.st_size).ok().filter(|size| is_file && *size > 0)
}

/// Reads to the end, until nobody wants more, or until nothing comes for `idle`.
fn pump(input: OwnedFd, idle: Duration, chunks: &mpsc::Sender<std::io::Result<Vec<u8>>>) {
    let mut file = File::from(input);
    let patience = idle.try_into().ok();
    loop {
        // a pipe that nobody writes to must not hold the thread
        let ready = poll(&mut [PollFd::new(&file, PollFlags::IN)], patience.as_ref());
        match ready {
            // not the end: what came so far is no song
            Ok(0) => return drop(chunks.blocking_send(Err(Io::TimedOut.into()))),
            Err(rustix::io::Errno::INTR) => continue,
            Ok(_) | Err(_) => {}
        }
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk);
        let sent = match read {
            Ok(0) => return,
            Ok(count) => {
                chunk.truncate(count);
                chunks.blocking_send(Ok(chunk))
            }
            Err(error) if matches!(error.kind(), Io::Interrupted | Io::WouldBlock) => Ok(()),
            Err(error) => return drop(chunks.blocking_send(Err(error))),
        };
        if sent.is_err() {
            return;
        }
    }
}
