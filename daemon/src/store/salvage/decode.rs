//! Segments, messages and numbers as sled 0.34 writes them.

use super::SEGMENT;

/// Owned bytes.
pub(super) type Bytes = Vec<u8>;

/// Bytes of a segment's header: its CRC, its first position in the log, and one more.
const HEADER: usize = 20;

/// Kinds of messages.
const CANCELED: u8 = 1;
const CAP: u8 = 2;
const LAST: u8 = 11;

/// The next number; sled's own variable length.
pub(super) fn number(data: &mut &[u8]) -> Option<u64> {
    let (first, rest) = data.split_first()?;
    let (value, used) = match *first {
        small @ 0..=240 => (u64::from(small), 0),
        high @ 241..=248 => (240 + 256 * (u64::from(high) - 241) + u64::from(*rest.first()?), 1),
        249 => (2288 + 256 * u64::from(*rest.first()?) + u64::from(*rest.get(1)?), 2),
        long => {
            let count = usize::from(long) - 247;
            let mut bytes = [0; 8];
            bytes[..count].copy_from_slice(rest.get(..count)?);
            (u64::from_le_bytes(bytes), count)
        }
    };
    *data = rest.get(used..)?;
    Some(value)
}

/// The next byte.
pub(super) fn byte(data: &mut &[u8]) -> Option<u8> {
    let (first, rest) = data.split_first()?;
    *data = rest;
    Some(*first)
}

/// So many bytes.
pub(super) fn take<'a>(data: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = (data.get(..count)?, data.get(count..)?);
    *data = rest;
    Some(taken)
}

/// The next bytes with their length before them.
pub(super) fn bytes<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = usize::try_from(number(data)?).ok()?;
    take(data, count)
}

/// A message.
pub(super) enum Message<'a> {
    /// Something that cannot be read.
    Damaged,
    /// A change of a page.
    Whole {
        /// Its place in the log: what is later holds.
        lsn: u64,
        page: u64,
        body: Body<'a>,
    },
}

/// What a message does.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) kind: u8,
    pub(super) data: &'a [u8],
}

struct Head<'a> {
    segment: u64,
    page: u64,
    body: Body<'a>,
    bytes: usize,
}

/// The message that begins here, if it is whole.
fn message(raw: &[u8]) -> Option<Head<'_>> {
    let mut data = raw;
    let crc = u32::from_le_bytes(take(&mut data, 4)?.try_into().ok()?);
    let kind = byte(&mut data).filter(|kind| (CANCELED..=LAST).contains(kind))?;
    let length = usize::try_from(number(&mut data)?).ok()?;
    let (segment, page) = (number(&mut data)?, number(&mut data)?);
    let head = raw.len() - data.len();
    let body = take(&mut data, length)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(&raw[4..head]);
    (hasher.finalize() ^ u32::MAX == crc).then_some(Head {
        segment,
        page,
        body: Body { kind, data: body },
        bytes: head + length,
    })
}

/// The messages of a segment.
pub(super) struct Segment<'a> {
    raw: &'a [u8],
    at: usize,
    /// Its number in the order of writing: what has another one is older and was written over.
    number: Option<u64>,
    damaged: bool,
    over: bool,
}

impl<'a> Segment<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        let number = header(raw);
        let damaged = number.is_none() && raw.iter().any(|byte| *byte != 0);
        let mut segment = Self { raw, at: HEADER.min(raw.len()), number, damaged, over: false };
        if segment.number.is_none() {
            segment.number = segment.newest();
        }
        segment
    }

    /// Its header is not whole.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The largest number in its messages.
    fn newest(&self) -> Option<u64> {
        let mut at = self.at;
        let mut newest = None;
        while let Some((place, head)) = self.next_from(at, None) {
            newest = newest.max(Some(head.segment));
            at = place + head.bytes;
        }
        newest
    }

    /// The first whole message from a place on, of that segment number if one is given.
    fn next_from(&self, from: usize, number: Option<u64>) -> Option<(usize, Head<'a>)> {
        (from..self.raw.len()).find_map(|at| {
            let head = message(&self.raw[at..])?;
            number.is_none_or(|number| number == head.segment).then_some((at, head))
        })
    }
}

impl<'a> Iterator for Segment<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let number = self.number.filter(|_| !self.over)?;
        loop {
            let Some((place, head)) = self.next_from(self.at, Some(number)) else {
                self.over = true;
                // from here on the segment was not written, or holds what is older; else something is lost
                let rest = &self.raw[self.at..];
                let unwritten = rest.iter().take(64).all(|byte| *byte == 0) || message(rest).is_some();
                return (!unwritten).then_some(Message::Damaged);
            };
            if place > self.at {
                self.at = place;
                return Some(Message::Damaged);
            }
            self.at = place + head.bytes;
            if head.body.kind == CAP {
                self.over = true;
                return None;
            }
            if head.body.kind != CANCELED {
                let lsn = number * SEGMENT as u64 + place as u64;
                return Some(Message::Whole { lsn, page: head.page, body: head.body });
            }
        }
    }
}

/// The number that the header of a segment gives it, if it is whole.
fn header(raw: &[u8]) -> Option<u64> {
    let crc = u32::from_le_bytes(raw.get(..4)?.try_into().ok()?) ^ u32::MAX;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(raw.get(4..HEADER)?);
    let lsn = u64::from_le_bytes(raw[4..12].try_into().ok()?) ^ i64::MAX as u64;
    (hasher.finalize() == crc).then_some(lsn / SEGMENT as u64)
}
