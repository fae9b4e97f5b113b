//! Files that survive a power cut once a call returns.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Makes the entries of a folder durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a file that lies ready as `from` appear as `to` (same file system), for good.
pub fn publish(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    to.parent().map_or(Ok(()), sync_dir)
}

/// Writes a small file such that a reader sees the old content or the new, nothing between.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    publish(&part, path)
}
