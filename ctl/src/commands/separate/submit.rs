//! Submits songs one after the other.

use std::{
    io::{self, Read},
    sync::mpsc::Sender,
    time::Duration,
};

use harmonix_ipc::{ErrorKind, Job, JobOptions, Submit, client::ClientError};

use super::{input::Input, session::Message};
use crate::{context::Context, failure::Failure, ours::Ours};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Submits every song and tells what became of each.
pub(super) fn all(ctx: &Context, inputs: &[Input], options: &JobOptions, tell: &Sender<Message>) {
    for (index, input) in inputs.iter().enumerate() {
        let submitted = one(ctx, input, options);
        ctx.ours.park_if_stopped();
        if tell.send(Message::Submitted(index, submitted.map(Box::new))).is_err() {
            return;
        }
    }
}

/// Submits a song; while the daemon is full of jobs of this call, until one of them has ended.
pub(crate) fn one(ctx: &Context, input: &Input, options: &JobOptions) -> Result<Job, Failure> {
    let (mut song, size) = input.open()?;
    let mut wait = FIRST_WAIT;
    loop {
        let mut song = Source { song: &mut song, ours: &ctx.ours, was_read: false };
        let submit = Submit { name: input.name(), size, options: options.clone() };
        let submitted = ctx.connect().and_then(|mut client| {
            ctx.ours.submitting();
            let submitted = client.submit(submit, &mut song);
            ctx.ours.submitted(submitted.as_ref().ok().map(|job| &job.id));
            submitted.map_err(|error| match error {
                ClientError::Local(error) => Failure::unreadable(&error),
                error => error.into(),
            })
        });
        match submitted {
            Err(failure) if failure.kind() == ErrorKind::Busy && !song.was_read => {
                if !ctx.ours.wait_for_room(wait) {
                    return Err(failure);
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            other => return other,
        }
    }
}

/// A song's bytes, until the user interrupts.
struct Source<'a> {
    song: &'a mut dyn Read,
    ours: &'a Ours,
    was_read: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.was_read = true;
        if self.ours.is_stopped() {
            return Err(io::Error::other("interrupted"));
        }
        self.song.read(buffer)
    }
}
