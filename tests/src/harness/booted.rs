//! A real systemd in private namespaces, with the Debian package built from the programs beside this one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{not_tested, program};

/// Longest that anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(240);

/// A booted system, which is gone with everything in it when it goes out of scope.
pub struct Booted {
    dir: TempDir,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// Builds the package of that version.
///
/// # Panics
/// When it cannot be built.
pub fn package(version: &str, out: &Path) {
    let target = program("harmonixd").parent().expect("a folder").to_owned();
    let steps = [
        Command::new(root().join("systemd/share.sh")).arg(&target).stdout(Stdio::null()).status(),
        Command::new(root().join("systemd/package.py"))
            .env("HARMONIX_DEB_VERSION", version)
            .arg(&target)
            .arg(out)
            .arg("0")
            .status(),
    ];
    for step in steps {
        assert!(step.expect("python3 and dpkg-deb").success(), "the package cannot be built");
    }
}

impl Booted {
    /// Boots with these files laid over the root; none, with a word about it, where that is not possible.
    pub fn start(files: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            not_tested("systemd: booting it in namespaces needs root");
            return None;
        }
        if !Path::new("/lib/systemd/systemd").exists() {
            not_tested("systemd: it is not installed");
            return None;
        }
        let system = Self { dir: tempfile::tempdir().expect("temporary folder") };
        // as install-libtorch leaves it
        let libtorch = root().join("libtorch").canonicalize().expect("libtorch");
        let home = libtorch.parent().expect("the folder of the Python package");
        let link = files.join("usr/lib/harmonix/libtorch");
        fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink("torch/torch", link).expect("a link");
        let output = system
            .boot("start")
            .arg(files)
            .env("BIND", format!("{}:/usr/lib/harmonix/torch", home.display()))
            .output()
            .expect("bash");
        if output.status.success() {
            return Some(system);
        }
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        not_tested(&format!("systemd: it does not boot in namespaces here: {}", why.trim()));
        None
    }

    fn boot(&self, action: &str) -> Command {
        let mut command = Command::new(root().join("tests/system/boot.sh"));
        command.arg(action).arg(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a line of shell inside, as root.
    pub fn try_run(&self, line: &str) -> Output {
        self.boot("exec").args(["timeout", "200", "bash", "-c", line]).output().expect("nsenter")
    }

    /// Runs a line of shell inside, as root, and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, line: &str) -> String {
        let output = self.try_run(line);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{line}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Runs a line of shell inside as that user: whether it succeeded, and all that it printed.
    pub fn run_as(&self, user: &str, line: &str) -> (bool, String) {
        let quoted = format!("'{}'", line.replace('\'', r"'\''"));
        let output = self.try_run(&format!(
            "exec setpriv --reuid {user} --regid {user} --init-groups env HOME=/tmp bash -c {quoted} 2>&1"
        ));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a line until what it prints satisfies.
    ///
    /// # Panics
    /// When it does not in a long time.
    pub fn until(&self, line: &str, satisfied: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let output = self.try_run(line);
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if satisfied(&text) {
                return text;
            }
            if began.elapsed() > PATIENCE {
                let log = self.try_run("journalctl --no-pager -n 60; systemctl status --no-pager harmonixd");
                panic!("{line}: still {text}\n{}", String::from_utf8_lossy(&log.stdout));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.try_run("journalctl --no-pager -n 80");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), &log.stdout);
        }
        let _ = self.boot("stop").output();
    }
}
