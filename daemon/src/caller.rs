//! Who asks.

use harmonix_ipc::{Error, ErrorKind, Result};

/// The user at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id. Authorisation goes by this alone: a process id can be reused.
    pub uid: u32,
    /// root, the daemon's own user, or named in `access.admins`.
    pub admin: bool,
}

impl Caller {
    /// The caller with that effective user id.
    pub fn new(uid: u32, admins: &[u32]) -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self { uid, admin: uid == 0 || uid == own || admins.contains(&uid) }
    }

    /// Whether jobs of user `owner` exist for this caller.
    pub fn sees(&self, owner: u32) -> bool {
        self.admin || self.uid == owner
    }

    /// Refuses everybody but administrators.
    pub fn require_admin(&self) -> Result<()> {
        if self.admin {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "only an administrator may do this")
            .hint("run it as root, or let an administrator add your user id to access.admins"))
    }
}
