//! The control socket: a thread reads it, so that cancel, ping and the daemon's end are noticed at once.

use std::{
    io::{self, BufReader, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use harmonix_engine::protocol::{Ask, Say};

/// What a task's computation shares with the reading thread.
#[derive(Clone)]
pub(crate) struct Control {
    writer: Arc<Mutex<UnixStream>>,
    cancelled: Arc<Mutex<Option<String>>>,
}

/// Takes standard input as the control socket and starts to read it.
pub(crate) fn open() -> io::Result<(Control, Receiver<Ask>)> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    stream.peer_addr()?;
    // should the reading thread itself be stuck, the kernel ends us with the daemon
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let control = Control { writer: Arc::new(Mutex::new(stream.try_clone()?)), cancelled: Arc::default() };
    let (sender, asks) = mpsc::channel();
    let reading = control.clone();
    thread::Builder::new().name("control".into()).spawn(move || reading.read(stream, &sender))?;
    Ok((control, asks))
}

impl Control {
    /// Tells the daemon. If it is gone, so are we.
    pub(crate) fn say(&self, say: &Say) {
        let mut line = serde_json::to_vec(say).unwrap_or_default();
        line.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.write_all(&line).is_err() {
            process::exit(0);
        }
    }

    /// True once the daemon asked to stop this task.
    pub(crate) fn is_cancelled(&self, task: &str) -> bool {
        self.cancelled.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(task)
    }

    fn read(&self, stream: UnixStream, asks: &Sender<Ask>) {
        let lines = serde_json::Deserializer::from_reader(BufReader::new(stream)).into_iter::<Ask>();
        for ask in lines {
            match ask {
                Ok(Ask::Ping {}) => self.say(&Say::Pong {}),
                Ok(Ask::Cancel { task }) => {
                    *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
                }
                Ok(ask) => {
                    // a task that was stopped and comes again is to be computed again
                    if let Ask::Separate(separate) = &ask {
                        let mut cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
                        cancelled.take_if(|task| *task == separate.task);
                    }
                    if asks.send(ask).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    complain(&format!("control socket: {error}"));
                    process::exit(2);
                }
            }
        }
        // the daemon is gone: whatever is being computed, nobody will take it
        process::exit(0);
    }
}

/// Says something on standard error, which the daemon's journal collects.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "harmonix-worker: {message}");
}
