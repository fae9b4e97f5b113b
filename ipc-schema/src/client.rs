//! A blocking client.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::{
    Command, Error, ErrorKind, Event, ExcerptHead, ExportStore, Fetch, FileHead, Greeting, ImportStore, Job,
    Listen, ModelDetails, ModelImport, ModelPull, PROTOCOL, Pulling, Reply, Request, StoreImported, Submit,
    Watch, frame,
};

/// Why a call did not give its reply: the border between this side's failure and the daemon's refusal.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers at the socket, or not in this protocol.
    NoDaemon(Error),
    /// The daemon answered, with an error.
    Refused(Error),
    /// Reading the input or writing the output failed on this side.
    Local(io::Error),
    /// The connection broke.
    Broken(io::Error),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(error) | Self::Refused(error) => error.fmt(f),
            Self::Local(error) => error.fmt(f),
            Self::Broken(error) => write!(f, "the connection to the daemon broke: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NoDaemon(error) | ClientError::Refused(error) => error,
            ClientError::Local(error) => {
                Self::new(ErrorKind::InvalidRequest, format!("cannot read or write here: {error}"))
            }
            ClientError::Broken(error) => Self::new(ErrorKind::Unavailable, "the connection to the daemon broke")
                .cause(error)
                .hint("the daemon may have stopped or restarted: a job that was accepted goes on, see `harmonixctl jobs`"),
        }
    }
}

/// A daemon that is up greets at once; whatever listens there and says nothing for so long is none.
const GREETING_PATIENCE: Duration = Duration::from_secs(10);

/// `Result` of a call.
pub type Called<T> = Result<T, ClientError>;

/// A connection to the daemon. Calls are answered in order.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    greeting: Greeting,
}

impl Client {
    /// Connects to the socket at `path` and reads the greeting.
    pub fn connect(path: &Path) -> Called<Self> {
        let stream =
            UnixStream::connect(path).map_err(|error| ClientError::NoDaemon(refusal(path, &error)))?;
        Self::greet(stream)
    }

    /// Reads the greeting of a connection that is already there.
    pub fn greet(stream: UnixStream) -> Called<Self> {
        let mut client = Self {
            stream: BufReader::new(stream),
            greeting: Greeting { protocol: 0, server: String::new() },
        };
        client.patience(Some(GREETING_PATIENCE))?;
        match client.read_reply().map_err(silent)? {
            Reply::Hello(greeting) if greeting.protocol == PROTOCOL => client.greeting = greeting,
            Reply::Hello(greeting) => {
                return Err(ClientError::NoDaemon(
                    Error::new(
                        ErrorKind::Unavailable,
                        format!(
                            "{} speaks protocol {}, this client {PROTOCOL}",
                            greeting.server, greeting.protocol
                        ),
                    )
                    .hint("install client and daemon of the same release, then restart the daemon"),
                ));
            }
            Reply::Error(error) => return Err(ClientError::Refused(error)),
            other => return Err(unexpected(&other)),
        }
        client.patience(None)?;
        Ok(client)
    }

    /// What the daemon said of itself.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Sends a command and waits for its reply.
    pub fn call<C: Command>(&mut self, command: C) -> Called<C::Reply> {
        match self.send(&command.into()) {
            // a daemon that refuses the connection as a whole says why and hangs up: its words are still to be read
            Err(ClientError::Broken(error)) => match self.receive::<C>() {
                Err(ClientError::Refused(error)) => Err(ClientError::Refused(error)),
                _ => Err(ClientError::Broken(error)),
            },
            sent => sent.and_then(|()| self.receive::<C>()),
        }
    }

    /// Submits a song: everything that `input` gives. Returns when the daemon has the job for good.
    pub fn submit(&mut self, submit: Submit, input: &mut impl Read) -> Called<Job> {
        self.upload(submit, input)
    }

    /// Installs a file of a model: everything that `input` gives.
    pub fn import(&mut self, import: ModelImport, input: &mut impl Read) -> Called<ModelDetails> {
        self.upload(import, input)
    }

    /// Fills the daemon's store with what `input` gives.
    pub fn import_store(&mut self, import: ImportStore, input: &mut impl Read) -> Called<StoreImported> {
        self.upload(import, input)
    }

    /// Downloads a model. `progress` hears how far it is; once it says `false` the daemon is asked no more, and the
    /// connection is of no further use.
    pub fn pull(
        &mut self,
        pull: ModelPull,
        mut progress: impl FnMut(Pulling) -> bool,
    ) -> Called<ModelDetails> {
        self.send(&pull.into())?;
        loop {
            match self.read_reply()? {
                Reply::Pulling(pulling) => {
                    if !progress(pulling) {
                        return Err(ClientError::Local(io::ErrorKind::Interrupted.into()));
                    }
                }
                Reply::Error(error) => return Err(ClientError::Refused(error)),
                Reply::Model(model) => return Ok(model),
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn upload<C: Command>(&mut self, command: C, input: &mut impl Read) -> Called<C::Reply> {
        self.send(&command.into())?;
        match self.read_reply()? {
            Reply::Ready(_) => {}
            Reply::Error(error) => return Err(ClientError::Refused(error)),
            other => return Err(unexpected(&other)),
        }
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let length = match input.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let abort = self.stream.get_mut().write_all(&frame::ABORT.to_be_bytes());
                    return Err(abort
                        .and_then(|()| self.drop_reply())
                        .map_or_else(ClientError::Broken, |()| ClientError::Local(error)));
                }
            };
            // a daemon that refuses in the middle says why and hangs up: its words matter more than the pipe's
            if frame::write_frame(self.stream.get_mut(), &buffer[..length]).is_err() || length == 0 {
                return self.receive::<C>();
            }
        }
    }

    /// Fetches a file of a job into `output`.
    pub fn fetch(&mut self, fetch: Fetch, output: &mut impl Write) -> Called<FileHead> {
        self.download(fetch, output)
    }

    /// Fetches every record of the daemon's store into `output`.
    pub fn export_store(&mut self, export: ExportStore, output: &mut impl Write) -> Called<FileHead> {
        self.download(export, output)
    }

    fn download<C: Command<Reply = FileHead>>(
        &mut self,
        command: C,
        output: &mut impl Write,
    ) -> Called<FileHead> {
        let head = self.call(command)?;
        self.copy(Some(head.bytes), output)?;
        Ok(head)
    }

    /// Copies frames to their end; `expected` bytes have to come, if that is known.
    fn copy(&mut self, expected: Option<u64>, output: &mut impl Write) -> Called<()> {
        let mut output = Tracked { inner: output, failed: false };
        match frame::copy_frames(&mut self.stream, &mut output) {
            Ok(Some(bytes)) => match expected.filter(|expected| *expected != bytes) {
                None => Ok(()),
                Some(expected) => Err(ClientError::Broken(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("{bytes} of {expected} bytes came"),
                ))),
            },
            Ok(None) => match self.read_reply()? {
                Reply::Error(error) => Err(ClientError::Refused(error)),
                other => Err(unexpected(&other)),
            },
            Err(error) if output.failed => Err(ClientError::Local(error)),
            Err(error) => Err(ClientError::Broken(error)),
        }
    }

    /// Copies an output into `output` as far as it is final; with `follow` as it becomes so. `begin` hears first what comes.
    pub fn listen(
        &mut self,
        listen: Listen,
        output: &mut impl Write,
        begin: impl FnOnce(&ExcerptHead),
    ) -> Called<ExcerptHead> {
        let head = self.call(listen)?;
        begin(&head);
        self.copy(head.bytes, output)?;
        Ok(head)
    }

    /// Turns the connection into a stream of events, the first of which is the snapshot.
    pub fn watch(mut self, watch: Watch) -> Called<impl Iterator<Item = Called<Event>>> {
        self.send(&watch.into())?;
        let mut over = false;
        Ok(std::iter::from_fn(move || {
            if over {
                return None;
            }
            let event = self.read_event();
            over = event.is_err();
            event.transpose()
        }))
    }

    fn read_event(&mut self) -> Called<Option<Event>> {
        let Some(line) =
            frame::read_line(&mut self.stream, frame::REPLY_LIMIT).map_err(ClientError::Broken)?
        else {
            return Ok(None);
        };
        if let Ok(Reply::Error(error)) = serde_json::from_slice(&line) {
            return Err(ClientError::Refused(error));
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| ClientError::Broken(error.into()))
    }

    fn send(&mut self, request: &Request) -> Called<()> {
        let line = frame::line(request).map_err(ClientError::Local)?;
        if line.len() > frame::REQUEST_LIMIT {
            let words = format!("a request of {} bytes, {} at most", line.len(), frame::REQUEST_LIMIT);
            return Err(ClientError::Local(io::Error::new(io::ErrorKind::InvalidInput, words)));
        }
        self.stream.get_mut().write_all(&line).map_err(ClientError::Broken)
    }

    fn receive<C: Command>(&mut self) -> Called<C::Reply> {
        match self.read_reply()? {
            Reply::Error(error) => Err(ClientError::Refused(error)),
            reply => {
                let words = unexpected(&reply);
                C::reply(reply).ok_or(words)
            }
        }
    }

    fn patience(&mut self, limit: Option<Duration>) -> Called<()> {
        self.stream.get_ref().set_read_timeout(limit).map_err(ClientError::Broken)
    }

    fn drop_reply(&mut self) -> io::Result<()> {
        frame::read_line(&mut self.stream, frame::REPLY_LIMIT).map(drop)
    }

    fn read_reply(&mut self) -> Called<Reply> {
        let line = frame::read_line(&mut self.stream, frame::REPLY_LIMIT).map_err(ClientError::Broken)?;
        let line = line.ok_or_else(|| ClientError::Broken(io::ErrorKind::UnexpectedEof.into()))?;
        serde_json::from_slice(&line).map_err(|error| ClientError::Broken(error.into()))
    }
}

/// A writer that remembers whose fault a failed copy was.
struct Tracked<'a, W> {
    inner: &'a mut W,
    failed: bool,
}

impl<W: Write> Write for Tracked<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner.write(data).inspect_err(|error| self.failed |= error.kind() != io::ErrorKind::Interrupted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn silent(error: ClientError) -> ClientError {
    match error {
        ClientError::Broken(error) if error.kind() == io::ErrorKind::WouldBlock => ClientError::NoDaemon(
            Error::new(ErrorKind::Unavailable, "whatever listens at the socket does not greet")
                .hint("restart the daemon, or name another socket with --socket or HARMONIX_SOCKET"),
        ),
        other => other,
    }
}

fn refusal(path: &Path, error: &io::Error) -> Error {
    let at = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(ErrorKind::Unavailable, format!("not allowed to connect to {at}"))
                .hint("join the group that owns the socket, or run a daemon of your own")
        }
        _ => Error::new(ErrorKind::Unavailable, format!("no daemon answers at {at}"))
            .hint("start one with `harmonixd`, or name its socket with --socket or HARMONIX_SOCKET"),
    }
    .cause(error)
}

fn unexpected(reply: &Reply) -> ClientError {
    let mut words = format!("unexpected reply {reply:?}");
    words.truncate(words.char_indices().nth(120).map_or(words.len(), |(at, _)| at));
    ClientError::Broken(io::Error::new(io::ErrorKind::InvalidData, words))
}
