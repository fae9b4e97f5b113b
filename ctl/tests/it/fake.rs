//! A daemon that speaks the protocol and computes nothing: what a song holds decides what becomes of it.
//!
//! `BAD…` fails, `HOLD…` stays until it is cancelled, everything else completes after `Plan::delay`.

use std::{
    io::{BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use harmonix_ipc::frame;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ctl::{self, Ended};

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Fewer bytes than announced.
    Short,
    /// The daemon is killed in the middle.
    Die,
    /// The sender gives up and says why.
    Abort,
}

#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) greeting: Value,
    pub(crate) capacity: usize,
    pub(crate) delay: Duration,
    pub(crate) fetch: Fault,
    /// Each of the first so many watches ends with `lagged`.
    pub(crate) lags: usize,
    pub(crate) problem: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            greeting: json!({ "reply": "hello", "protocol": 1, "server": "fake 0" }),
            capacity: 100,
            delay: Duration::ZERO,
            fetch: Fault::None,
            lags: 0,
            problem: false,
        }
    }
}

#[derive(Default)]
struct State {
    jobs: Vec<Value>,
    log: Vec<Value>,
    requests: Vec<Value>,
    uploads: Vec<Vec<u8>>,
    watches: usize,
    is_dead: bool,
}

struct Shared {
    plan: Plan,
    socket: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

pub(crate) struct Fake {
    pub(crate) folder: TempDir,
    shared: Arc<Shared>,
}

impl Fake {
    pub(crate) fn start(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("work")).unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let shared = Arc::new(Shared { plan, socket, state: Mutex::default(), changed: Condvar::new() });
        let daemon = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let daemon = Arc::clone(&daemon);
                // a client that leaves ends its conversation
                thread::spawn(move || drop(daemon.serve(&stream.unwrap())));
            }
        });
        Self { folder, shared }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.shared.socket
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn song(&self, name: &str, content: &str) {
        std::fs::write(self.work().join(name), content).unwrap();
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        ctl::run(self.socket(), &self.work(), words)
    }

    /// Requests of that command, oldest first.
    pub(crate) fn requests(&self, command: &str) -> Vec<Value> {
        let state = self.shared.state.lock().unwrap();
        state.requests.iter().filter(|request| request["command"] == command).cloned().collect()
    }

    pub(crate) fn uploads(&self) -> Vec<Vec<u8>> {
        self.shared.state.lock().unwrap().uploads.clone()
    }

    /// Ends every watch and answers nobody any more.
    pub(crate) fn kill(&self) {
        std::fs::remove_file(self.socket()).unwrap();
        self.shared.state.lock().unwrap().is_dead = true;
        self.shared.changed.notify_all();
    }

    pub(crate) fn wait_for_jobs(&self, count: usize, state: &str) {
        let is_there = |job: &&Value| job["state"] == state;
        let guard = self.shared.state.lock().unwrap();
        let limit = Duration::from_secs(20);
        let missing = |all: &mut State| all.jobs.iter().filter(is_there).count() < count;
        assert!(!self.shared.changed.wait_timeout_while(guard, limit, missing).unwrap().1.timed_out());
    }
}

impl Shared {
    fn serve(self: &Arc<Self>, stream: &UnixStream) -> std::io::Result<()> {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        writer.write_all(&frame::line(&self.plan.greeting)?)?;
        while let Some(line) = frame::read_line(&mut reader, frame::REQUEST_LIMIT)? {
            let request: Value = serde_json::from_slice(&line)?;
            self.state.lock().unwrap().requests.push(request.clone());
            let id = request["job"].as_str().unwrap_or_default();
            let reply = match request["command"].as_str().unwrap() {
                "submit" if self.active() >= self.plan.capacity => error("busy", "too many jobs"),
                "submit" => {
                    writer.write_all(b"{\"reply\":\"ready\",\"max_bytes\":1000000}\n")?;
                    let mut song = Vec::new();
                    match frame::copy_frames(&mut reader, &mut song)? {
                        Some(_) => self.submit(&request, song),
                        None => error("cancelled", "the client gave up"),
                    }
                }
                "watch" => return self.watch(writer, &request),
                "fetch" => {
                    self.fetch(writer, id, request["output"].as_str().unwrap())?;
                    continue;
                }
                "show" => self.job(id).map_or_else(|| error("not_found", "no such job"), tagged),
                "cancel" => match self.job(id) {
                    Some(_) => tagged(self.change(id, |job| job["state"] = json!("cancelled"))),
                    None => error("not_found", "no such job"),
                },
                "delete" => self.delete(id),
                "jobs" => {
                    let jobs = self.state.lock().unwrap().jobs.clone();
                    json!({ "reply": "jobs", "total": jobs.len() + 1, "jobs": jobs })
                }
                "status" => {
                    json!({ "reply": "status", "version": "0.1.0", "pid": 7, "uptime": 65.0, "rss": 1048576,
                    "active": 1, "capacity": 9, "engine": "spectral", "actors": [], "future": true })
                }
                "doctor" => json!({ "reply": "doctor", "checks": [
                    { "name": "store", "verdict": "ok", "found": "writable" },
                    { "name": "disk", "verdict": if self.plan.problem { "problem" } else { "warning" },
                      "found": "3 MB left", "remedy": "make room" } ] }),
                "config_show" => json!({ "reply": "config", "text": "device = \"cpu\"\n" }),
                "config_check" if request["text"].as_str().unwrap().contains("devise") => {
                    error("config", "line 2: unknown key `devise`")
                }
                "config_check" => json!({ "reply": "done" }),
                other => error("invalid_request", &format!("no command {other}")),
            };
            writer.write_all(&frame::line(&reply)?)?;
        }
        Ok(())
    }

    fn active(&self) -> usize {
        let state = self.state.lock().unwrap();
        let is_final =
            |job: &&Value| ["completed", "failed", "cancelled"].contains(&job["state"].as_str().unwrap());
        state.jobs.iter().filter(|job| !is_final(job)).count()
    }

    fn job(&self, id: &str) -> Option<Value> {
        self.state.lock().unwrap().jobs.iter().find(|job| job["id"] == id).cloned()
    }

    fn submit(self: &Arc<Self>, request: &Value, song: Vec<u8>) -> Value {
        let mut state = self.state.lock().unwrap();
        let id = format!("job{}", state.jobs.len() + 1);
        let option = |key: &str, default: &str| match &request["options"][key] {
            Value::Null => json!(default),
            value => value.clone(),
        };
        let job = json!({
            "id": id, "state": "queued", "progress": 0.0, "name": request["name"], "owner": 0,
            "quality": option("quality", "balanced"), "mode": option("mode", "grouped"),
            "options": request["options"], "stems": {}, "files": [], "unavailable": [], "events": [], "created_at": 1.0,
        });
        state.jobs.push(job.clone());
        state.log.push(json!({ "event": "job", "job": job }));
        state.uploads.push(song.clone());
        drop(state);
        self.changed.notify_all();
        let daemon = Arc::clone(self);
        thread::spawn(move || daemon.work(&id, &song));
        tagged(job)
    }

    fn work(&self, id: &str, song: &[u8]) {
        let event = json!([{ "at": 1.0, "kind": "fallback", "message": "no model is installed" }]);
        self.change(id, |job| {
            job["state"] = json!("separating");
            job["events"] = event;
        });
        {
            let mut state = self.state.lock().unwrap();
            // a watch that begins later has it in its snapshot
            state.jobs.iter_mut().filter(|job| job["id"] == id).for_each(|job| job["progress"] = json!(0.5));
            state.log.push(json!({ "event": "progress", "id": id, "progress": 0.5 }));
            self.changed.notify_all();
        }
        if song.starts_with(b"HOLD") {
            return;
        }
        thread::sleep(self.plan.delay);
        if song.starts_with(b"BAD") {
            let error = json!({ "kind": "audio_load", "message": "no audio in it", "causes": ["checksum"] });
            self.change(id, |job| {
                job["state"] = json!("failed");
                job["error"] = error;
            });
            return;
        }
        self.change(id, |job| {
            let names = ["vocals", "instrumental"];
            job["state"] = json!("completed");
            job["progress"] = json!(1.0);
            job["engine"] = json!("spectral");
            job["device"] = json!("cpu");
            job["stems"] =
                names.iter().map(|name| (name.to_string(), json!(format!("{name}.flac")))).collect();
            job["files"] = names
                .iter()
                .map(|name| {
                    json!({ "stem": name, "file": format!("{name}.flac"), "format": "flac24",
                        "bytes": content(id, name).len(), "blake3": "00", "frames": 1, "sample_rate": 44100,
                        "channels": 2, "peak_dbfs": -1.25, "rms_dbfs": null })
                })
                .collect();
            job["manifest"] = json!("manifest.json");
        });
    }

    fn change(&self, id: &str, edit: impl FnOnce(&mut Value)) -> Value {
        let mut state = self.state.lock().unwrap();
        let Some(job) = state.jobs.iter_mut().find(|job| job["id"] == id) else { return Value::Null };
        edit(job);
        let job = job.clone();
        state.log.push(json!({ "event": "job", "job": job }));
        self.changed.notify_all();
        job
    }

    fn delete(&self, id: &str) -> Value {
        let mut state = self.state.lock().unwrap();
        let before = state.jobs.len();
        state.jobs.retain(|job| job["id"] != id);
        if state.jobs.len() == before {
            return error("not_found", "no such job");
        }
        state.log.push(json!({ "event": "removed", "id": id }));
        self.changed.notify_all();
        json!({ "reply": "done" })
    }

    fn watch(&self, mut writer: &UnixStream, request: &Value) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap();
        let only = request["job"].as_str().map(str::to_owned);
        let wanted = |id: &Value| only.is_none() || id.as_str() == only.as_deref();
        let jobs: Vec<_> = state.jobs.iter().filter(|job| wanted(&job["id"])).cloned().collect();
        if only.is_some() && jobs.is_empty() {
            return writer.write_all(&frame::line(&error("not_found", "no such job"))?);
        }
        state.watches += 1;
        let lags = state.watches <= self.plan.lags;
        writer.write_all(&frame::line(&json!({ "event": "snapshot", "jobs": jobs }))?)?;
        let mut next = state.log.len();
        while !state.is_dead {
            while let Some(event) = state.log.get(next) {
                next += 1;
                let id = if event["event"] == "job" { &event["job"]["id"] } else { &event["id"] };
                if wanted(id) {
                    let event = if lags { &json!({ "event": "lagged" }) } else { event };
                    writer.write_all(&frame::line(event)?)?;
                    if lags {
                        return Ok(());
                    }
                }
            }
            state = self.changed.wait(state).unwrap();
        }
        Ok(())
    }

    fn fetch(&self, mut writer: &UnixStream, id: &str, output: &str) -> std::io::Result<()> {
        let bytes = content(id, output);
        let head = json!({ "reply": "file", "name": output, "bytes": bytes.len() });
        writer.write_all(&frame::line(&head)?)?;
        match self.plan.fetch {
            Fault::None => {
                frame::write_frame(&mut writer, &bytes[..5])?;
                frame::write_frame(&mut writer, &bytes[5..])?;
                frame::write_frame(&mut writer, b"")
            }
            Fault::Short => {
                frame::write_frame(&mut writer, &bytes[..5])?;
                frame::write_frame(&mut writer, b"")
            }
            Fault::Die => {
                std::fs::remove_file(&self.socket)?;
                writer.write_all(&[0, 0, 0, 9, b'h', b'a'])?;
                writer.shutdown(std::net::Shutdown::Both)
            }
            Fault::Abort => {
                frame::write_frame(&mut writer, &bytes[..5])?;
                writer.write_all(&frame::ABORT.to_be_bytes())?;
                writer.write_all(&frame::line(&error("disk_full", "the disk went away"))?)
            }
        }
    }
}

/// What an output's file holds.
pub(crate) fn content(job: &str, output: &str) -> Vec<u8> {
    format!("{output} of {job}").into_bytes()
}

fn tagged(mut job: Value) -> Value {
    job["reply"] = json!("job");
    job
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "reply": "error", "kind": kind, "message": message })
}
