//! `harmonixctl store`.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use harmonix_ipc::{
    BackUpStore, CheckStore, ErrorKind, ExportStore, ImportStore, JobId, StoreImported, client::ClientError,
};
use serde_json::json;

use crate::{context::Context, failure::Failure, text};

/// Export, import, check and back up what the daemon knows of its jobs
///
/// The store holds records, not audio: what was submitted, what became of it, and where the results lie. The daemon
/// writes a backup a day by itself. When it refuses to start, `harmonixd --help` names the same for a daemon that does not
/// run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl store export -o store.jsonl")]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write every record as JSON lines
    Export {
        /// File to write; standard output when absent
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Overwrite the file if it is there
        #[arg(short, long)]
        force: bool,
    },
    /// Fill the store with an export or a backup: all of it or nothing
    ///
    /// Files do not travel with the records. A job whose files are not in the state directory is failed afterwards and
    /// says so; one that has not ended begins again if its input is there. Folders of jobs that the file does not know
    /// are moved to `strays` in the state directory.
    Import {
        /// The export
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Put it in the place of what the store holds: running jobs stop at their checkpoints, and jobs that are not in the
        /// file are forgotten. A backup is written first
        #[arg(long)]
        replace: bool,
    },
    /// Read every record, and look whether the files are there that they speak of
    Check {
        /// Hash the outputs instead of looking at their sizes
        #[arg(long)]
        deep: bool,
    },
    /// Write a backup now, into `backups` in the state directory
    Backup,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    match &args.action {
        Action::Export { output, force } => export(ctx, output.as_deref(), *force),
        Action::Import { file, replace } => import(ctx, file, *replace),
        Action::Check { deep } => check(ctx, *deep),
        Action::Backup => {
            let backup = ctx.call(BackUpStore {})?;
            ctx.out.json(&backup);
            let size = text::bytes(backup.bytes);
            ctx.out.say(format_args!("{}: {} records, {size}", backup.name, backup.records));
            Ok(0)
        }
    }
}

fn export(ctx: &Context, output: Option<&Path>, force: bool) -> Result<u8, Failure> {
    let Some(path) = output else {
        if ctx.out.is_json() {
            let failure =
                Failure::here(ErrorKind::InvalidRequest, "an export to standard output is no single value");
            return Err(failure.hint("name a file with -o"));
        }
        ctx.connect()?.export_store(ExportStore {}, &mut Stdout(ctx))?;
        return Ok(0);
    };
    if path.exists() && !force {
        let failure = Failure::here(ErrorKind::Conflict, format!("{} is there already", path.display()));
        return Err(failure.hint("`--force` overwrites it"));
    }
    let unwritten = |error: &io::Error| Failure::file(format!("cannot write {}", path.display()), error);
    let part = beside(path);
    let written = (|| {
        let mut file = File::create(&part).map_err(|error| unwritten(&error))?;
        let head = ctx.connect()?.export_store(ExportStore {}, &mut file).map_err(|error| match error {
            ClientError::Local(error) => unwritten(&error),
            error => error.into(),
        })?;
        let publish = file.sync_all().and_then(|()| fs::rename(&part, path));
        publish.map_err(|error| unwritten(&error)).map(|()| head)
    })();
    let head = written.inspect_err(|_| drop(fs::remove_file(&part)))?;
    ctx.out.json(&json!({ "file": path, "bytes": head.bytes }));
    ctx.out.say(format_args!("{}: {}", path.display(), text::bytes(head.bytes)));
    Ok(0)
}

/// Where a file lies until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    name.into()
}

/// Standard output as the results' way out.
struct Stdout<'a>(&'a Context);

impl Write for Stdout<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.out.bytes(data);
        if self.0.out.is_closed() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(data.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn import(ctx: &Context, path: &Path, replace: bool) -> Result<u8, Failure> {
    let unread = |error: &io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::InvalidRequest,
        };
        Failure::here(kind, format!("cannot read {}", path.display())).cause(error)
    };
    let mut file = File::open(path).map_err(|error| unread(&error))?;
    let size = file.metadata().ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
    let imported = ctx.connect()?.import_store(ImportStore { size, replace }, &mut file);
    let imported = imported.map_err(|error| match error {
        ClientError::Local(error) => unread(&error),
        error => error.into(),
    })?;
    ctx.out.json(&imported);
    let StoreImported { records, jobs, incomplete, restarted, strays } = imported;
    ctx.out.say(format_args!("{records} records imported, {jobs} of them jobs"));
    let tell = |ids: &[JobId], what: &str| {
        for id in ids {
            ctx.out.say(format_args!("  {id}: {what}"));
        }
    };
    tell(&incomplete, "failed, for its files are not there");
    tell(&restarted, "begins again, for what it had computed is not there");
    tell(&strays, "not among them: its folder was put into `strays`");
    Ok(0)
}

fn check(ctx: &Context, deep: bool) -> Result<u8, Failure> {
    let report = ctx.call(CheckStore { deep })?;
    ctx.out.json(&report);
    for problem in &report.problems {
        let job = problem.job.as_ref().map_or(String::new(), |job| format!("job {job}: "));
        ctx.out.say(format_args!("{job}{}", problem.found));
        ctx.out.say(format_args!("  remedy: {}", problem.remedy));
    }
    let (records, jobs, files) = (report.records, report.jobs, report.files);
    let looked = if deep { "hashed" } else { "looked at" };
    ctx.out.say(format_args!("{records} records, {jobs} of them jobs, {files} files {looked}"));
    Ok(if report.problems.is_empty() { 0 } else { ErrorKind::Internal.exit_code() })
}
