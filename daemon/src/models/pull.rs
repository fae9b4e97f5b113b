//! Downloading what is missing of a model.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{Error, ErrorKind, ModelDetails, Pulling, Reply, Result};
use tokio::sync::mpsc;

use super::{
    Hold, Member, ModelStore,
    download::{Download, Listener},
    record::storage,
    store::present,
};
use crate::{actors::compute, caller::Caller};

/// How often a client hears how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Lines that a client may be behind before it misses some.
const BEHIND: usize = 64;

impl ModelStore {
    /// Downloads what is missing of a model, on a thread of its own. What comes back gives [`Reply::Pulling`] any number
    /// of times and then the end of it. Dropping it ends the download; what has come stays for the next one.
    ///
    /// Fails at once where there is nothing to wait for: no such model, the licence not accepted, the model being
    /// changed by somebody else.
    pub async fn pull(&self, caller: Caller, id: &str, accept: bool) -> Result<mpsc::Receiver<Reply>> {
        let hold = self.hold(id, "pulled")?;
        let hold = compute(move || hold.consent(caller.uid, accept).map(|()| hold)).await?;
        let (tell, told) = mpsc::channel(BEHIND);
        let work = move || {
            let (store, id) = (hold.store().clone(), hold.entry().id.clone());
            let notes = pull(&hold, &tell);
            // whoever hears the end may go on at once
            drop(hold);
            let reply = notes.and_then(|notes| Ok(ModelDetails { notes, ..store.details(&id)? }));
            if let Err(error) = &reply {
                tracing::warn!(model = id, error.kind = %error.kind, "pull failed");
            }
            let _ = tell.blocking_send(reply.map_or_else(Reply::Error, Reply::Model));
        };
        // a thread of its own: the end of the daemon does not wait for a server that has stopped to send
        thread::Builder::new()
            .name("pull".into())
            .spawn(work)
            .map_err(|error| Error::io(ErrorKind::Internal, "cannot start a thread", &error))?;
        Ok(told)
    }
}

/// Downloads every file that is missing. What comes back are notes for the caller.
fn pull(hold: &Hold, tell: &mpsc::Sender<Reply>) -> Result<Vec<String>> {
    let record = hold.record();
    let missing: Vec<_> =
        hold.entry().members.iter().filter(|member| present(member, &record).is_none()).collect();
    let mut notes = Vec::new();
    if missing.is_empty() {
        notes.push(format!(
            "{} was installed already; `verify` looks whether its files are sound",
            hold.entry().id
        ));
    }
    std::fs::create_dir_all(hold.folder()).map_err(|error| storage(&error))?;
    for (at, member) in missing.iter().enumerate() {
        let place = hold.folder().join(&member.file);
        let client =
            Client { tell, hold, member, number: at + 1, files: missing.len(), told: Cell::new(None) };
        let download = Download {
            member,
            expected: hold.expected(member),
            place: &place,
            proxy: hold.store().proxy(),
            listener: &client,
        };
        let came = download.run()?;
        if member.sha256.is_none() && record.file(&member.file).is_none() {
            notes.push(pinned(member, &came.sha256));
        }
        hold.install(member, &download.part(), came.sha256, came.bytes, came.from)?;
        download.tidy()?;
    }
    Ok(notes)
}

/// What is said when a digest is pinned.
pub(super) fn pinned(member: &Member, sha256: &str) -> String {
    let known = match &member.sha256_prefix {
        Some(prefix) => format!("the catalogue knows only the first {} digits of its sha256", prefix.len()),
        None => "the catalogue knows no digest of it".into(),
    };
    format!("{}: {known}; {sha256} is pinned from now on", member.file)
}

/// Who asked for the pull.
struct Client<'a> {
    tell: &'a mpsc::Sender<Reply>,
    hold: &'a Hold,
    member: &'a Member,
    number: usize,
    files: usize,
    told: Cell<Option<Instant>>,
}

impl Client<'_> {
    fn say(&self, bytes: u64, total: Option<u64>, note: Option<String>) {
        let (file, number, files) = (self.member.file.clone(), self.number, self.files);
        // a client that reads slowly misses some
        let _ = self.tell.try_send(Reply::Pulling(Pulling { file, number, files, bytes, total, note }));
    }
}

impl Listener for Client<'_> {
    fn bytes(&self, bytes: u64, total: Option<u64>) {
        let due = self.told.get().is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if due || total == Some(bytes) {
            self.told.set(Some(Instant::now()));
            self.say(bytes, total, None);
        }
    }

    fn note(&self, note: String) {
        self.say(0, None, Some(note));
    }

    fn stopped(&self) -> bool {
        self.tell.is_closed() || self.hold.store().is_stopping()
    }
}
