//! Framing: JSON lines, and length-prefixed binary frames for bytes.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use serde::Serialize;

/// Longest request line in bytes, newline included.
pub const REQUEST_LIMIT: usize = 64 * 1024;
/// Longest reply or event line that a client takes, newline included.
pub const REPLY_LIMIT: usize = 64 * 1024 * 1024;
/// Longest binary frame in bytes.
pub const FRAME_LIMIT: u32 = 1024 * 1024;
/// A frame length that says: the sender gave up, what was sent is to be thrown away.
pub const ABORT: u32 = u32::MAX;

/// What a binary frame's length field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// So many bytes follow.
    Bytes(usize),
    /// The stream is complete.
    End,
    /// The sender gave up.
    Abort,
}

impl Head {
    /// Reads the four bytes before a frame; `None` when the length is over [`FRAME_LIMIT`].
    pub fn parse(raw: [u8; 4]) -> Option<Self> {
        match u32::from_be_bytes(raw) {
            0 => Some(Self::End),
            ABORT => Some(Self::Abort),
            length if length <= FRAME_LIMIT => Some(Self::Bytes(length as usize)),
            _ => None,
        }
    }
}

/// One JSON value and a newline, as bytes.
pub fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a line of at most `limit` bytes without its newline; `None` at the end of the stream.
pub fn read_line(reader: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(limit as u64).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() + 1 >= limit => {
            Err(io::Error::new(ErrorKind::InvalidData, format!("line longer than {limit} bytes")))
        }
        Some(_) => Err(io::Error::new(ErrorKind::UnexpectedEof, "line without its end")),
    }
}

/// Writes `data` as one frame; empty `data` ends the stream.
pub fn write_frame(writer: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = u32::try_from(data.len()).ok().filter(|length| *length <= FRAME_LIMIT);
    let length = length.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "frame too long"))?;
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(data)
}

/// Reads frames into `writer` until the end and returns how many bytes there were; `None` when the
/// sender gave up.
pub fn copy_frames(reader: &mut impl Read, writer: &mut impl Write) -> io::Result<Option<u64>> {
    let mut total = 0;
    loop {
        let mut head = [0; 4];
        reader.read_exact(&mut head)?;
        match Head::parse(head) {
            Some(Head::End) => return Ok(Some(total)),
            Some(Head::Abort) => return Ok(None),
            Some(Head::Bytes(length)) => {
                let copied = io::copy(&mut reader.take(length as u64), writer)?;
                if copied != length as u64 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                total += copied;
            }
            None => return Err(io::Error::new(ErrorKind::InvalidData, "frame too long")),
        }
    }
}
