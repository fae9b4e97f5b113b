//! One file over HTTP: resumed, bounded, hashed while it arrives.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

use super::{
    Member,
    digest::{self, Expected},
};

/// Longest that a server may take to be found, to take a connection, to answer, and to send the next bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Times that a connection may break without a byte in between.
const BARREN: u32 = 2;

/// Times that a connection may break in all.
const BREAKS: u32 = 20;

/// Longest pause before another try.
const PAUSE: Duration = Duration::from_millis(250);

/// Most redirects that are followed.
const REDIRECTS: u32 = 5;

/// What the name of an unfinished file ends with.
const PART: &str = ".part";

/// What the name of the file ends with that says where an unfinished one is from.
const META: &str = ".part.from";

/// Who hears of a download, and may end it.
pub(super) trait Listener {
    /// So many bytes of so many are there; the total is not known before the server said it.
    fn bytes(&self, bytes: u64, total: Option<u64>);
    /// Something happened that people may want to know.
    fn note(&self, note: String);
    /// True once the download is to end.
    fn stopped(&self) -> bool;
}

/// A file that came.
#[derive(Debug)]
pub(super) struct Came {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    /// From where, without query.
    pub(super) from: String,
}

/// A download.
pub(super) struct Download<'a> {
    /// The file.
    pub(super) member: &'a Member,
    /// The digest that it has to have.
    pub(super) expected: Expected,
    /// Where it will lie; the download lies beside it.
    pub(super) place: &'a Path,
    /// As in the configuration.
    pub(super) proxy: &'a str,
    pub(super) listener: &'a dyn Listener,
}

/// Why one attempt came to nothing.
enum Failed {
    /// The connection broke; what came stays, and another attempt goes on there.
    Broken(Error),
    /// Another attempt at this address would not help.
    Here(Error),
    /// Nor at another one.
    Everywhere(Error),
}

/// The proxy of a configuration: empty is the environment's (`ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), `none` is none.
/// `Err` when it is no address of a proxy.
pub(crate) fn proxy(setting: &str) -> std::result::Result<Option<ureq::Proxy>, ()> {
    match setting {
        "" => Ok(ureq::Proxy::try_from_env()),
        "none" => Ok(None),
        address => ureq::Proxy::new(address).map(Some).map_err(drop),
    }
}

/// An address as people and logs may see it: without its query, which may hold a token.
pub(super) fn shown(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

impl Download<'_> {
    /// Where the file lies until it is complete.
    pub(super) fn part(&self) -> PathBuf {
        beside(self.place, PART)
    }

    /// Gets the file from the first address that has it. It then lies durable at [`part`](Self::part).
    ///
    /// What an earlier attempt left is used where the server can go on there. Bytes that are not the file's are
    /// removed, and the next address is tried.
    ///
    /// Fails with [`ErrorKind::ModelMissing`] when no address gives it, [`ErrorKind::ModelCorrupt`] when one gave
    /// something else, [`ErrorKind::TooLarge`], [`ErrorKind::DiskFull`], and [`ErrorKind::Cancelled`].
    pub(super) fn run(&self) -> Result<Came> {
        let name = &self.member.file;
        let mut failures: Vec<(String, Error)> = Vec::new();
        for url in &self.member.urls {
            match self.from(url) {
                Ok(came) => return Ok(came),
                Err(Failed::Everywhere(error)) => return Err(error),
                Err(Failed::Here(error) | Failed::Broken(error)) => {
                    let shown = shown(url);
                    tracing::warn!(url = shown, error.kind = %error.kind, "an address gave no file");
                    self.listener.note(format!("{shown}: {error}"));
                    failures.push((shown, error));
                }
            }
        }
        let unreachable = failures.iter().all(|(_, error)| error.kind == ErrorKind::ModelMissing);
        let hint = if failures.is_empty() {
            "the catalogue has no address for it: get it elsewhere, then `harmonixctl models import FILE`"
        } else if unreachable {
            "look at the network and models.proxy, or get the file elsewhere and `harmonixctl models import FILE`"
        } else {
            "somebody serves another file: try again later, or get it elsewhere and `harmonixctl models import FILE`"
        };
        let kind = failures.iter().map(|(_, error)| error.kind).find(|kind| *kind != ErrorKind::ModelMissing);
        let kind = kind.unwrap_or(ErrorKind::ModelMissing);
        let error = Error::new(kind, format!("{name} cannot be downloaded")).hint(hint);
        Err(failures.iter().fold(error, |error, (url, why)| {
            why.causes.iter().fold(error.cause(format_args!("{url}: {why}")), Error::cause)
        }))
    }

    /// Gets the file from one address, in as many connections as it takes.
    fn from(&self, url: &str) -> std::result::Result<Came, Failed> {
        let agent = self.agent(url)?;
        let (mut breaks, mut barren) = (0, 0);
        loop {
            let before = self.length();
            let error = match self.attempt(&agent, url) {
                Err(Failed::Broken(error)) => error,
                ended => return ended,
            };
            breaks += 1;
            barren = if self.length() > before { 0 } else { barren + 1 };
            if barren >= BARREN || breaks >= BREAKS {
                return Err(Failed::Here(error));
            }
            self.listener.note(format!("{error}: it is asked for the rest"));
            if barren > 0 {
                thread::sleep(PAUSE);
            }
        }
    }

    fn agent(&self, url: &str) -> std::result::Result<Agent, Failed> {
        let proxy = proxy(self.proxy)
            .map_err(|()| Failed::Everywhere(Error::new(ErrorKind::Config, "`models.proxy` is no proxy")))?;
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .user_agent(concat!("harmonix/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // what was asked for over TLS is not taken without it
            .https_only(url.starts_with("https://"))
            .max_redirects(REDIRECTS)
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        Ok(config.into())
    }

    /// One connection.
    fn attempt(&self, agent: &Agent, url: &str) -> std::result::Result<Came, Failed> {
        if self.listener.stopped() {
            return Err(stopped());
        }
        let (part, meta) = (self.part(), beside(self.place, META));
        let validator = self.validator(url);
        // without a digest nothing would tell that two files were joined
        if !self.expected.is_known() {
            self.discard()?;
        }
        let (mut hash, mut have) = match digest::of_file(&part) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Sha256::new(), 0),
            Err(error) => return Err(storage(&error)),
        };
        let so_far = digest::hex(hash.clone().finalize());
        if have > 0 && self.expected.is_known() && self.expected.allows(&so_far) {
            return Ok(Came { sha256: so_far, bytes: have, from: shown(url) });
        }
        if have >= self.member.limit {
            self.discard()?;
            (hash, have) = (Sha256::new(), 0);
        }

        let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            if let Some(validator) = &validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        let response = request.call().map_err(|error| broken(&error))?;
        let resumed = match response.status() {
            StatusCode::PARTIAL_CONTENT if have > 0 && range_start(&response) == Some(have) => true,
            StatusCode::OK => false,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                self.discard()?;
                return Err(Failed::Broken(unreachable("the server does not go on where it was asked to")));
            }
            other => return Err(Failed::Here(unreachable(format!("the server answered {other}")))),
        };
        if !resumed {
            self.discard()?;
            (hash, have) = (Sha256::new(), 0);
        }
        let total = response.body().content_length().map(|rest| have + rest);
        self.bounded(total, total.unwrap_or(have))?;
        let from = format!("{}\n{}", digest::of_text(url), validator_of(&response).unwrap_or_default());
        durable::write_file(&meta, from.as_bytes()).map_err(|error| storage(&error))?;

        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&part)
            .map_err(|error| storage(&error))?;
        file.seek(io::SeekFrom::Start(have)).map_err(|error| storage(&error))?;
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 256 * 1024];
        self.listener.bytes(have, total);
        loop {
            if self.listener.stopped() {
                return Err(stopped());
            }
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failed::Broken(unreachable("the connection broke").cause(error))),
            };
            have += count as u64;
            self.bounded(total, have)?;
            hash.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(|error| storage(&error))?;
            self.listener.bytes(have, total);
        }
        if total.or(self.member.size).is_some_and(|total| have < total) {
            return Err(Failed::Broken(unreachable(format!("the connection ended after {have} bytes"))));
        }
        file.sync_all().map_err(|error| storage(&error))?;
        let sha256 = digest::hex(hash.finalize());
        if self.expected.allows(&sha256) && self.member.size.is_none_or(|size| size == have) {
            return Ok(Came { sha256, bytes: have, from: shown(url) });
        }
        self.discard()?;
        let wrong = corrupt(format!("what came has the sha256 {sha256}, expected was {}", self.expected));
        // the earlier part may have been of another file: once more, from the beginning
        Err(if resumed { Failed::Broken(wrong) } else { Failed::Here(wrong) })
    }

    /// Refuses a size that the file cannot have, and removes what came of it.
    fn bounded(&self, total: Option<u64>, have: u64) -> std::result::Result<(), Failed> {
        let Member { size, limit, .. } = self.member;
        let error = match (size, total) {
            (Some(size), Some(total)) if total != *size => {
                corrupt(format!("what the server has is {total} bytes long, expected were {size}"))
            }
            (Some(size), _) if have > *size => {
                corrupt(format!("more came than the {size} bytes that it has"))
            }
            _ if have > *limit => Error::new(
                ErrorKind::TooLarge,
                format!("it is larger than the {limit} bytes that are allowed"),
            ),
            _ => return Ok(()),
        };
        self.discard()?;
        Err(Failed::Here(error))
    }

    fn length(&self) -> u64 {
        fs::metadata(self.part()).map_or(0, |meta| meta.len())
    }

    /// What the server said to recognise the file by, if the unfinished one is from that address.
    fn validator(&self, url: &str) -> Option<String> {
        let meta = fs::read_to_string(beside(self.place, META)).ok()?;
        let (from, validator) = meta.split_once('\n')?;
        (from == digest::of_text(url) && !validator.is_empty()).then(|| validator.to_owned())
    }

    /// Removes what came.
    fn discard(&self) -> std::result::Result<(), Failed> {
        for path in [self.part(), beside(self.place, META)] {
            super::store::remove_file(&path).map_err(Failed::Everywhere)?;
        }
        Ok(())
    }

    /// Removes what only the download needed.
    pub(super) fn tidy(&self) -> Result<()> {
        super::store::remove_file(&beside(self.place, META))
    }
}

fn beside(place: &Path, ending: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Frame of `Content-Range: bytes <start>-<end>/<total>`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

/// A strong entity tag, else the time of the last change.
fn validator_of(response: &Response<Body>) -> Option<String> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let strong = text(header::ETAG).filter(|tag| tag.starts_with('"'));
    let validator = strong.or_else(|| text(header::LAST_MODIFIED))?;
    (!validator.contains(['\n', '\r'])).then(|| validator.to_owned())
}

fn unreachable(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::ModelMissing, what)
}

fn corrupt(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::ModelCorrupt, what)
}

fn stopped() -> Failed {
    Failed::Everywhere(
        Error::new(ErrorKind::Cancelled, "the download was ended").hint("the next one goes on there"),
    )
}

fn storage(error: &io::Error) -> Failed {
    Failed::Everywhere(super::record::storage(error))
}

/// A request that got no answer. The words are ours: the library's may hold the whole address.
fn broken(error: &ureq::Error) -> Failed {
    let what = match error {
        ureq::Error::Timeout(_) => "the server took too long",
        ureq::Error::HostNotFound => "there is no such host",
        ureq::Error::TooManyRedirects => "it redirects too often",
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => "it redirects to where this may not go",
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => "the proxy refuses",
        // an error of TLS in the middle of the handshake comes as one of invalid data
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            "no trusted connection can be made"
        }
        ureq::Error::Protocol(_) => "the server does not speak HTTP",
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "no trusted connection can be made",
        _ => "no connection can be made",
    };
    let kept = match error {
        ureq::Error::Io(error) => unreachable(what).cause(error),
        ureq::Error::Rustls(error) => unreachable(what).cause(error),
        ureq::Error::Tls(error) => unreachable(what).cause(error),
        _ => unreachable(what),
    };
    Failed::Broken(kept)
}
