//! `harmonixctl listen`.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, IsTerminal, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use harmonix_ipc::{
    Analyze, ErrorKind, Event, ExcerptHead, Job, JobId, JobState, Listen, Show, Watch,
    client::ClientError,
    names::{Base, PART},
};
use serde_json::json;

use crate::{context::Context, failure::Failure, follow::follow};

/// Hear an output of a job that still runs, as far as it is final
///
/// Writes a WAV of 32-bit floats, as the model made it: the residual is spread and the level adjusted only in the finished
/// output. Of a completed job it is the finished output itself, in its own format.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The job's id
    #[arg(value_name = "JOB")]
    job: String,
    /// The output, e.g. vocals
    #[arg(value_name = "STEM")]
    stem: String,
    /// File to write, `-` for standard output; {name}_{stem}.wav here when absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Begin at this second
    #[arg(long, value_name = "SECONDS")]
    from: Option<f64>,
    /// Wait for the separation to begin, and go on until it is complete
    #[arg(long)]
    follow: bool,
    /// Overwrite the file if it is there
    #[arg(short, long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  harmonixctl listen 1k3v9c0q2x7e vocals -o so-far.wav
  harmonixctl listen 1k3v9c0q2x7e vocals --follow -o - | ffplay -nodisp -autoexit -";

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let job = ctx.call(Show { job: JobId(args.job.clone()) })?;
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout {
        if ctx.out.is_json() {
            return Err(Failure::here(
                ErrorKind::InvalidRequest,
                "--json and the audio cannot both be printed",
            )
            .hint("write the audio to a file with -o FILE"));
        }
        if io::stdout().is_terminal() {
            return Err(Failure::here(ErrorKind::InvalidRequest, "audio is not written to a terminal")
                .hint("give a file with -o FILE, or a pipe"));
        }
        let head = listen(ctx, args, &job, &mut io::stdout().lock());
        return match head {
            // a player that was closed has heard enough
            Err(Heard::Closed) => Ok(0),
            Err(Heard::Failed(failure)) => Err(failure),
            Ok(_) => Ok(0),
        };
    }
    let (path, head) = to_file(ctx, args, &job)?;
    let path = path.display().to_string();
    ctx.out.say(&path);
    let ExcerptHead { from, to, duration, sample_rate, channels, complete, .. } = head;
    ctx.out.json(&json!({
        "job": job.id, "stem": args.stem, "path": path, "from": from, "to": to, "duration": duration,
        "sample_rate": sample_rate, "channels": channels, "complete": complete,
    }));
    Ok(0)
}

fn to_file(ctx: &Context, args: &Args, job: &Job) -> Result<(PathBuf, ExcerptHead), Failure> {
    let extension = if job.state == JobState::Completed { job.options.format.extension() } else { "wav" };
    let default = || Base::new(OsStr::new(&job.name)).file(&args.stem, extension).into();
    let path: PathBuf = args.output.clone().unwrap_or_else(default);
    let unwritten = |error: &io::Error| Failure::file(format!("cannot write {}", path.display()), error);
    if !args.force && path.symlink_metadata().is_ok() {
        return Err(unwritten(&io::ErrorKind::AlreadyExists.into()).hint("--force overwrites it"));
    }
    let part = PathBuf::from([path.as_os_str(), OsStr::new(PART)].concat_os());
    if args.force {
        // left over from a call that was killed
        let _ = fs::remove_file(&part);
    }
    let mut file = ctx.ours.create_part(&part).map_err(|error| unwritten(&error))?;
    let heard = listen(ctx, args, job, &mut file);
    ctx.ours.park_if_stopped();
    let written = match heard {
        Ok(mut head) => state_sizes(&mut file, &mut head)
            .and_then(|()| file.sync_all())
            .and_then(|()| ctx.ours.publish([(part.as_path(), path.as_path())].into_iter(), args.force))
            .map(|()| head)
            .map_err(|error| unwritten(&error)),
        Err(Heard::Closed) => Err(unwritten(&io::ErrorKind::BrokenPipe.into())),
        Err(Heard::Failed(failure)) => Err(failure),
    };
    ctx.ours.remove_part(&part);
    Ok((path.clone(), written?))
}

trait ConcatOs {
    fn concat_os(self) -> std::ffi::OsString;
}

impl ConcatOs for [&OsStr; 2] {
    fn concat_os(self) -> std::ffi::OsString {
        let mut whole = self[0].to_owned();
        whole.push(self[1]);
        whole
    }
}

/// Why nothing more comes.
enum Heard {
    /// Whoever was to hear it has left.
    Closed,
    Failed(Failure),
}

/// Copies the output; with `--follow` it waits for its beginning.
fn listen(ctx: &Context, args: &Args, job: &Job, out: &mut impl Write) -> Result<ExcerptHead, Heard> {
    let Args { stem, from, follow: wait, .. } = args;
    loop {
        let listen = Listen { job: job.id.clone(), stem: stem.clone(), from: *from, follow: *wait };
        let mut begun = false;
        let heard = ctx.connect().map_err(Heard::Failed)?.listen(listen, out, |head| {
            begun = true;
            say(ctx, stem, head);
        });
        let failure = match heard.and_then(|head| out.flush().map(|()| head).map_err(ClientError::Local)) {
            Ok(head) => return Ok(head),
            Err(ClientError::Local(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Err(Heard::Closed);
            }
            Err(error) => Failure::from(error),
        };
        let too_early = *wait
            && !begun
            && failure.kind() == ErrorKind::Conflict
            && job.options.analysis != Analyze::Only
            && !ctx.call(Show { job: job.id.clone() }).map_err(Heard::Failed)?.state.is_final();
        if !too_early {
            return Err(Heard::Failed(failure));
        }
        // one more look at each change
        let mut is_first = true;
        follow(ctx, &Watch { job: Some(job.id.clone()) }, ctx.connect().map_err(Heard::Failed)?, |event| {
            let over =
                matches!(&event, Event::Snapshot { jobs } if jobs.iter().all(|job| job.state.is_final()));
            std::mem::take(&mut is_first) && !over
        })
        .map_err(Heard::Failed)?;
    }
}

fn say(ctx: &Context, stem: &str, head: &ExcerptHead) {
    let ExcerptHead { name, from, to, duration, complete, bytes, .. } = head;
    match (complete, bytes) {
        (true, _) => ctx.out.note(format_args!("{stem}: the job is completed: {name}, {duration:.1} s")),
        (false, Some(_)) => ctx.out.note(format_args!("{stem}: {from:.1} to {to:.1} s of {duration:.1} s")),
        (false, None) => ctx.out.note(format_args!("{stem}: {from:.1} s to the end at {duration:.1} s")),
    }
}

/// A stream that went to a file can say how long it is after all.
fn state_sizes(file: &mut File, head: &mut ExcerptHead) -> io::Result<()> {
    if head.bytes.is_some() {
        return Ok(());
    }
    let bytes = file.seek(SeekFrom::End(0))?;
    let block = u64::from(head.channels) * 4;
    let mut start = [0; 128];
    file.read_exact_at(&mut start[..bytes.min(128) as usize], 0)?;
    let find = |id: &[u8]| start.windows(4).position(|window| window == id).map(|at| at as u64);
    let (Some(fact), Some(data)) = (find(b"fact"), find(b"data")) else { return Ok(()) };
    let samples = bytes.saturating_sub(data + 8);
    head.to = head.from + (samples / block) as f64 / f64::from(head.sample_rate);
    for (at, size) in [(4, bytes - 8), (fact + 8, samples / block), (data + 4, samples)] {
        // beyond 4 GiB the sizes stay unknown, as in a stream
        let Ok(size) = u32::try_from(size) else { return Ok(()) };
        file.write_all_at(&size.to_le_bytes(), at)?;
    }
    Ok(())
}
