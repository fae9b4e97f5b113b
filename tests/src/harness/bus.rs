//! Private message buses.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

/// A message bus of its own, stopped when it goes out of scope.
pub struct Bus {
    dir: TempDir,
    child: Child,
    address: String,
}

impl Bus {
    /// A bus with the rules of the system's bus, and those that the project ships.
    pub fn system() -> Option<Self> {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/dbus/org.harmonix1.conf");
        let policy = policy.canonicalize().expect("the policy");
        Self::start(&format!(
            "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/><deny send_type=\"method_call\"/>\
             <allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>\
             <allow send_requested_reply=\"true\" send_type=\"error\"/><allow receive_type=\"method_call\"/>\
             <allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\
             <allow send_destination=\"org.freedesktop.DBus\" send_interface=\"org.freedesktop.DBus\"/></policy>\
             <include>{}</include>",
            policy.display()
        ))
    }

    /// A bus on which everybody may do everything: what is refused there, the daemon refuses.
    pub fn open() -> Option<Self> {
        Self::start(
            "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/>\
             <allow eavesdrop=\"true\"/></policy>",
        )
    }

    /// None, with a word about it, where there is no dbus-daemon.
    fn start(rules: &str) -> Option<Self> {
        if Command::new("busctl").arg("--version").stdout(Stdio::null()).status().is_err() {
            super::not_tested("the message bus: busctl, of systemd, is not installed");
            return None;
        }
        let dir = tempfile::tempdir().expect("temporary folder");
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        let config = dir.path().join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\"><busconfig><type>system</type>\
             <listen>unix:path={}/socket</listen><auth>EXTERNAL</auth>{rules}</busconfig>",
            dir.path().display()
        );
        fs::write(&config, text).expect("bus configuration");
        let child = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            super::not_tested("the message bus: dbus-daemon is not installed");
            return None;
        };
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("pipe"))
            .read_line(&mut address)
            .expect("the bus's address");
        Some(Self { dir, child, address: address.trim().to_owned() })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its socket and anything else that goes with it lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a line of shell for which this is the system bus; as that user, if one is given.
    pub fn shell(&self, line: &str, uid: Option<u32>) -> Output {
        let mut command = match uid {
            None => Command::new("bash"),
            Some(uid) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={uid}"), format!("--regid={uid}")]);
                command.args(["--clear-groups", "bash"]);
                command
            }
        };
        command
            .arg("-c")
            .arg(line)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .output()
            .expect("bash")
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
