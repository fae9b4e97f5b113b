//! `harmonixctl verify`.

use std::{fs::File, io, path::PathBuf};

use harmonix_ipc::{
    Again, Delete, Device, ErrorKind, Fetch, Job, JobId, JobOptions, JobState, Show, Status, Submit,
    client::ClientError,
};
use serde_json::{Value, json};

use super::analyze::wait;
use crate::{context::Context, failure::Failure, text};

/// Exit status when something differs.
const DIFFERS: u8 = 5;

/// Run a job once more as its manifest says, and compare
///
/// Decodes and separates anew with the same settings, seed and model, and compares the decoded audio, the model's files and
/// every output. Ends with status 0 when all are equal, with 5 when something differs. Nothing is left of the repetition.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl verify 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// Id of a completed job
    #[arg(value_name = "JOB")]
    job: String,
    /// The song, where the daemon has not kept it
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// One thing that was compared.
struct Compared {
    what: String,
    expected: Value,
    found: Value,
}

impl Compared {
    fn new(what: impl Into<String>, expected: &Value, found: &Value) -> Self {
        Self { what: what.into(), expected: expected.clone(), found: found.clone() }
    }

    fn is_equal(&self) -> bool {
        self.expected == self.found && !self.expected.is_null()
    }

    fn json(&self) -> Value {
        let Self { what, expected, found } = self;
        json!({ "what": what, "equal": self.is_equal(), "expected": expected, "found": found })
    }
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let job = ctx.call(Show { job: JobId(args.job.clone()) })?;
    let manifest = manifest(ctx, &job)?;
    let version = Value::from(ctx.call(Status {})?.version);
    let mut conditions = vec![Compared::new("version", &manifest["harmonix"], &version)];
    warn(ctx, &conditions[0]);

    let options = options(&manifest)?;
    ctx.ours.submitting();
    let submitted = submit(ctx, args, &job, &manifest, options);
    ctx.ours.submitted(submitted.as_ref().ok().map(|job| &job.id));
    let repeat = submitted?.id;
    ctx.out.note(format_args!("job {repeat} repeats it"));
    let ended = wait(ctx, &repeat).and_then(|()| ctx.call(Show { job: repeat.clone() }));
    ctx.ours.park_if_stopped();
    let found = ended.and_then(|ended| self::manifest(ctx, &ended));
    ctx.ours.ended(&repeat);
    ctx.call(Delete { job: repeat })?;
    let found = found?;

    for what in ["model", "device", "precision"] {
        let of = |manifest: &Value| match what {
            "model" => manifest["engine"]["model"]["id"].clone(),
            what => manifest["engine"][what].clone(),
        };
        conditions.push(Compared::new(what, &of(&manifest), &of(&found)));
        conditions.last().into_iter().for_each(|compared| warn(ctx, compared));
    }
    let results = compare(&manifest, &found);
    let equal = results.iter().all(Compared::is_equal);
    let rows: Vec<_> = results
        .iter()
        .map(|compared| {
            let word = if compared.is_equal() { "equal" } else { "NOT EQUAL" };
            [compared.what.clone(), word.to_owned()]
        })
        .collect();
    text::table(&rows).iter().for_each(|line| ctx.out.say(line));
    let different = results.iter().filter(|compared| !compared.is_equal()).count();
    match different {
        0 => ctx.out.say(format_args!("job {} is reproduced, bit for bit", job.id)),
        _ => ctx.out.say(format_args!(
            "job {} is not reproduced: {different} of {} differ",
            job.id,
            results.len()
        )),
    }
    let all = |compared: &[Compared]| compared.iter().map(Compared::json).collect::<Vec<_>>();
    ctx.out.json(&json!({
        "id": job.id, "equal": equal, "conditions": all(&conditions), "results": all(&results),
    }));
    Ok(if equal { 0 } else { DIFFERS })
}

/// The manifest of a completed job.
fn manifest(ctx: &Context, job: &Job) -> Result<Value, Failure> {
    if job.state != JobState::Completed {
        let failure = Failure::of(job);
        return Err(if job.state.is_final() {
            failure
        } else {
            Failure::here(ErrorKind::Conflict, format!("job {} is {}, not completed", job.id, job.state))
                .hint(format!("`harmonixctl watch {}` waits for its end", job.id))
        });
    }
    if job.manifest.is_none() {
        return Err(Failure::here(
            ErrorKind::Conflict,
            format!("job {} has no manifest: it made no stems", job.id),
        ));
    }
    let mut bytes = Vec::new();
    ctx.connect()?.fetch(Fetch { job: job.id.clone(), output: "manifest".into() }, &mut bytes)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::here(ErrorKind::Internal, "the manifest cannot be read").cause(error))
}

/// What is to be asked for to get the same: the settings, with all that was decided from them then.
fn options(manifest: &Value) -> Result<JobOptions, Failure> {
    let unread =
        |error| Failure::here(ErrorKind::Internal, "the manifest's settings cannot be read").cause(error);
    let settings: JobOptions = serde_json::from_value(manifest["settings"].clone()).map_err(unread)?;
    let engine = &manifest["engine"];
    let on_cpu = engine["device"].as_str().is_some_and(|device| device.starts_with("cpu"));
    Ok(JobOptions {
        model: engine["model"]["id"].as_str().map(Into::into).or(settings.model),
        shifts: engine["layout"]["shifts"].as_u64().map(|shifts| shifts as u32).or(settings.shifts),
        overlap: engine["layout"]["overlap"].as_f64().or(settings.overlap),
        device: if on_cpu { Device::Cpu } else { settings.device },
        fresh: true,
        ..settings
    })
}

fn submit(
    ctx: &Context,
    args: &Args,
    job: &Job,
    manifest: &Value,
    options: JobOptions,
) -> Result<Job, Failure> {
    let Some(path) = &args.file else {
        let again = Again { job: job.id.clone(), options: Some(options) };
        return ctx.call(again).map_err(|failure| match failure.kind() {
            ErrorKind::Conflict => {
                failure.hint(format!("give the song as well: `harmonixctl verify {} FILE`", job.id))
            }
            _ => failure,
        });
    };
    // the name decides about a title where the song has none
    let name = manifest["input"]["name"].as_str().unwrap_or(&job.name).to_owned();
    let open = || -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((file, size))
    };
    let (mut song, size) = open().map_err(|error| Failure::unreadable(&error))?;
    let submit = Submit { name, size: Some(size), options };
    ctx.connect()?.submit(submit, &mut song).map_err(|error| match error {
        ClientError::Local(error) => Failure::unreadable(&error),
        error => error.into(),
    })
}

/// A condition under which equal results cannot be expected.
fn warn(ctx: &Context, condition: &Compared) {
    if !condition.is_equal() {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
        let (then, now) = (word(&condition.expected), word(&condition.found));
        ctx.out.note(format_args!("warning: another {}: {now} now, {then} in the manifest", condition.what));
    }
}

fn compare(manifest: &Value, found: &Value) -> Vec<Compared> {
    let both = |what: &str, of: &dyn Fn(&Value) -> Value| Compared::new(what, &of(manifest), &of(found));
    let mut compared = vec![
        both("decoded audio", &|manifest| manifest["input"]["pcm_blake3"].clone()),
        both("model", &|manifest| {
            json!([manifest["engine"]["model"]["fingerprint"], manifest["engine"]["sha256"]])
        }),
    ];
    let files = |manifest: &Value| manifest["files"].as_array().cloned().unwrap_or_default();
    let digest = |manifest: &Value, stem: &Value| {
        let file = files(manifest).into_iter().find(|file| file["stem"] == *stem);
        file.map_or(Value::Null, |mut file| file["blake3"].take())
    };
    let mut stems: Vec<_> = files(manifest).iter().map(|file| file["stem"].clone()).collect();
    stems.extend(
        files(found)
            .iter()
            .map(|file| file["stem"].clone())
            .filter(|stem| !digest(manifest, stem).is_string()),
    );
    for stem in stems {
        let what = stem.as_str().unwrap_or_default();
        compared.push(Compared::new(what, &digest(manifest, &stem), &digest(found, &stem)));
    }
    compared
}
