//! What the store has to hold: how many commits, and a digest of all records. The database keeps it beside the records,
//! and a file of our own keeps the number, so that neither a lost end of the log nor a lost page goes unnoticed.
//!
//! The file is written after a commit is durable and needs not be durable itself: it may be behind, never ahead.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Its key in the database.
pub(super) const KEY: &str = "meta/seal";

/// Its file, beside the database's.
const FILE: &str = "commits";

/// What the store has to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seal {
    /// Commits so far.
    pub(super) commits: u64,
    /// The exclusive or of [`digest`] over all records.
    pub(super) records: u64,
}

impl Seal {
    /// The form in which the database keeps it.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        format!("{} {:016x}", self.commits, self.records).into_bytes()
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (commits, records) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self { commits: commits.parse().ok()?, records: u64::from_str_radix(records, 16).ok()? })
    }
}

/// A record's part of the digest.
pub(super) fn digest(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = blake3::Hasher::new();
    hash.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The file that knows how many commits there were.
pub(super) struct Witness(File);

impl Witness {
    /// Opens or creates it in the store's folder; with it the number of commits, unless it is new or unreadable.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Option<u64>)> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(FILE))?;
        let mut text = [0; Self::BYTES];
        let known = file.read_exact_at(&mut text, 0).ok().and_then(|()| Self::parse(&text));
        Ok((Self(file), known))
    }

    /// The number in the store's folder, without touching anything.
    pub(super) fn read(dir: &Path) -> Option<u64> {
        Self::parse(std::fs::read(dir.join(FILE)).ok()?.get(..Self::BYTES)?)
    }

    /// Notes that there were so many commits. Nothing depends on it while all goes well.
    pub(super) fn note(&self, commits: u64) {
        let _ = self.0.write_all_at(Self::text(commits).as_bytes(), 0);
    }

    const BYTES: usize = 38;

    /// The number and a check, always as long: it is overwritten in place.
    fn text(commits: u64) -> String {
        format!("{commits:020} {:016x}\n", digest(FILE.as_bytes(), &commits.to_le_bytes()))
    }

    fn parse(text: &[u8]) -> Option<u64> {
        let commits = std::str::from_utf8(text).ok()?.split(' ').next()?.parse().ok()?;
        (Self::text(commits).as_bytes() == text).then_some(commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_says_what_it_was_told_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Witness::open(dir.path()).unwrap().1, None);
        let (witness, _) = Witness::open(dir.path()).unwrap();
        witness.note(41);
        witness.note(42);
        assert_eq!(Witness::open(dir.path()).unwrap().1, Some(42));
        witness.0.write_all_at(b"9", 3).unwrap();
        assert_eq!(Witness::open(dir.path()).unwrap().1, None);
    }

    #[test]
    fn a_seal_reads_back() {
        let seal = Seal { commits: 7, records: digest(b"job/1", b"{}") };
        assert_eq!(Seal::from_bytes(&seal.to_bytes()), Some(seal));
        assert_eq!(Seal::from_bytes(b"7"), None);
    }
}
