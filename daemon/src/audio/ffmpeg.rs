//! The way out for formats that Symphonia does not know: the external program `ffmpeg` converts once to WAV.
//!
//! The input is hostile until proven otherwise: only demuxers that read one self-contained file are allowed (no
//! playlists, no concatenation scripts), only local files are opened, the name cannot be taken for an option, and
//! the process has limits on time, memory and output. It runs as a group of its own and is killed as one.

use std::{
    fs::File,
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use harmonix_engine::Monitor;
use harmonix_ipc::{Error, ErrorKind, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use super::{limits::Limits, refusal::ends_early};

/// Demuxers that read one file and nothing else.
const DEMUXERS: &str = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dff,dsf,dts,eac3,flac,flv,iff,matroska,mov,mp3,mpc,mpc8,\
mpeg,mpegts,ogg,rm,tak,truehd,tta,voc,w64,wav,wv";
/// Longest time without an end of the conversion.
const DEADLINE: Duration = Duration::from_secs(3_600);
/// Address space in bytes.
const MEMORY: u64 = 4 << 30;
/// Longest part of the program's messages that is read.
const MESSAGES: u64 = 64 << 10;

/// A file that was converted, and what it was.
#[derive(Debug)]
pub struct Converted {
    /// The WAV file, removed when this is dropped.
    pub wav: Temporary,
    /// Container as ffmpeg calls it.
    pub container: String,
    /// Codec as ffmpeg calls it.
    pub codec: String,
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing can be done about a file that cannot be removed; the job's folder goes as a whole later.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Converts the first audio track of `source` to `work/converted.wav`, at its own rate and with its own channels.
///
/// `keep`: seconds that are needed, `None` for all.
///
/// # Errors
/// [`ErrorKind::UnsupportedFormat`] when ffmpeg finds no audio that it knows, [`ErrorKind::AudioLoad`] when it fails
/// or decodes less than the file promises, [`ErrorKind::TooLarge`] when the result exceeds the limits,
/// [`ErrorKind::Cancelled`], [`ErrorKind::Unavailable`] when the program cannot be started.
pub fn convert(
    ffmpeg: &Path,
    source: &Path,
    work: &Path,
    limits: &Limits,
    keep: Option<f64>,
    monitor: &dyn Monitor,
) -> Result<Converted> {
    let wav = Temporary(work.join("converted.wav"));
    let mut command = Command::new(ffmpeg);
    command
        .args(["-nostdin", "-hide_banner", "-nostats", "-v", "info", "-y"])
        .args(["-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS, "-i"])
        .arg(as_file(source))
        .args(["-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-c:a", "pcm_f32le"]);
    // A second more than is allowed or needed, so that too much is seen as too much.
    if let Some(seconds) = [keep, limits.max_duration].into_iter().flatten().reduce(f64::min) {
        command.arg("-t").arg(format!("{:.3}", seconds + 1.0));
    }
    command.args(["-f", "wav"]).arg(as_file(&wav.0));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|e| {
        Error::new(ErrorKind::Unavailable, "ffmpeg cannot be started")
            .hint("check that ffmpeg is installed on the machine of the daemon")
            .cause(e)
    })?;
    let group = Group::new(&child);
    let messages = child.stderr.take().map(|pipe| thread::spawn(move || read_messages(pipe)));
    let status = wait(&mut child, &group, monitor);
    // Whatever is left of the group goes before anything else is decided.
    group.kill();
    let messages = messages.map(JoinHandle::join).and_then(std::result::Result::ok).unwrap_or_default();
    judge(status?, &messages, &wav.0, keep.is_some())?;
    let facts = facts(&messages);
    Ok(Converted { wav, container: facts.0, codec: facts.1 })
}

/// An absolute `file:` name: never an option, never another protocol.
fn as_file(path: &Path) -> std::ffi::OsString {
    let mut name = std::ffi::OsString::from("file:");
    name.push(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    name
}

/// A process group under limits, killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn new(child: &Child) -> Self {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let limit = |resource, value| {
            let bounds = Rlimit { current: Some(value), maximum: Some(value) };
            // Where the limit cannot be set, the deadline still holds.
            let _ = prlimit(pid, resource, bounds);
        };
        if pid.is_some() {
            limit(Resource::Cpu, DEADLINE.as_secs());
            limit(Resource::As, MEMORY);
            limit(Resource::Core, 0);
        }
        Self(pid)
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait(child: &mut Child, group: &Group, monitor: &dyn Monitor) -> Result<ExitStatus> {
    let start = Instant::now();
    let failed = |e: &std::io::Error| Error::io(ErrorKind::Internal, "ffmpeg cannot be waited for", e);
    loop {
        if let Some(status) = child.try_wait().map_err(|e| failed(&e))? {
            return Ok(status);
        }
        let over = start.elapsed() > DEADLINE;
        if over || monitor.cancelled() {
            group.kill();
            child.wait().map_err(|e| failed(&e))?;
            return Err(if over {
                Error::new(ErrorKind::AudioLoad, "ffmpeg did not finish within an hour")
                    .hint("convert the file to flac or wav first")
            } else {
                super::ingest::cancelled()
            });
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The first part of what the program says; the rest is read and dropped, so that it never blocks.
fn read_messages(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(MESSAGES).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn judge(status: ExitStatus, messages: &str, wav: &Path, part: bool) -> Result<()> {
    let cause = last_error(messages);
    if !messages.contains("Audio: ") {
        return Err(Error::new(ErrorKind::UnsupportedFormat, "ffmpeg finds no audio in the file")
            .hint("convert the file to flac or wav first")
            .cause(cause));
    }
    if !status.success() {
        return Err(Error::new(ErrorKind::AudioLoad, "ffmpeg cannot decode the audio")
            .hint("get an intact copy of the file, or convert it to flac or wav")
            .cause(cause));
    }
    let (Some(promised), Some(decoded)) = (duration(messages), wav_seconds(wav)) else { return Ok(()) };
    if !part && decoded < 0.98 * promised - 0.25 {
        return Err(ends_early(&format!("{decoded:.3} s"), &format!("{promised:.3} s")));
    }
    Ok(())
}

/// Container and codec of the input: `Input #0, asf, from …` and `Stream #0:0: Audio: wmav2 (…), …`.
fn facts(messages: &str) -> (String, String) {
    let after = |mark: &str| {
        let rest = messages.split_once(mark).map_or("", |(_, rest)| rest);
        let word = rest.split([',', ' ', '\n']).next().unwrap_or_default();
        if word.is_empty() { "unknown".to_owned() } else { word.to_owned() }
    };
    (after("Input #0, "), after("Audio: "))
}

/// Seconds that the header promises; none where ffmpeg guesses.
fn duration(messages: &str) -> Option<f64> {
    if messages.contains("Estimating duration") {
        return None;
    }
    let (_, rest) = messages.split_once("Duration: ")?;
    let mut parts = rest.split(',').next()?.trim().split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(hours * 3_600.0 + minutes * 60.0 + seconds)
}

/// Length of a WAV file of 32-bit samples by its own size; the header is small against a quarter of a second.
fn wav_seconds(path: &Path) -> Option<f64> {
    let mut file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let mut head = [0; 28];
    file.read_exact(&mut head).ok()?;
    let rate = u32::from_le_bytes([head[24], head[25], head[26], head[27]]);
    let channels = u16::from_le_bytes([head[22], head[23]]);
    (rate > 0 && channels > 0).then(|| bytes as f64 / 4.0 / f64::from(channels) / f64::from(rate))
}

/// The last line that is not about streams, without the name of a file.
fn last_error(messages: &str) -> String {
    let line = messages.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    let line =
        line.rsplit_once("file:").map_or(line, |(_, rest)| rest.split_once(": ").map_or("", |(_, r)| r));
    let line = line.split_once("] ").filter(|_| line.starts_with('[')).map_or(line, |(_, rest)| rest);
    format!("ffmpeg: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Input #0, asf, from 'file:/srv/x/source':\n  Metadata:\n    encoder : Lavf\n  \
        Duration: 01:02:03.50, start: 0.000000, bitrate: 130 kb/s\n  \
        Stream #0:0: Audio: wmav2 (a[1][0][0] / 0x0161), 44100 Hz, stereo, fltp, 128 kb/s\n";

    #[test]
    fn facts_are_read_from_its_messages() {
        assert_eq!(facts(SAID), ("asf".to_owned(), "wmav2".to_owned()));
        assert_eq!(duration(SAID), Some(3_723.5));
        assert_eq!(duration(&format!("[mp3] Estimating duration from bitrate\n{SAID}")), None);
        assert_eq!(duration("Duration: N/A, start"), None);
    }

    #[test]
    fn no_path_reaches_the_user() {
        let said = "file:/var/lib/harmonix/jobs/7/source: Invalid data found when processing input\n";
        assert_eq!(last_error(said), "ffmpeg: Invalid data found when processing input");
        assert_eq!(last_error("[mov @ 0x55] moov atom not found\n"), "ffmpeg: moov atom not found");
        assert!(!last_error("Error opening input file file:/var/lib/x.\n").contains("/var"));
    }

    #[test]
    fn names_are_never_options() {
        let name = as_file(Path::new("-i.wav"));
        assert!(name.to_str().unwrap().starts_with("file:/") && name.to_str().unwrap().ends_with("/-i.wav"));
    }
}
