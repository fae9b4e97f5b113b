use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What lies at a path of a [`FileServer`].
#[derive(Debug, Clone)]
pub enum Served {
    /// A file.
    File(ServedFile),
    /// Only a status line, e.g. `404 Not Found`.
    Status(&'static str),
    /// A redirect to there.
    Redirect(String),
    /// A body without a length and without an end.
    Endless,
}

/// A file that is served.
#[derive(Debug, Clone)]
pub struct ServedFile {
    body: Vec<u8>,
    ranges: bool,
    etag: Option<String>,
    /// Each of the first answers breaks off after so many bytes of it.
    cuts: VecDeque<usize>,
    /// Each byte after so many waits a little.
    slow_after: usize,
}

impl Served {
    /// A file, from a server that can go on where it is asked to.
    pub fn file(body: impl Into<Vec<u8>>) -> ServedFile {
        let (etag, cuts) = (Some("\"one\"".into()), VecDeque::new());
        ServedFile { body: body.into(), ranges: true, etag, cuts, slow_after: usize::MAX }
    }
}

impl ServedFile {
    /// From a server that always sends the whole.
    #[must_use]
    pub fn without_ranges(mut self) -> Self {
        self.ranges = false;
        self
    }

    /// With another entity tag.
    #[must_use]
    pub fn etag(mut self, tag: &str) -> Self {
        self.etag = Some(tag.to_owned());
        self
    }

    /// The next answers break off after so many bytes each.
    #[must_use]
    pub fn cut(mut self, at: impl IntoIterator<Item = usize>) -> Self {
        self.cuts.extend(at);
        self
    }

    /// Everything after so many bytes comes a byte at a time.
    #[must_use]
    pub fn slow_after(mut self, bytes: usize) -> Self {
        self.slow_after = bytes;
        self
    }
}

impl From<ServedFile> for Served {
    fn from(file: ServedFile) -> Self {
        Self::File(file)
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Path, or `CONNECT host:port`.
    pub path: String,
    /// Its `Range`.
    pub range: Option<String>,
    /// Its `If-Range`.
    pub if_range: Option<String>,
}

#[derive(Default)]
struct State {
    served: BTreeMap<String, Served>,
    seen: Vec<Seen>,
    /// Bytes of bodies that were sent.
    sent: usize,
}

/// A small HTTP/1.1 server on 127.0.0.1 that misbehaves as it is told. It takes proxy requests too, for any host.
pub struct FileServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FileServer {
    /// Starts it; its threads end with the process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("address");
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                // a client that leaves ends its connection
                thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Self { address, state }
    }

    /// Serves something at `path`, in the place of what was there.
    pub fn put(&self, path: &str, served: impl Into<Served>) {
        self.state.lock().expect("state").served.insert(path.to_owned(), served.into());
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().expect("state").seen.clone()
    }

    /// Bytes of bodies that were sent so far.
    pub fn sent(&self) -> usize {
        self.state.lock().expect("state").sent
    }
}

/// A connection: one request, or a `CONNECT` and then one.
fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (mut range, mut if_range) = (None, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim().split_once(':') else { break };
            match name.to_lowercase().as_str() {
                "range" => range = Some(value.trim().to_owned()),
                "if-range" => if_range = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        if method == "CONNECT" {
            let path = format!("CONNECT {target}");
            state.lock().expect("state").seen.push(Seen { path, range: None, if_range: None });
            writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            continue;
        }
        let path = match target.strip_prefix("http://") {
            Some(rest) => format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)),
            None => target.to_owned(),
        };
        let served = {
            let mut state = state.lock().expect("state");
            let seen = Seen { path: path.clone(), range: range.clone(), if_range: if_range.clone() };
            state.seen.push(seen);
            let served = state.served.get(&path).cloned();
            if let Some(Served::File(file)) = state.served.get_mut(&path) {
                file.cuts.pop_front();
            }
            served.unwrap_or(Served::Status("404 Not Found"))
        };
        match served {
            Served::Status(status) => {
                write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            }
            Served::Redirect(to) => write!(
                writer,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?,
            Served::Endless => {
                write!(writer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    writer.write_all(&[7; 4096])?;
                    state.lock().expect("state").sent += 4096;
                }
            }
            Served::File(file) => send(&mut writer, &file, range.as_deref(), if_range.as_deref(), state)?,
        }
        return writer.shutdown(std::net::Shutdown::Both);
    }
}

fn send(
    writer: &mut TcpStream,
    file: &ServedFile,
    range: Option<&str>,
    if_range: Option<&str>,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let ServedFile { body, ranges, etag, cuts, slow_after } = file;
    let wanted =
        range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let is_same = if_range.is_none_or(|tag| etag.as_deref() == Some(tag));
    let start = wanted.filter(|_| *ranges && is_same);
    let tag = etag.as_ref().map(|tag| format!("ETag: {tag}\r\n")).unwrap_or_default();
    let length = body.len();
    match start {
        Some(start) if start >= length => {
            return write!(
                writer,
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(start) => write!(
            writer,
            "HTTP/1.1 206 Partial Content\r\n{tag}Content-Range: bytes {start}-{}/{length}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            length - 1,
            length - start
        )?,
        None => {
            write!(writer, "HTTP/1.1 200 OK\r\n{tag}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
        }
    }
    let body = &body[start.unwrap_or(0)..];
    let body = &body[..cuts.front().copied().unwrap_or(body.len()).min(body.len())];
    let (quick, slow) = body.split_at(body.len().min(*slow_after));
    writer.write_all(quick)?;
    state.lock().expect("state").sent += quick.len();
    for byte in slow {
        thread::sleep(Duration::from_millis(5));
        writer.write_all(&[*byte])?;
    }
    Ok(())
}
