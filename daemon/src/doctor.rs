//! Checks what the daemon needs and names what is missing, each with its remedy.

use std::{path::Path, process::Stdio, time::Duration};

use harmonix_engine::protocol::{Architecture, Model};
use harmonix_ipc::{Check, Quality, Report, Verdict};

use crate::{
    actors::{jobs::Parts, separator::Try},
    config::Config,
    job::{BUILT_IN, model_of},
    serve::on_path,
    transport::dbus::Bus,
};

/// Less free space than this is worth a warning.
const SPACE: u64 = 5 << 30;

/// Looks at everything.
pub(crate) async fn examine(config: &Config, parts: &Parts, bus: &Bus) -> Report {
    let mut checks = vec![
        folder("state_dir", &config.state_dir),
        folder("cache_dir", &config.cache_dir),
        folder("runtime_dir", &config.runtime_dir),
        space(&config.state_dir),
        worker(parts).await,
        ffmpeg(&config.ingest.ffmpeg).await,
        bus.check(config.dbus.bus),
    ];
    checks.extend(Quality::ALL.map(|quality| preset(parts, quality)));
    Report { checks }
}

fn check(name: &str, verdict: Verdict, found: impl Into<String>, remedy: Option<&str>) -> Check {
    Check { name: name.into(), verdict, found: found.into(), remedy: remedy.map(Into::into) }
}

fn folder(name: &str, path: &Path) -> Check {
    let probe = path.join(".doctor");
    let writable = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match writable {
        Ok(()) => check(name, Verdict::Ok, "writable", None),
        Err(error) => {
            let remedy = format!("make it writable, or set {name} to another folder");
            check(name, Verdict::Problem, error.to_string(), Some(&remedy))
        }
    }
}

fn space(path: &Path) -> Check {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize;
            let found = format!("{:.1} GB free where jobs live", free as f64 / 1e9);
            let remedy =
                "an hour of music needs about 8 GB while it is computed: free some, or move state_dir";
            if free < SPACE {
                check("disk", Verdict::Warning, found, Some(remedy))
            } else {
                check("disk", Verdict::Ok, found, None)
            }
        }
        Err(error) => {
            check("disk", Verdict::Problem, error.to_string(), Some("set state_dir to a folder that exists"))
        }
    }
}

async fn worker(parts: &Parts) -> Check {
    // while a job computes the worker plainly works, and asking it would wait for the job
    let (id, architecture) = (BUILT_IN.into(), Architecture::Spectral);
    let model = Model { id, architecture, sources: Vec::new(), members: Vec::new() };
    let tried = tokio::time::timeout(Duration::from_secs(10), parts.separator.run(Try(model))).await;
    match tried {
        Err(_) => check("worker", Verdict::Ok, "computing", None),
        Ok(Ok(Ok(model))) => check("worker", Verdict::Ok, format!("starts and loads {}", model.id), None),
        Ok(Ok(Err(error)) | Err(error)) => check(
            "worker",
            Verdict::Problem,
            error.message,
            Some(error.hint.as_deref().unwrap_or("install Harmonix again")),
        ),
    }
}

/// The model of a preset. That it is not installed is no fault: the built-in engine computes then.
fn preset(parts: &Parts, quality: Quality) -> Check {
    let id = model_of(quality);
    let name = format!("quality {quality}");
    if parts.models.shelf().get(id).is_some_and(|model| model.installed) {
        return check(&name, Verdict::Ok, format!("{id} is installed"), None);
    }
    let (found, remedy) = (
        format!("{id} is not installed: the built-in engine computes instead"),
        format!("`harmonixctl models pull {id}` installs it"),
    );
    check(&name, Verdict::Ok, found, Some(&remedy))
}

async fn ffmpeg(program: &str) -> Check {
    let remedy = "install ffmpeg to take formats that are not built in, such as opus and wma";
    let Some(path) = on_path(program) else {
        return check("ffmpeg", Verdict::Warning, "not installed", Some(remedy));
    };
    let output =
        tokio::process::Command::new(path).arg("-version").stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(Duration::from_secs(5), output).await {
        Ok(Ok(output)) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let version = text.split_whitespace().nth(2).unwrap_or("of unknown version").to_owned();
            check("ffmpeg", Verdict::Ok, version, None)
        }
        _ => check("ffmpeg", Verdict::Warning, "does not run", Some(remedy)),
    }
}
