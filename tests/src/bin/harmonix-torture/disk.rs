//! File systems of our own: one whose power can be cut, one that can be full. Both are mounted in this program's mount
//! namespace alone and go with it.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::Told;

/// A mounted file system.
pub(crate) struct Disk {
    dir: TempDir,
    image: Option<PathBuf>,
}

impl Disk {
    /// An ext4 in a file of `bytes`, mounted through a loop device.
    pub(crate) fn image(bytes: u64) -> Told<Self> {
        let dir = folder()?;
        let image = dir.path().join("image");
        File::create(&image)
            .and_then(|file| file.set_len(bytes))
            .map_err(|error| format!("no image: {error}"))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let disk = Self { dir, image: Some(image) };
        disk.mount()?;
        Ok(disk)
    }

    /// A file system in memory of `bytes`.
    pub(crate) fn memory(bytes: u64) -> Told<Self> {
        let disk = Self { dir: folder()?, image: None };
        let size = format!("size={bytes}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.path()))?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn mount(&self) -> Told {
        let Some(image) = &self.image else { return Ok(()) };
        // the kernel frees the loop device with the mount
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(image).arg(self.path()))
    }

    /// Cuts the power: from here on nothing gets to the disk any more, and what was not made durable never does.
    pub(crate) fn cut(&self) -> Told {
        let path = self.path();
        let device =
            |path: &Path| fs::metadata(path).map(|meta| meta.dev()).map_err(|error| error.to_string());
        if device(&path)? == device(self.dir.path())? {
            return Err("the disk is not mounted: nothing but it may lose its power".into());
        }
        File::open(&path)
            .and_then(|root| shutdown::without_flush(&root))
            .map_err(|error| format!("the power cannot be cut: {error}"))
    }

    /// Mounts it again as the power cut left it.
    pub(crate) fn power_on(&mut self) -> Told {
        unmount(&self.path())?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(&self.path());
    }
}

fn folder() -> Told<TempDir> {
    let dir = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    fs::create_dir(dir.path().join("disk")).map_err(|error| format!("no mount point: {error}"))?;
    Ok(dir)
}

fn unmount(path: &Path) -> Told {
    let began = Instant::now();
    loop {
        match run(Command::new("umount").arg(path)) {
            // a process that was killed lets go of its files a little later
            Err(why) if why.contains("busy") && began.elapsed() < Duration::from_secs(60) => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn run(command: &mut Command) -> Told {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program}`: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// `EXT4_IOC_SHUTDOWN`, for which there is no safe wrapper.
#[expect(unsafe_code, reason = "the one ioctl that simulates a power cut")]
mod shutdown {
    use std::{fs::File, io};

    use rustix::ioctl::{Setter, ioctl, opcode};

    /// Neither data nor journal are written any more.
    const NO_FLUSH: u32 = 2;

    /// Shuts the file system of `root` down as if its power were cut.
    pub(super) fn without_flush(root: &File) -> io::Result<()> {
        const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
        // SAFETY: the kernel reads one u32, which this opcode names and the setter points to
        let shutdown = unsafe { Setter::<SHUTDOWN, u32>::new(NO_FLUSH) };
        // SAFETY: as above; the descriptor is open
        unsafe { ioctl(root, shutdown) }.map_err(io::Error::from)
    }
}
