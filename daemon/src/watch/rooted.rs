//! Files below a root, reached without following a symbolic link: none can lead out.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, mkdirat, open, openat, statat};
use serde::{Deserialize, Serialize};

/// Most folders in folders.
const DEPTH: usize = 32;

/// What tells a file and its content from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Number of the inode.
    pub(crate) inode: u64,
    /// Bytes.
    pub(crate) size: u64,
    /// Last change: seconds and nanoseconds since the Unix epoch.
    pub(crate) changed: (i64, u64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self { inode: stat.st_ino, size: stat.st_size as u64, changed: (stat.st_mtime, stat.st_mtime_nsec) }
    }

    /// The stamp of an open file.
    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&fstat(file)?))
    }
}

/// A folder below a root.
#[derive(Debug, Clone)]
pub(crate) struct Rooted {
    root: PathBuf,
    below: PathBuf,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Regular files, by their path in the folder.
    pub(crate) files: Vec<(PathBuf, Stamp)>,
    /// Folders that were looked into, the folder itself first.
    pub(crate) folders: Vec<PathBuf>,
    /// Symbolic links; they are not followed.
    pub(crate) links: Vec<PathBuf>,
}

impl Rooted {
    /// The folder `below` a root; the root itself may be named through links, since an administrator named it.
    pub(crate) fn new(root: &Path, below: &Path) -> Self {
        Self { root: root.to_owned(), below: below.to_owned() }
    }

    /// Its path, for messages and for the kernel's notices.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }

    /// Opens it.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        let root = open(&self.root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        descend(root, &self.below, false)
    }

    /// Opens it; makes what is missing.
    pub(crate) fn create(&self) -> io::Result<OwnedFd> {
        let root = open(&self.root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        descend(root, &self.below, true)
    }

    /// What lies in it, and in those folders in it that `enters` lets pass.
    pub(crate) fn list(&self, enters: &dyn Fn(&Path) -> bool) -> io::Result<Listing> {
        let mut listing = Listing::default();
        list(&self.open()?, Path::new(""), enters, &mut listing)?;
        Ok(listing)
    }
}

fn list(
    folder: &OwnedFd,
    below: &Path,
    enters: &dyn Fn(&Path) -> bool,
    listing: &mut Listing,
) -> io::Result<()> {
    listing.folders.push(below.to_owned());
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(
            entry.file_name().to_bytes(),
        ));
        if matches!(name.to_str(), Some("." | "..")) {
            continue;
        }
        // it may have gone meanwhile
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let path = below.join(name);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => listing.files.push((path, Stamp::of(&stat))),
            FileType::Symlink => listing.links.push(path),
            FileType::Directory if enters(&path) && path.components().count() <= DEPTH => {
                // one that cannot be read does not hide the others
                if let Ok(inner) = step(folder, name) {
                    list(&inner, &path, enters, listing)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Opens a regular file below a folder for reading.
pub(crate) fn open_file(folder: OwnedFd, path: &Path) -> io::Result<File> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = descend(folder, path.parent().unwrap_or(Path::new("")), false)?;
    // a pipe would let us wait for its other end
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(&folder, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file.into())
}

fn descend(mut folder: OwnedFd, below: &Path, make: bool) -> io::Result<OwnedFd> {
    for part in below.components() {
        let Component::Normal(name) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
        folder = match step(&folder, Path::new(name)) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                match mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                    // somebody was faster
                    Err(rustix::io::Errno::EXIST) => {}
                    made => made?,
                }
                step(&folder, Path::new(name))?
            }
            inner => inner?,
        };
    }
    Ok(folder)
}

fn step(folder: impl AsFd, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_link_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (root, out) = (dir.path().join("root"), dir.path().join("out"));
        for folder in [root.join("in/deep"), out.clone()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("in/deep/a.wav"), "a").unwrap();
        fs::write(out.join("b.wav"), "b").unwrap();
        symlink(&out, root.join("in/away")).unwrap();
        symlink(out.join("b.wav"), root.join("in/b.wav")).unwrap();
        symlink(&out, root.join("gone")).unwrap();
        let folder = Rooted::new(&root, Path::new("in"));
        let open = |path: &str| open_file(folder.open().unwrap(), Path::new(path));
        open("deep/a.wav").unwrap();
        for path in ["b.wav", "away/b.wav", "../../out/b.wav", "/etc/hostname", "deep", "none.wav", ""] {
            assert!(open(path).is_err(), "{path}");
        }
        assert!(Rooted::new(&root, Path::new("gone")).open().is_err());
        assert!(Rooted::new(&root, Path::new("gone/new")).create().is_err());
        Rooted::new(&root, Path::new("new/er")).create().unwrap();
        assert!(root.join("new/er").is_dir());

        let listing = folder.list(&|_| true).unwrap();
        assert_eq!(
            listing.files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(),
            [Path::new("deep/a.wav")]
        );
        assert_eq!(listing.links.len(), 2);
        assert_eq!(folder.list(&|_| false).unwrap().files, []);
    }
}
