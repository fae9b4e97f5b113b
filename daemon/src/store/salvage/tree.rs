//! Pages of the tree, put together from their messages.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use super::decode::{Body, Bytes, byte, bytes, number};
use crate::job::Record;

/// Kinds of messages.
const FREE: u8 = 4;
const NODE: u8 = 8;
const NODE_IN_FILE: u8 = 9;
const LINK: u8 = 10;
const LINK_IN_FILE: u8 = 11;

/// A leaf of the tree.
struct Leaf {
    prefix: Bytes,
    low: Bytes,
    /// Where the next leaf begins; empty at the end.
    high: Bytes,
    records: Vec<(Bytes, Bytes)>,
}

/// What a message did to a page.
enum Change {
    Leaf(Leaf),
    /// An inner node, or nothing: whatever was on the page is elsewhere now.
    Gone,
    /// Nothing that concerns records.
    Kept,
    Set(Bytes, Bytes),
    Remove(Bytes),
}

/// The changes of every page by their place in the log.
#[derive(Default)]
pub(super) struct Pages(HashMap<u64, BTreeMap<u64, Change>>);

/// A leaf as it was last, with the place in the log that each value is from.
struct Last {
    since: u64,
    low: Bytes,
    high: Bytes,
    records: BTreeMap<Bytes, (u64, Bytes)>,
}

impl Pages {
    /// Takes a message up. False if it should be a change of a leaf and cannot be understood.
    pub(super) fn add(&mut self, lsn: u64, page: u64, body: Body<'_>, dir: &Path) -> bool {
        let in_file = |kind: u8| {
            let id = i64::from_le_bytes(body.data.try_into().ok()?);
            let file = fs::read(dir.join("blobs").join(id.to_string())).ok()?;
            let (crc, rest) = file.split_at_checked(4)?;
            let whole = crc32fast::hash(rest).to_le_bytes() == crc && rest.first() == Some(&kind);
            whole.then(|| rest[1..].to_vec())
        };
        let change = match body.kind {
            FREE => Some(Change::Gone),
            NODE => node(body.data),
            NODE_IN_FILE => in_file(NODE_IN_FILE).and_then(|data| node(&data)),
            LINK => link(body.data),
            LINK_IN_FILE => in_file(LINK_IN_FILE).and_then(|data| link(&data)),
            // counters and the like
            _ => return true,
        };
        let understood = change.is_some();
        if let Some(change) = change {
            self.0.entry(page).or_default().insert(lsn, change);
        }
        understood
    }

    /// The records of all leaves as they were last. Where two leaves know a key, as after damage to one that was split, the
    /// later value holds; a leaf that is responsible for a key and lacks it has removed it.
    pub(super) fn records(self) -> BTreeMap<String, Bytes> {
        let leaves: Vec<Last> = self.0.into_values().filter_map(last).collect();
        let mut newest: BTreeMap<&[u8], (u64, &Bytes)> = BTreeMap::new();
        for leaf in &leaves {
            for (key, (lsn, value)) in &leaf.records {
                let removed = |other: &Last| {
                    let responsible = other.low <= *key && (other.high.is_empty() || *key < other.high);
                    responsible && other.since > *lsn && !other.records.contains_key(key)
                };
                if newest.get(key.as_slice()).is_none_or(|(other, _)| other < lsn)
                    && !leaves.iter().any(removed)
                {
                    newest.insert(key, (*lsn, value));
                }
            }
        }
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).ok();
        newest.into_iter().filter_map(|(key, (_, value))| Some((text(key)?, value.clone()))).collect()
    }
}

/// Plays a page's changes.
fn last(changes: BTreeMap<u64, Change>) -> Option<Last> {
    let mut page: Option<(Last, Bytes)> = None;
    let mut orphans: BTreeMap<Bytes, (u64, Bytes)> = BTreeMap::new();
    for (lsn, change) in changes {
        match change {
            Change::Leaf(Leaf { prefix, low, high, records }) => {
                let records = records.into_iter().map(|(key, value)| (key, (lsn, value))).collect();
                page = Some((Last { since: lsn, low, high, records }, prefix));
            }
            Change::Gone => page = None,
            Change::Kept => {}
            Change::Set(key, value) => match &mut page {
                Some((leaf, prefix)) => drop(leaf.records.insert([prefix, &key[..]].concat(), (lsn, value))),
                // the node is lost, and with it what the key begins with: a job knows its key itself
                None => orphans
                    .extend(Record::from_bytes(&value).ok().map(|job| (job.key().into(), (lsn, value)))),
            },
            Change::Remove(key) => {
                if let Some((leaf, prefix)) = &mut page {
                    leaf.records.remove(&[prefix, &key[..]].concat());
                }
            }
        }
    }
    match page {
        Some((leaf, _)) => Some(leaf),
        // responsible for no key
        None if !orphans.is_empty() => {
            Some(Last { since: 0, low: Bytes::new(), high: vec![0], records: orphans })
        }
        None => None,
    }
}

fn node(mut data: &[u8]) -> Option<Change> {
    let data = &mut data;
    let (_next, _merging_child) = (number(data)?, number(data)?);
    let (_merging, prefix) = (byte(data)?, usize::from(byte(data)?));
    let (low, high) = (bytes(data)?, bytes(data)?);
    let prefix = low.get(..prefix)?;
    if byte(data)? != 0 {
        return Some(Change::Gone);
    }
    let count = usize::try_from(number(data)?).ok().filter(|count| *count <= data.len())?;
    let keys: Vec<_> = (0..count).map(|_| bytes(data)).collect::<Option<_>>()?;
    let values: Vec<_> = (0..count).map(|_| bytes(data)).collect::<Option<_>>()?;
    let whole = |key: &[u8]| [prefix, key].concat();
    let records = keys.iter().zip(values).map(|(key, value)| (whole(key), value.to_vec())).collect();
    Some(Change::Leaf(Leaf { prefix: prefix.to_vec(), low: low.to_vec(), high: high.to_vec(), records }))
}

fn link(mut data: &[u8]) -> Option<Change> {
    let data = &mut data;
    Some(match byte(data)? {
        0 => {
            let key = bytes(data)?.to_vec();
            Change::Set(key, bytes(data)?.to_vec())
        }
        1 => Change::Remove(bytes(data)?.to_vec()),
        // an inner node has merged two of its children, or is about to
        2 | 3 => Change::Kept,
        // the records of this page are in another one already
        4 => Change::Gone,
        _ => return None,
    })
}
