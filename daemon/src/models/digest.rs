//! Digests of files, and which one a file has to have.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::Member;

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sha256 of a text.
pub(super) fn of_text(text: &str) -> String {
    hex(Sha256::digest(text))
}

/// The sha256 of what is in a file so far, and its length in bytes.
pub(super) fn of_file(path: &Path) -> io::Result<(Sha256, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hash, bytes)),
            Ok(count) => {
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is known of the digest that a file has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// All of it.
    Full(String),
    /// How it begins.
    Prefix(String),
    /// Nothing.
    Unknown,
}

impl Expected {
    /// Of the catalogue; else the one that was pinned when the file came first.
    pub(super) fn of(member: &Member, pinned: Option<&str>) -> Self {
        let full =
            member.sha256.as_deref().or(pinned.filter(|pinned| Self::catalogue(member).allows(pinned)));
        full.map_or_else(|| Self::catalogue(member), |full| Self::Full(full.to_owned()))
    }

    /// What the catalogue alone says.
    pub(super) fn catalogue(member: &Member) -> Self {
        match (&member.sha256, &member.sha256_prefix) {
            (Some(full), _) => Self::Full(full.clone()),
            (None, Some(prefix)) => Self::Prefix(prefix.clone()),
            (None, None) => Self::Unknown,
        }
    }

    /// Whether a file of that digest can be the one.
    pub(super) fn allows(&self, sha256: &str) -> bool {
        match self {
            Self::Full(full) => full == sha256,
            Self::Prefix(prefix) => sha256.starts_with(prefix.as_str()),
            Self::Unknown => true,
        }
    }

    /// Whether a digest tells the file from others.
    pub(super) fn is_known(&self) -> bool {
        *self != Self::Unknown
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(full) => f.write_str(full),
            Self::Prefix(prefix) => write!(f, "{prefix}…"),
            Self::Unknown => f.write_str("of no known digest"),
        }
    }
}
