//! The songs of a call from submission to hand-over: every thread reports to one loop.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use harmonix_ipc::{Client, Delete, ErrorKind, Event, Job, JobId, JobState, Jobs, Show, Watch};

use super::{Args, input::Input, report, submit};
use crate::{
    context::Context,
    failure::Failure,
    follow::follow,
    handover::{self, Target},
    progress::{Lines, Progress},
};

/// What the threads report.
pub(super) enum Message {
    /// The daemon has the song, or will not.
    Submitted(usize, Result<Box<Job>, Failure>),
    /// The daemon tells of its jobs.
    Event(Event),
    /// The daemon tells nothing any more.
    Lost(Failure),
    /// The stems are here, or are not.
    Delivered(usize, Result<Box<Job>, Failure>),
}

/// What becomes of a song.
#[derive(Default)]
pub(super) struct Fate {
    /// The job as last known; its stems are paths once they were handed over.
    pub(super) job: Option<Job>,
    /// Why there are no stems.
    pub(super) failure: Option<Failure>,
    is_over: bool,
}

struct Session<'a> {
    ctx: &'a Context,
    args: &'a Args,
    inputs: &'a [Input],
    fates: Vec<Fate>,
    indices: HashMap<JobId, usize>,
    jobs: Jobs,
    progress: Progress<'a>,
    deliver: Sender<(usize, Job)>,
    /// Why nothing is told of jobs any more.
    lost: Option<Failure>,
}

pub(super) fn run(
    ctx: &Arc<Context>,
    args: &Args,
    client: Client,
    folder: Option<PathBuf>,
) -> Result<u8, Failure> {
    let inputs = Arc::new(Input::all(&args.files, &args.name));
    let (tell, told) = mpsc::channel();
    let (deliver, deliveries) = mpsc::channel::<(usize, Job)>();
    {
        let (ctx, tell) = (Arc::clone(ctx), tell.clone());
        spawn(move || {
            let ended =
                follow(&ctx, &Watch::default(), client, |event| tell.send(Message::Event(event)).is_ok());
            if let Err(failure) = ended {
                // the loop may have ended first
                let _ = tell.send(Message::Lost(failure));
            }
        })?;
    }
    {
        let (ctx, tell, inputs, options) =
            (Arc::clone(ctx), tell.clone(), Arc::clone(&inputs), args.options());
        spawn(move || submit::all(&ctx, &inputs, &options, &tell))?;
    }
    if let Some(folder) = folder {
        let (ctx, inputs, force, rm) = (Arc::clone(ctx), Arc::clone(&inputs), args.force, args.rm);
        spawn(move || {
            for (index, job) in deliveries {
                let target = Target { folder: &folder, base: inputs[index].base.clone(), force };
                let delivered = hand_over(&ctx, &job, &target, rm);
                if tell.send(Message::Delivered(index, delivered.map(Box::new))).is_err() {
                    return;
                }
            }
        })?;
    }
    let session = Session {
        ctx,
        args,
        inputs: &inputs,
        fates: inputs.iter().map(|_| Fate::default()).collect(),
        indices: HashMap::new(),
        jobs: Jobs::default(),
        progress: Progress::new(&ctx.out, Lines::Stderr),
        deliver,
        lost: None,
    };
    let fates = session.run(&told);
    Ok(report::finish(ctx, args, &inputs, &fates))
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let spawned = thread::Builder::new().spawn(work);
    spawned.map(drop).map_err(|error| Failure::file("cannot start a thread", &error))
}

fn hand_over(ctx: &Context, job: &Job, target: &Target<'_>, rm: bool) -> Result<Job, Failure> {
    let delivered = handover::deliver(ctx, job, None, target)?;
    if rm && let Err(failure) = ctx.call(Delete { job: job.id.clone() }) {
        ctx.out.note(format_args!("job {} stays: {failure}", job.id));
    }
    Ok(delivered)
}

impl Session<'_> {
    fn run(mut self, told: &mpsc::Receiver<Message>) -> Vec<Fate> {
        while !self.fates.iter().all(|fate| fate.is_over) {
            let Ok(message) = told.recv() else { break };
            self.ctx.ours.park_if_stopped();
            match message {
                Message::Submitted(index, Ok(job)) => self.submitted(index, *job),
                Message::Submitted(index, Err(failure)) => self.fail(index, failure),
                Message::Event(event) => self.event(event),
                Message::Lost(failure) => self.lost(failure),
                Message::Delivered(index, Ok(job)) => self.over(index, Some(*job)),
                Message::Delivered(index, Err(failure)) => self.fail(index, failure),
            }
        }
        self.ctx.ours.park_if_stopped();
        self.fates
    }

    fn submitted(&mut self, index: usize, job: Job) {
        let id = job.id.clone();
        if self.args.verbose {
            self.ctx.out.note(format_args!("{}: job {id}", self.inputs[index].label));
        }
        self.indices.insert(id.clone(), index);
        self.fates[index].job = Some(job.clone());
        if self.args.detach {
            self.over(index, None);
        }
        if let Some(failure) = self.lost.clone() {
            return self.gone(index, &id, failure);
        }
        // what the watch has told may be newer
        if self.jobs.get(&id).is_none() {
            self.jobs.apply(Event::Job { job: Box::new(job) });
        }
        self.look_at(&id);
    }

    fn event(&mut self, event: Event) {
        let changed = match &event {
            Event::Snapshot { .. } => self.indices.keys().cloned().collect(),
            Event::Job { job } => vec![job.id.clone()],
            Event::Progress { id, .. } | Event::Removed { id } => vec![id.clone()],
            Event::Lagged {} => Vec::new(),
        };
        self.jobs.apply(event);
        for id in changed {
            self.look_at(&id);
        }
    }

    /// Goes on with a job of this call as it is now.
    fn look_at(&mut self, id: &JobId) {
        let Some(&index) = self.indices.get(id) else { return };
        let job = match self.jobs.get(id).cloned().map_or_else(|| self.ask(id), Ok) {
            Ok(job) => job,
            Err(failure) => return self.gone(index, id, failure),
        };
        if job.state.is_final() {
            self.ctx.ours.ended(id);
        }
        if self.fates[index].is_over {
            return;
        }
        if self.args.verbose {
            report::news(self.ctx, &self.inputs[index], self.fates[index].job.as_ref(), &job);
        }
        let input = &self.inputs[index];
        // a bar has room for a name, a line for the path that tells two of the same name apart
        let label = if self.ctx.out.is_terminal() { input.name() } else { input.label.clone() };
        self.progress.show(&label, &job);
        let state = job.state;
        if state.is_final() {
            self.indices.remove(id);
        }
        match state {
            JobState::Completed if self.deliver.send((index, job.clone())).is_err() => {
                self.fail(index, Failure::here(ErrorKind::Internal, "the hand-over ended early"));
            }
            JobState::Failed | JobState::Cancelled => self.fail(index, Failure::of(&job)),
            _ => {}
        }
        self.fates[index].job = Some(job);
    }

    /// A job that a watch begun anew does not know may only have been too new for it.
    fn ask(&mut self, id: &JobId) -> Result<Job, Failure> {
        let job = self.ctx.call(Show { job: id.clone() })?;
        self.jobs.apply(Event::Job { job: Box::new(job.clone()) });
        Ok(job)
    }

    fn gone(&mut self, index: usize, id: &JobId, failure: Failure) {
        self.ctx.ours.ended(id);
        self.progress.end(id);
        self.indices.remove(id);
        if !self.fates[index].is_over {
            self.fail(index, failure);
        }
    }

    fn lost(&mut self, failure: Failure) {
        for (id, index) in std::mem::take(&mut self.indices) {
            self.gone(index, &id, failure.clone());
        }
        self.lost = Some(failure);
    }

    fn fail(&mut self, index: usize, failure: Failure) {
        let failure = failure.about(&self.inputs[index].label);
        self.ctx.out.error(&failure);
        self.fates[index].failure = Some(failure);
        self.over(index, None);
    }

    fn over(&mut self, index: usize, job: Option<Job>) {
        let fate = &mut self.fates[index];
        fate.is_over = true;
        fate.job = job.or(fate.job.take());
        if let (None, false, Some(job)) = (&fate.failure, self.args.detach, &fate.job) {
            report::job(self.ctx, self.args, &self.inputs[index], job);
        }
    }
}
