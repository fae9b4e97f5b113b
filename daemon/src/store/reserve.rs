//! Space that is kept for the store, so that what has happened on a full disk can still be noted.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate};

/// Enough to open the database anew and for thousands of records.
const BYTES: u64 = 4 << 20;

/// A file that is removed when the store needs its space.
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    /// The reserve in the store's folder. Without space, or where files cannot be preallocated, there is none.
    pub(super) fn open(dir: &Path) -> Self {
        let mut reserve = Self { path: dir.join("reserve"), held: false };
        reserve.hold();
        reserve
    }

    /// Takes the space again once there is some.
    pub(super) fn hold(&mut self) {
        if self.held {
            return;
        }
        let take = || -> io::Result<()> {
            let file = File::create(&self.path)?;
            Ok(fallocate(&file, FallocateFlags::empty(), 0, BYTES)?)
        };
        self.held = take().is_ok();
        if !self.held {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Gives the space to whoever needs it now. False if there is none.
    pub(super) fn release(&mut self) -> bool {
        self.held && {
            self.held = false;
            fs::remove_file(&self.path).is_ok()
        }
    }
}
