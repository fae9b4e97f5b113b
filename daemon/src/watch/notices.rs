//! What the kernel tells of a watched folder (inotify). It only says when to look: what is there is seen by looking.

use std::{
    collections::HashMap,
    ffi::OsStr,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::looks::{Looks, Told};

/// The kernel's notices of a folder and the folders in it.
pub(crate) struct Notices {
    inotify: AsyncFd<OwnedFd>,
    /// Path in the watched folder of each.
    folders: HashMap<i32, PathBuf>,
}

impl Notices {
    /// None yet.
    pub(crate) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "sound for what owns its descriptor, and the other one needs unsafe code"
        )]
        let inotify = AsyncFd::new(inotify)?;
        Ok(Self { inotify, folders: HashMap::new() })
    }

    /// Wants notices of these folders, and of no others. Those that are known already stay.
    pub(crate) fn watch(&mut self, root: &Path, folders: &[PathBuf]) -> io::Result<()> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::MODIFY
            | WatchFlags::MOVED_TO
            | WatchFlags::CREATE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        let mut now = HashMap::new();
        for folder in folders {
            match inotify::add_watch(self.inotify.get_ref(), root.join(folder), flags) {
                Ok(watch) => drop(now.insert(watch, folder.clone())),
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for gone in self.folders.keys().filter(|watch| !now.contains_key(watch)) {
            // the kernel may have dropped it by itself
            let _ = inotify::remove_watch(self.inotify.get_ref(), *gone);
        }
        self.folders = now;
        Ok(())
    }

    /// Waits for notices and hands them on. True if it is worth a look.
    pub(crate) async fn hear(&mut self, looks: &mut Looks) -> io::Result<bool> {
        let mut ready = self.inotify.readable().await?;
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(self.inotify.get_ref(), &mut buffer);
        let (mut news, mut lost) = (false, Vec::new());
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => break ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let what = event.events();
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                looks.forget_told();
                news = true;
            }
            let Some(folder) = self.folders.get(&event.wd()) else { continue };
            if what.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF) {
                lost.push(event.wd());
                news = true;
                continue;
            }
            let told = if what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
                Some(Told::Complete)
            } else if what.contains(ReadFlags::MODIFY) {
                Some(Told::Written)
            } else {
                None
            };
            news |= told != Some(Told::Written);
            let name = event.file_name().map(|name| folder.join(OsStr::from_bytes(name.to_bytes())));
            if let (Some(path), Some(told), false) = (name, told, what.contains(ReadFlags::ISDIR))
                && super::is_song(&path)
            {
                looks.tell(path, told);
            }
        }
        for watch in lost {
            self.folders.remove(&watch);
        }
        Ok(news)
    }

    /// Whether just these folders are watched.
    pub(crate) fn knows(&self, folders: &[PathBuf]) -> bool {
        self.folders.len() == folders.len() && self.folders.values().all(|known| folders.contains(known))
    }
}
