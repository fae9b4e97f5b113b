//! HTDemucs of the published size with made-up weights: against the reference program, and over many jobs.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harmonix_ipc::{Format, JobOptions, JobState};
use harmonix_tests::{
    fixtures::{SampleFormat, Tags, network, wav},
    harness::{Daemon, Setup},
    synth,
};

use crate::{memory_of, row, seconds};

/// Seconds of the song that is separated.
const SONG: f64 = 60.0;

/// Jobs in one warm worker.
const JOBS: usize = 200;

/// All rows.
pub(crate) fn main(python: Option<&Path>) {
    many_jobs();
    match python {
        Some(python) => {
            if let Err(error) = against_reference(python) {
                row("HTDemucs against the reference", format!("failed: {error}"));
            }
        }
        None => row("HTDemucs against the reference", "left out: set HARMONIX_REFERENCE (make reference)"),
    }
}

/// A daemon with that file as the model `htdemucs`.
fn daemon_with(file: &Path) -> io::Result<(Daemon, tempfile::TempDir)> {
    let dir = tempfile::tempdir()?;
    let output = Command::new("sha256sum").arg(file).output()?;
    let sha256 = String::from_utf8_lossy(&output.stdout).chars().take(64).collect::<String>();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let catalogue = dir.path().join("catalogue.toml");
    let text = format!(
        "[licence.none]\nname = \"none\"\nurl = \"https://example.org/\"\ntext = \"Made-up weights.\"\n\
         [[model]]\nid = \"htdemucs\"\ntitle = \"HTDemucs, made-up weights\"\nkind = \"separator\"\n\
         architecture = \"htdemucs\"\nsources = [\"drums\", \"bass\", \"other\", \"vocals\"]\nlicence = \"none\"\n\
         [[model.member]]\nsignature = \"x\"\nfile = \"{name}\"\nsha256 = \"{sha256}\"\n\
         urls = [\"http://127.0.0.1:9/x\"]\n"
    );
    fs::write(&catalogue, text)?;
    let daemon = Setup::new().config(&format!("models.catalogue = {catalogue:?}")).start();
    let file = file.display().to_string();
    let output = daemon.ctl(["models", "import", &file, "--model", "htdemucs", "--accept-licence"]);
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok((daemon, dir))
}

/// Memory of one worker over many jobs of a small network.
fn many_jobs() {
    let run = || -> io::Result<[f64; 2]> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("small.safetensors");
        fs::write(&file, network("htdemucs", "", 0.5).map_err(io::Error::other)?)?;
        let (daemon, _catalogue) = daemon_with(&file)?;
        let song = wav(&synth::song(2.0, 1).mixture(), SampleFormat::I16, &Tags::default());
        let mut resident = [0.0; 2];
        for at in 0..JOBS {
            let options = JobOptions {
                model: Some("htdemucs".into()),
                format: Format::Wav16,
                fresh: true,
                ..JobOptions::default()
            };
            let job = daemon.submit("x.wav", &song, options).map_err(io::Error::other)?;
            let job = daemon.finished(&job.id);
            assert_eq!(job.state, JobState::Completed, "{:?}", job.error);
            if at == JOBS / 10 {
                resident[0] = memory_of(daemon.worker(), "VmRSS:");
            }
        }
        resident[1] = memory_of(daemon.worker(), "VmRSS:");
        Ok(resident)
    };
    match run() {
        Ok([early, late]) => {
            row(&format!("worker after {} jobs", JOBS / 10), format!("{early:.1} MB"));
            row(&format!("worker after {JOBS} jobs"), format!("{late:.1} MB"));
            row("growth", format!("{:+.2} %", (late / early - 1.0) * 100.0));
        }
        Err(error) => row("many jobs in one worker", format!("failed: {error}")),
    }
}

/// File in, files out, by both programs with the same weights and settings.
fn against_reference(python: &Path) -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/htdemucs/reference/reference.py"));
    let status = Command::new(python)
        .arg(script)
        .args(["full".as_ref(), dir.path(), "htdemucs".as_ref()])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other("reference.py failed"));
    }
    let song = dir.path().join("song.wav");
    fs::write(&song, wav(&synth::song(SONG, 3).mixture(), SampleFormat::I16, &Tags::default()))?;

    let mut theirs = Command::new(python);
    theirs
        .args(["-m", "demucs", "--repo"])
        .arg(dir.path())
        .args(["-n", "htdemucs", "--shifts", "0", "--overlap", "0.25", "--float32", "-d", "cpu", "-o"])
        .arg(dir.path().join("theirs"))
        .arg(&song)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut child = theirs.spawn()?;
    let mut peak: f64 = 0.0;
    let status = loop {
        peak = peak.max(memory_of(child.id(), "VmHWM:"));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let theirs = began.elapsed().as_secs_f64();
    if !status.success() {
        return Err(io::Error::other("the reference program failed"));
    }

    let (daemon, _catalogue) = daemon_with(&dir.path().join("htdemucs.th"))?;
    let out: PathBuf = dir.path().join("ours");
    let mut failed = None;
    let ours = seconds(|| {
        let arguments =
            ["--model", "htdemucs", "--shifts", "0", "--overlap", "0.25", "--format", "wav32f", "-o"];
        let words = ["separate".into(), song.clone().into_os_string()].into_iter();
        let output = daemon.ctl(words.chain(arguments.map(Into::into)).chain([out.clone().into_os_string()]));
        if !output.status.success() {
            failed = Some(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    });
    if let Some(error) = failed {
        return Err(io::Error::other(error));
    }
    let memory = memory_of(daemon.worker(), "VmHWM:") + memory_of(daemon.pid(), "VmHWM:");
    row(&format!("reference program, {SONG} s of song"), format!("{:.2} × rt", SONG / theirs));
    row("HTDemucs, worker started for it", format!("{:.2} × rt", SONG / ours));
    row("ratio of the speeds", format!("{:.2}", theirs / ours));
    row("reference program, peak", format!("{peak:.0} MB"));
    row("worker and daemon, peak", format!("{memory:.0} MB"));
    drop(daemon);
    alone(python, script, dir.path())
}

/// The network without files, in turn with the reference's, and its fast arithmetic.
fn alone(python: &Path, script: &Path, folder: &Path) -> io::Result<()> {
    /// Operations of HTDemucs for a segment, in 10⁹: its products, convolutions and attention.
    const WORK: f64 = 335.0;
    let example = std::env::current_exe()?.with_file_name("examples").join("against_reference");
    let ask = |program: &Path, args: &[&OsStr]| -> io::Result<serde_json::Value> {
        let output = Command::new(program).args(args).stderr(Stdio::null()).output()?;
        let line = output.stdout.split(|byte| *byte == b'\n').next().unwrap_or_default();
        serde_json::from_slice(line).map_err(io::Error::other)
    };
    let ours = |words: &[&str]| -> io::Result<serde_json::Value> {
        let words = words.iter().map(OsStr::new);
        ask(&example, &[folder.as_ref(), "htdemucs".as_ref()].into_iter().chain(words).collect::<Vec<_>>())
    };
    let number = |value: &serde_json::Value, name: &str| value[name].as_f64().unwrap_or(f64::NAN);
    // the best of three turns each, so that a neighbour's burst counts for nobody
    let [mut exact, mut fast, mut theirs] = [f64::MAX; 3];
    let mut rate: f64 = 0.0;
    for _ in 0..3 {
        exact = exact.min(number(&ours(&["f32", "network"])?, "network_s"));
        let args = [script.as_ref(), "time".as_ref(), folder.as_ref(), "htdemucs".as_ref()];
        let reference = ask(python, &args)?;
        theirs = theirs.min(number(&reference, "network_s"));
        rate = rate.max(number(&reference, "gemm_gflops"));
        fast = fast.min(number(&ours(&["fast", "network"])?, "network_s"));
    }
    let worst = |precision| -> io::Result<f64> {
        let stems = ours(&[precision, "snr"])?;
        Ok(stems
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, snr)| snr.as_f64())
            .fold(f64::MAX, f64::min))
    };
    row("network alone, a segment of 7.8 s", format!("{exact:.2} s"));
    row("the same, reference", format!("{theirs:.2} s"));
    row("ratio of the speeds, f32", format!("{:.2}", theirs / exact));
    row("of libtorch's rate for large products", format!("{:.0} %", 100.0 * WORK / exact / rate));
    row("worst stem against the reference, f32", format!("{:.1} dB", worst("f32")?));
    row("ratio of the speeds, fast", format!("{:.2}", theirs / fast));
    row("worst stem against the reference, fast", format!("{:.1} dB", worst("fast")?));
    Ok(())
}
