//! The control socket: JSON lines and frames, as [`harmonix_ipc`] specifies them.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use harmonix_ipc::{
    Error, ErrorKind, Event, Ready, Reply, Request, Result,
    frame::{ABORT, FRAME_LIMIT, Head, REQUEST_LIMIT, line},
};
use interprocess::{
    local_socket::{
        GenericFilePath, ListenerOptions, ToFsName,
        tokio::{Listener, Stream},
        traits::{StreamCommon, tokio::Listener as _},
    },
    os::unix::{local_socket::ListenerOptionsExt, uds_local_socket::tokio::Listener as UdListener},
};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::{Semaphore, mpsc},
    time::timeout,
};

use crate::{
    caller::Caller,
    listen::Excerpt,
    router::{Outcome, Router, greeting},
    upload::Incoming,
};

/// Longest that a client may take to take a reply.
const SEND: Duration = Duration::from_secs(60);

/// The socket. Dropping it removes its file, unless systemd owns it.
pub struct Control {
    listener: Listener,
    path: Option<PathBuf>,
}

impl Control {
    /// The socket that systemd has opened, else one of its own.
    pub fn open(path: &Path, mode: u32) -> Result<Self> {
        let failed = |error: &io::Error| {
            Error::io(ErrorKind::Config, "the socket from systemd cannot be used", error)
                .hint("harmonixd.socket has to have one ListenStream=, of the Unix domain")
        };
        let Some(given) = crate::systemd::listener().map_err(|error| failed(&error))? else {
            return Self::bind(path, mode);
        };
        let there = given.local_addr().ok();
        let there = there.as_ref().and_then(std::os::unix::net::SocketAddr::as_pathname);
        if there != Some(path) {
            tracing::warn!(
                listens = ?there,
                configured = %path.display(),
                "the socket from systemd is not where runtime_dir says: clients that go by it will not find it"
            );
        }
        let adopt = || Ok(UdListener::try_from(std::os::fd::OwnedFd::from(given))?.into());
        Ok(Self { listener: adopt().map_err(|error: io::Error| failed(&error))?, path: None })
    }

    /// Binds the socket with that mode. A stale file of a daemon that was killed is replaced; where one answers,
    /// [`ErrorKind::Conflict`].
    pub fn bind(path: &Path, mode: u32) -> Result<Self> {
        let failed = |error: &io::Error| {
            Error::io(ErrorKind::Config, format!("cannot listen at {}", path.display()), error)
                .hint("set runtime_dir to a folder that this user may write to; a socket's path has at most 107 bytes")
        };
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("{} is there and is no socket", path.display()),
                ));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("a harmonixd answers at {} already", path.display()),
                )
                .hint("stop it first, or give this one another runtime_dir and state_dir"));
            }
            Ok(_) => fs::remove_file(path).map_err(|error| failed(&error))?,
            Err(_) => {}
        }
        let bind = || -> io::Result<Listener> {
            let name = path.to_fs_name::<GenericFilePath>()?;
            let listener = ListenerOptions::new().name(name).mode(mode).reclaim_name(false).create_tokio()?;
            // the kernel took the umask off the mode
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            Ok(listener)
        };
        Ok(Self { listener: bind().map_err(|error| failed(&error))?, path: Some(path.to_owned()) })
    }

    /// Takes connections for ever.
    pub async fn serve(&self, router: Router) {
        let places = Arc::new(Semaphore::new(router.config.socket.connections));
        loop {
            let stream = match self.listener.accept().await {
                Ok(stream) => stream,
                Err(error) => {
                    // out of file descriptors, most likely: let some connections end
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let place = Arc::clone(&places).try_acquire_owned();
            let router = router.now();
            actix::spawn(async move {
                let admitted = place.is_ok();
                if let Err(error) = talk(stream, &router, admitted).await {
                    tracing::debug!(%error, "connection ended");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.path.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

/// One connection.
async fn talk(stream: Stream, router: &Router, admitted: bool) -> io::Result<()> {
    let uid = stream.peer_creds()?.euid().ok_or(io::ErrorKind::PermissionDenied)?;
    let caller = Caller::new(uid, &router.config.access.admins);
    let mut peer = Peer { hear: BufReader::with_capacity(64 * 1024, &stream), say: &stream };
    peer.say(&Reply::Hello(greeting())).await?;
    if !admitted {
        let limit = router.config.socket.connections;
        let busy = Error::new(ErrorKind::Busy, format!("{limit} connections are open already"));
        return peer.say(&Reply::Error(busy.hint("try again later, or raise socket.connections"))).await;
    }
    while let Some(line) = peer.line().await? {
        let parsed = serde_json::from_slice::<Request>(&line).map_err(|error| {
            Error::new(ErrorKind::InvalidRequest, format!("not a request: {error}"))
                .hint("one JSON object a line, e.g. {\"command\":\"status\"}")
        });
        let outcome = match parsed {
            Ok(request) => router.route(caller, request).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Outcome::Reply(reply)) => peer.say(&reply).await?,
            Ok(Outcome::Upload(upload)) => {
                let idle = Duration::from_secs_f64(router.config.limits.upload_idle);
                if !peer.take(upload, idle).await? {
                    return Ok(());
                }
            }
            Ok(Outcome::Download(head, path)) => {
                let bytes = head.bytes;
                peer.give(&Reply::File(head), bytes, &path).await?;
            }
            Ok(Outcome::Whole(head, file, path)) => {
                peer.give(&Reply::Excerpt(head), file.bytes, &path).await?;
            }
            Ok(Outcome::Excerpt(excerpt)) => {
                if !peer.hand(*excerpt).await? {
                    return Ok(());
                }
            }
            Ok(Outcome::File(head, file)) => {
                let bytes = head.bytes;
                peer.give_open(&Reply::File(head), bytes, File::from_std(file)).await?;
            }
            Ok(Outcome::Stream(events)) => return peer.stream(events).await,
            Ok(Outcome::Progress(lines)) => {
                if !peer.tell(lines).await? {
                    return Ok(());
                }
            }
            Err(error) => peer.say(&Reply::Error(error)).await?,
        }
    }
    Ok(())
}

/// The other end.
struct Peer<'a> {
    hear: BufReader<&'a Stream>,
    say: &'a Stream,
}

impl Peer<'_> {
    async fn say(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        self.send(&line(value)?).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(SEND, self.say.write_all(bytes)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// The next request line; none at the end. A line that is too long gets its error and ends the connection.
    async fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        (&mut self.hear).take(REQUEST_LIMIT as u64).read_until(b'\n', &mut line).await?;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() + 1 >= REQUEST_LIMIT => {
                let error = Error::new(
                    ErrorKind::InvalidRequest,
                    format!("a request has at most {REQUEST_LIMIT} bytes"),
                );
                self.say(&Reply::Error(error)).await?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Takes an upload. False when the connection cannot go on.
    async fn take(&mut self, mut upload: Incoming, idle: Duration) -> io::Result<bool> {
        self.say(&Reply::Ready(Ready { max_bytes: upload.limit() })).await?;
        let mut data = vec![0; 256 * 1024];
        let failure = loop {
            let frame = timeout(idle, self.frame(&mut data, &mut upload)).await;
            match frame {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    let reply = upload.finish().await.unwrap_or_else(Reply::Error);
                    return self.say(&reply).await.map(|()| true);
                }
                Ok(Err(Frame::GivenUp)) => {
                    drop(upload);
                    let error =
                        Error::new(ErrorKind::InvalidRequest, "the upload was given up by the client");
                    return self.say(&Reply::Error(error)).await.map(|()| true);
                }
                Ok(Err(Frame::Refused(error))) => break error,
                Ok(Err(Frame::Broken(error))) => return Err(error),
                Err(_) => {
                    let idle = idle.as_secs_f64();
                    break Error::new(
                        ErrorKind::InvalidRequest,
                        format!("no byte of the upload came for {idle} s"),
                    );
                }
            }
        };
        drop(upload);
        self.say(&Reply::Error(failure)).await.map(|()| false)
    }

    /// Takes one frame; false at the end of the stream.
    async fn frame(&mut self, data: &mut [u8], upload: &mut Incoming) -> std::result::Result<bool, Frame> {
        let mut head = [0; 4];
        self.hear.read_exact(&mut head).await.map_err(Frame::Broken)?;
        match Head::parse(head) {
            Some(Head::End) => Ok(false),
            Some(Head::Abort) => Err(Frame::GivenUp),
            None => Err(Frame::Refused(Error::new(
                ErrorKind::InvalidRequest,
                format!("a frame has at most {FRAME_LIMIT} bytes"),
            ))),
            Some(Head::Bytes(mut left)) => {
                while left > 0 {
                    let room = left.min(data.len());
                    let count = self.hear.read(&mut data[..room]).await.map_err(Frame::Broken)?;
                    if count == 0 {
                        return Err(Frame::Broken(io::ErrorKind::UnexpectedEof.into()));
                    }
                    upload.write(&data[..count]).await.map_err(Frame::Refused)?;
                    left -= count;
                }
                Ok(true)
            }
        }
    }

    /// Sends a file. If it cannot be read to its end, the client is told.
    async fn give(&mut self, head: &Reply, bytes: u64, path: &Path) -> io::Result<()> {
        match File::open(path).await {
            Ok(file) => self.give_open(head, bytes, file).await,
            Err(error) => self.say(&unreadable(&error)).await,
        }
    }

    /// The same of a file that is open.
    async fn give_open(&mut self, head: &Reply, bytes: u64, mut file: File) -> io::Result<()> {
        let mut left = bytes;
        self.say(head).await?;
        let mut data = vec![0; 4 + 256 * 1024];
        while left > 0 {
            let room = (data.len() - 4).min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut data[4..4 + room]).await {
                Ok(count) if count > 0 => {
                    data[..4].copy_from_slice(&(count as u32).to_be_bytes());
                    self.send(&data[..4 + count]).await?;
                    left -= count as u64;
                }
                read => {
                    let error = read.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
                    self.send(&ABORT.to_be_bytes()).await?;
                    return self.say(&unreadable(&error)).await;
                }
            }
        }
        self.send(&0_u32.to_be_bytes()).await
    }

    /// Sends an output as it becomes final. False when the client has hung up before its end.
    async fn hand(&mut self, mut excerpt: Excerpt) -> io::Result<bool> {
        self.say(&Reply::Excerpt(excerpt.head.clone())).await?;
        let mut waiting = false;
        loop {
            let next = tokio::select! {
                next = excerpt.next() => next,
                // bytes that are there are the next request, which waits its turn
                ahead = self.hear.fill_buf(), if !waiting => match ahead?.len() {
                    0 => return Ok(false),
                    _ => { waiting = true; continue }
                },
            };
            match next {
                Ok(Some(bytes)) => {
                    self.send(&(bytes.len() as u32).to_be_bytes()).await?;
                    self.send(&bytes).await?;
                }
                Ok(None) => return self.send(&0_u32.to_be_bytes()).await.map(|()| true),
                Err(error) => {
                    self.send(&ABORT.to_be_bytes()).await?;
                    return self.say(&Reply::Error(error)).await.map(|()| true);
                }
            }
        }
    }

    /// Sends lines until the last one. False when the client has hung up before: that ends the work.
    async fn tell(&mut self, mut lines: mpsc::Receiver<Reply>) -> io::Result<bool> {
        let mut waiting = false;
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => self.say(&line).await?,
                    None => return Ok(true),
                },
                // bytes that are there are the next request, which waits its turn
                ahead = self.hear.fill_buf(), if !waiting => match ahead?.len() {
                    0 => return Ok(false),
                    _ => waiting = true,
                },
            }
        }
    }

    /// Sends events until the client hangs up or falls behind.
    async fn stream(&mut self, mut events: mpsc::Receiver<Event>) -> io::Result<()> {
        let mut ignored = [0; 256];
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.say(&event).await?,
                    None => return self.say(&Event::Lagged {}).await,
                },
                read = self.hear.read(&mut ignored) => if read? == 0 { return Ok(()) },
            }
        }
    }
}

fn unreadable(error: &io::Error) -> Reply {
    Reply::Error(Error::io(ErrorKind::Internal, "the output cannot be read", error))
}

/// Why a frame was not taken.
enum Frame {
    GivenUp,
    Refused(Error),
    Broken(io::Error),
}
