//! Where the daemon listens when nobody says.

use std::path::PathBuf;

/// `HARMONIX_SOCKET`, else `control.sock` in `HARMONIX_RUNTIME_DIR`, else of the user's own daemon if there is one, else of the system's.
pub(crate) fn default() -> PathBuf {
    let path = |key| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("HARMONIX_SOCKET").unwrap_or_else(|| choose(path("HARMONIX_RUNTIME_DIR"), path("XDG_RUNTIME_DIR")))
}

fn choose(harmonix: Option<PathBuf>, user: Option<PathBuf>) -> PathBuf {
    if let Some(folder) = harmonix {
        return folder.join("control.sock");
    }
    user.map(|folder| folder.join("harmonix/control.sock"))
        .filter(|socket| socket.exists())
        .unwrap_or_else(|| PathBuf::from("/run/harmonix/control.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_daemon_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let user = folder.path().to_path_buf();
        let system = PathBuf::from("/run/harmonix/control.sock");
        assert_eq!(choose(None, None), system);
        assert_eq!(choose(None, Some(user.clone())), system);
        std::fs::create_dir(user.join("harmonix")).unwrap();
        std::fs::write(user.join("harmonix/control.sock"), "").unwrap();
        assert_eq!(choose(None, Some(user.clone())), user.join("harmonix/control.sock"));
        assert_eq!(choose(Some("/h".into()), Some(user)), PathBuf::from("/h/control.sock"));
    }
}
