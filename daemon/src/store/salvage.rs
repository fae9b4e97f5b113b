//! Reading a database that sled refuses to open: its log, message by message, without writing a byte.
//!
//! The form is that of sled 0.34. The file `db` consists of segments of 512 KiB, each a header and then messages: CRC32,
//! kind, length, number of the segment in the order of writing, number of the page, body. A page is a node of the tree, and
//! what was set or removed in it since that node was written. Messages whose CRC does not fit are passed over; the last
//! node of each page that is whole, and what follows on it, gives the records.

mod decode;
mod tree;

use std::{collections::BTreeMap, fs, io, path::Path};

use decode::{Bytes, Message, Segment};
use tree::Pages;

use super::{
    Entries, is_own,
    seal::{self, Seal, Witness},
};

/// Bytes of a segment.
const SEGMENT: usize = 512 << 10;

/// What a damaged store gave up.
#[derive(Debug, Default)]
pub struct Salvage {
    /// The records, in order of their keys.
    pub records: Entries,
    /// Changes that had been committed, as far as it is known.
    pub commits: u64,
    /// What is known to be lost; nothing if the records are those that were committed last.
    pub lost: Vec<String>,
}

/// Reads all that can be read of the database in `dir`.
///
/// # Errors
/// Only those of the file system.
pub fn salvage(dir: &Path) -> io::Result<Salvage> {
    let file = fs::read(dir.join("db"))?;
    let (mut pages, mut damaged) = (Pages::default(), 0);
    for raw in file.chunks(SEGMENT) {
        let segment = Segment::new(raw);
        damaged += usize::from(segment.is_damaged());
        for message in segment {
            match message {
                Message::Damaged => damaged += 1,
                Message::Whole { lsn, page, body } => {
                    damaged += usize::from(!pages.add(lsn, page, body, dir));
                }
            }
        }
    }
    let mut all: BTreeMap<String, Bytes> = pages.records();
    let known = Witness::read(dir);
    let seal = all.remove(seal::KEY).and_then(|bytes| Seal::from_bytes(&bytes));
    let found = all.iter().fold(0, |sum, (key, value)| sum ^ seal::digest(key.as_bytes(), value));
    let mut lost = Vec::new();
    match (seal, known) {
        (Some(seal), Some(known)) if seal.commits < known => {
            lost.push(format!("the last {} of {known} changes", known - seal.commits));
        }
        (None, Some(known)) => lost.push(format!("how far the {known} changes are in what was found")),
        (Some(seal), _) if seal.records != found => {
            lost.push("some records, or their last changes: what was found is not what was committed".into());
        }
        _ => {}
    }
    // damage to what was written over later costs nothing
    if damaged > 0 && (seal.is_none() || !lost.is_empty()) {
        lost.push(format!("what {damaged} damaged parts of the log held"));
    }
    all.retain(|key, _| !is_own(key));
    let commits = known.or(seal.map(|seal| seal.commits)).unwrap_or(0);
    Ok(Salvage { records: all.into_iter().collect(), commits, lost })
}

#[cfg(test)]
#[path = "salvage_tests.rs"]
mod tests;
