//! The store as JSON lines: what is exported, kept as a backup, and imported again.
//!
//! ```text
//! {"format":"harmonix-store","version":1,"harmonixd":"0.1.0","created_at":1795358400.25,"commits":17,"records":2}
//! {"key":"job/00000000000000000001","value":"{\"v\":1,…}"}
//! {"key":"queue/held","value":"true"}
//! {"end":"harmonix-store","records":2,"blake3":"…"}
//! ```
//!
//! Values are as they are stored, whatever kind of record they are: text as a string, other bytes in hexadecimal as
//! `bytes`. The digest is of all bytes before the last line. Keys come in order, each once.

use std::io::{BufRead, Read, Write};

use harmonix_ipc::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{Entries, Store, is_own};

const FORMAT: &str = "harmonix-store";

/// Version of this form. A reader takes this one and every older one.
const VERSION: u32 = 1;

/// Longest line in bytes.
const LINE: u64 = 16 << 20;

/// Longest key in bytes.
const KEY: usize = 1024;

/// First line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    format: String,
    version: u32,
    /// Version of the daemon that wrote it.
    pub harmonixd: String,
    /// Seconds since the Unix epoch.
    pub created_at: f64,
    /// Changes that had been committed to the store.
    pub commits: u64,
    /// Records that follow.
    pub records: usize,
    /// What a damaged store did not give up; empty for a sound one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
}

/// Last line.
#[derive(Serialize, Deserialize)]
struct Footer {
    end: String,
    records: usize,
    blake3: String,
}

/// Everything that was read from an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump {
    /// Its first line.
    pub header: Header,
    /// The records in order of their keys.
    pub records: Entries,
}

/// Writes an export line by line.
struct Writer<'a> {
    out: &'a mut dyn Write,
    digest: blake3::Hasher,
    records: usize,
}

impl<'a> Writer<'a> {
    fn begin(out: &'a mut dyn Write, commits: u64, records: usize, lost: &[String]) -> Result<Self> {
        let mut writer = Self { out, digest: blake3::Hasher::new(), records: 0 };
        writer.line(&Header {
            format: FORMAT.into(),
            version: VERSION,
            harmonixd: env!("CARGO_PKG_VERSION").into(),
            created_at: crate::job::now(),
            commits,
            records,
            lost: lost.to_vec(),
        })?;
        Ok(writer)
    }

    fn record(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.records += 1;
        let text = std::str::from_utf8(value).ok().map(ToOwned::to_owned);
        let bytes = if text.is_none() { Some(hex(value)) } else { None };
        self.line(&Line { key: key.into(), value: text, bytes })
    }

    fn end(mut self) -> Result<usize> {
        let records = self.records;
        let blake3 = self.digest.finalize().to_hex().to_string();
        self.line(&Footer { end: FORMAT.into(), records, blake3 })?;
        self.out.flush().map_err(|error| unwritten(&error))?;
        Ok(records)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let line = harmonix_ipc::frame::line(value).map_err(|error| unwritten(&error))?;
        self.digest.update(&line);
        self.out.write_all(&line).map_err(|error| unwritten(&error))
    }
}

/// Writes every record of a store. Gives how many.
pub fn write(store: &mut dyn Store, out: &mut dyn Write) -> Result<usize> {
    let commits = store.verify()?;
    let mut records = 0;
    store.each(&mut |_, _| {
        records += 1;
        Ok(())
    })?;
    let mut writer = Writer::begin(out, commits, records, &[])?;
    store.each(&mut |key, value| writer.record(key, value))?;
    writer.end()
}

/// Writes records that were saved from a damaged store, with what was not.
pub fn write_saved(records: &Entries, commits: u64, lost: &[String], out: &mut dyn Write) -> Result<usize> {
    let mut writer = Writer::begin(out, commits, records.len(), lost)?;
    records.iter().try_for_each(|(key, value)| writer.record(key, value))?;
    writer.end()
}

/// Reads an export to its end, and believes it only if it is whole.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] if it is no export, not whole, changed, or of a newer daemon; the line is named.
pub fn read(input: &mut dyn BufRead) -> Result<Dump> {
    let mut reader = Reader { input, digest: blake3::Hasher::new(), number: 0 };
    let first = reader.line()?.unwrap_or_default();
    let header: Header =
        serde_json::from_slice(&first).ok().filter(|header: &Header| header.format == FORMAT).ok_or_else(
            || refused("this is no export of a store").hint("`harmonixctl store export` makes one"),
        )?;
    if header.version > VERSION {
        let message = format!("the export is of version {}, this harmonixd reads {VERSION}", header.version);
        return Err(refused(message).hint(format!("it was made by harmonixd {}", header.harmonixd)));
    }
    let mut records = Entries::new();
    loop {
        let whole = reader.digest.finalize().to_hex();
        let Some(line) = reader.line()? else {
            return Err(broken(reader.number, "the export ends in the middle"));
        };
        if let Ok(footer) = serde_json::from_slice::<Footer>(&line) {
            return match footer {
                Footer { end, .. } if end != FORMAT => Err(broken(reader.number, "this is no record")),
                Footer { blake3, .. } if blake3 != whole.as_str() => {
                    Err(broken(reader.number, "the export was changed: its digest does not fit"))
                }
                Footer { records: count, .. } if count != records.len() || count != header.records => {
                    Err(broken(reader.number, "the export does not have as many records as it says"))
                }
                _ if reader.line()?.is_some() => {
                    Err(broken(reader.number, "something follows the export's end"))
                }
                _ => Ok(Dump { header, records }),
            };
        }
        let (key, value) = record(&line).map_err(|why| broken(reader.number, why))?;
        if records.last().is_some_and(|(last, _)| *last >= key) {
            return Err(broken(reader.number, "the keys are not in order"));
        }
        records.push((key, value));
    }
}

/// When an export was made, in seconds since the Unix epoch, by its first line.
pub fn created_at(input: &mut dyn BufRead) -> Option<f64> {
    let mut reader = Reader { input, digest: blake3::Hasher::new(), number: 0 };
    let header: Header = serde_json::from_slice(&reader.line().ok()??).ok()?;
    Some(header.created_at)
}

struct Reader<'a> {
    input: &'a mut dyn BufRead,
    digest: blake3::Hasher,
    number: usize,
}

impl Reader<'_> {
    /// The next line without its end; none at the end of the input.
    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        (&mut *self.input)
            .take(LINE)
            .read_until(b'\n', &mut line)
            .map_err(|error| Error::io(ErrorKind::InvalidRequest, "the export cannot be read", &error))?;
        self.number += 1;
        self.digest.update(&line);
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) => Err(broken(self.number, "the line is too long or has no end")),
        }
    }
}

fn record(line: &[u8]) -> std::result::Result<(String, Vec<u8>), &'static str> {
    let Line { key, value, bytes } = serde_json::from_slice(line).map_err(|_| "this is no record")?;
    if key.is_empty() || key.len() > KEY || key.chars().any(char::is_control) || is_own(&key) {
        return Err("no record may have this key");
    }
    let value = match (value, bytes) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(digits)) => unhex(&digits).ok_or("this is no record")?,
        _ => return Err("this is no record"),
    };
    Ok((key, value))
}

/// The digest of an export's lines, as its last line has it.
pub fn digest(lines: &[u8]) -> String {
    blake3::hash(lines).to_hex().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|p| p.len() == 2)?, 16).ok())
        .collect()
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn broken(line: usize, why: &str) -> Error {
    refused(format!("line {line}: {why}")).hint("take another export or backup; nothing was changed")
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the export cannot be written", error)
}

#[cfg(test)]
#[path = "dump_tests.rs"]
mod tests;
