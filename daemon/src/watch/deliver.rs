//! Bringing a job's outputs into a folder, exactly once: all lie there durable under unfinished names first, and which
//! names they get is noted before the first one gets it.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::PathBuf,
};

use harmonix_ipc::names::Base;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fsync, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::Rooted;

/// So many numbers are tried before a name counts as not to be had.
const NUMBERS: u32 = 9_999;

/// What is delivered of a song.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// Names the unfinished files.
    pub(crate) id: String,
    /// What the names begin with.
    pub(crate) base: Base,
    /// Stem and extension of each output; with none it is a single file that says why.
    pub(crate) outputs: Vec<(String, String)>,
}

/// What a file that is delivered holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The same as this file.
    File(PathBuf),
    /// This text.
    Text(String),
}

impl Delivery {
    /// Hidden, and of a form that counts as unfinished everywhere.
    fn part(&self, at: usize) -> String {
        format!(".{}-{at}.part", self.id)
    }

    fn names(&self, number: u32) -> Vec<OsString> {
        let base = self.base.numbered(number);
        if self.outputs.is_empty() {
            return vec![base.error_file()];
        }
        self.outputs.iter().map(|(stem, extension)| base.file(stem, extension)).collect()
    }

    /// Puts every file under its unfinished name, durably, and gives the number under which all names are free.
    pub(crate) fn prepare(&self, to: &Rooted, contents: &[Content]) -> io::Result<u32> {
        let folder = to.create()?;
        for (at, content) in contents.iter().enumerate() {
            let part = self.part(at);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(openat(&folder, part, flags, Mode::from_raw_mode(0o666))?);
            match content {
                Content::File(from) => drop(io::copy(&mut File::open(from)?, &mut file)?),
                Content::Text(text) => file.write_all(text.as_bytes())?,
            }
            file.sync_all()?;
        }
        fsync(&folder)?;
        let free = |number: &u32| !self.names(*number).iter().any(|name| exists(&folder, name));
        (1..=NUMBERS).find(free).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
    }

    /// Gives every file that is still under its unfinished name its own.
    pub(crate) fn publish(&self, to: &Rooted, number: u32) -> io::Result<()> {
        let folder = to.open()?;
        for at in 0..self.names(number).len() {
            self.name(&folder, at, number)?;
        }
        Ok(fsync(&folder)?)
    }

    fn name(&self, folder: &OwnedFd, at: usize, number: u32) -> io::Result<()> {
        for number in number..=NUMBERS {
            let name = self.names(number).swap_remove(at);
            match rename(folder, self.part(at).as_ref(), &name) {
                // it has got its name
                Err(Errno::NOENT) => return Ok(()),
                // somebody else took the name meanwhile
                Err(Errno::EXIST) => {}
                renamed => return Ok(renamed?),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Removes the unfinished files.
    pub(crate) fn give_up(&self, to: &Rooted) {
        let Ok(folder) = to.open() else { return };
        for at in 0..self.names(1).len() {
            // what is not there need not go
            let _ = unlinkat(&folder, self.part(at), AtFlags::empty());
        }
    }
}

fn exists(folder: &OwnedFd, name: &OsStr) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Renames without overwriting; as near to that as the file system can.
fn rename(folder: &OwnedFd, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    match renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if exists(folder, to) => Err(Errno::EXIST),
        Err(Errno::INVAL | Errno::NOSYS) => renameat(folder, from, folder, to),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    fn folder(dir: &Path) -> BTreeMap<String, String> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        };
        fs::read_dir(dir).unwrap().map(entry).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        folder(dir).into_keys().collect()
    }

    /// [BEY-08] Whatever was done when the daemon went down.
    #[test]
    fn a_delivery_is_taken_up_where_it_was_and_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("from");
        fs::write(&from, "audio").unwrap();
        let out = dir.path().join("out");
        let to = Rooted::new(dir.path(), Path::new("out"));
        let output = |stem: &str| (stem.to_owned(), "flac".to_owned());
        let base = Base::new(OsStr::new("song.mp3"));
        let delivery = Delivery { id: "x".into(), base, outputs: vec![output("drums"), output("vocals")] };
        let contents = [Content::File(from.clone()), Content::File(from)];
        fs::create_dir(&out).unwrap();
        fs::write(out.join("song_vocals.flac"), "mine").unwrap();
        // went down in the middle of the copies: made again
        fs::write(out.join(".x-1.part"), "half of something longer").unwrap();
        assert_eq!(delivery.prepare(&to, &contents).unwrap(), 2);
        assert_eq!(delivery.prepare(&to, &contents).unwrap(), 2);
        // went down between the names, and the first file was fetched already
        fs::remove_file(out.join(".x-0.part")).unwrap();
        fs::write(out.join("song (2)_vocals.flac"), "theirs").unwrap();
        delivery.publish(&to, 2).unwrap();
        delivery.publish(&to, 2).unwrap();
        let expected = ["song (2)_vocals.flac", "song (3)_vocals.flac", "song_vocals.flac"];
        assert_eq!(names(&out), expected);
        assert_eq!(folder(&out)["song (3)_vocals.flac"], "audio");
        assert_eq!(
            (folder(&out)["song (2)_vocals.flac"].as_str(), folder(&out)["song_vocals.flac"].as_str()),
            ("theirs", "mine")
        );

        let error = Delivery { outputs: Vec::new(), ..delivery.clone() };
        let number = error.prepare(&to, &[Content::Text("why".into())]).unwrap();
        error.publish(&to, number).unwrap();
        assert_eq!(folder(&out)["song.error.txt"], "why");
        delivery.prepare(&to, &contents).unwrap();
        delivery.give_up(&to);
        assert_eq!(names(&out).len(), 4);
    }
}
