//! The table of configuration keys. The example file and the names of environment variables come from it.

use super::Config;

/// A key: its path, and its text for people.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("state_dir", "Where jobs, results and the store live."),
    ("cache_dir", "Where models live."),
    ("runtime_dir", "Where the control socket `control.sock` lives."),
    ("device", "Where models compute: auto, cpu or cuda."),
    ("log", "What is logged: error, warn, info, debug, trace, or a filter such as `info,harmonixd=debug`."),
    ("log_format", "Form of the log: auto (the journal under systemd, else text), text, json or journal."),
    (
        "watch",
        "Watched folders, each a table [[watch]] at the end of the file: what is dropped there is separated once. `folder`; `output`, \
         where stems go (default: `stems` beside the folder); `quality`, `mode` and `format` as for `harmonixctl separate`; \
         `recursive` (default false); `owner`, the user id that the jobs belong to (default: the daemon's own). Both folders lie under \
         one of library.roots.",
    ),
    (
        "socket.mode",
        "Permissions of the control socket in octal. auto: 0660 for the system's daemon, 0600 for a user's own.",
    ),
    ("socket.connections", "Connections at once; more are told `busy`."),
    (
        "access.admins",
        "Ids of users who may see and end everybody's jobs, besides root and the daemon's own user.",
    ),
    (
        "dbus.bus",
        "The message bus: auto (the system's for the system's daemon, else the session's), system, session or off.",
    ),
    ("dbus.finished", "Jobs that keep their objects on the bus after they have ended, at most."),
    ("dbus.finished_for", "Seconds for which they keep them."),
    ("limits.upload_bytes", "Largest input in bytes."),
    ("limits.upload_idle", "Seconds without a byte after which an upload is given up."),
    ("limits.duration", "Longest input in seconds; 0 is no limit."),
    ("limits.channels", "Most channels of an input."),
    ("limits.sample_rate", "Highest sample rate of an input in hertz."),
    ("limits.active_jobs", "Jobs that wait or run at once; more are told `busy`."),
    (
        "limits.free_bytes",
        "Bytes of the disk that jobs leave free: one that would need them is refused before its separation.",
    ),
    (
        "library.keep_sources",
        "Keep the input of a job until the job is deleted, so that `again` and `verify` can run it once more; costs its size on disk.",
    ),
    ("library.roots", "The only folders in which the daemon reads or writes songs by path: for [[watch]]."),
    (
        "library.scan",
        "Seconds between two looks at a watched folder, for what the kernel does not tell: files of other machines, folders that come back.",
    ),
    ("ingest.ffmpeg", "The ffmpeg program, for formats that are not built in; empty: never run it."),
    ("ingest.parallel", "Inputs that are decoded at once."),
    (
        "worker.program",
        "The harmonix-worker program; empty: look beside harmonixd, then in the package's place.",
    ),
    ("worker.idle", "Seconds after which a worker without work is stopped and its memory freed."),
    ("worker.stall", "Seconds without progress after which a worker counts as hung and is replaced."),
    (
        "worker.nice",
        "How far the worker stands back for other programs on the processor and, with that, on the disk: 0 to 19.",
    ),
    (
        "worker.oom_score_adj",
        "How much sooner the kernel ends the worker than others when memory runs out: 0 to 1000. Its job goes on in another.",
    ),
    (
        "models.catalogue",
        "A file with more models, in the form of models/registry.toml; its entries take the place of those of the same id.",
    ),
    (
        "models.proxy",
        "Proxy for the download of models, e.g. http://proxy:3128; empty: as HTTPS_PROXY and the like say; none: no proxy.",
    ),
    (
        "analysis.instruments",
        "What instruments are told by: classifier, heuristic (drums and bass, from the spectrum alone) or off.",
    ),
    ("analysis.instrument_threshold", "Least confidence of an instrument that is named, 0 to 1."),
    (
        "cache.max_bytes",
        "Most bytes of stems that are kept so that they need not be computed again (a minute of four stems: 85 MB); 0: none.",
    ),
    (
        "quota.jobs",
        "Jobs that one user may have, finished ones included, failed and cancelled ones not; 0: no limit.",
    ),
    ("quota.bytes", "Bytes of outputs at which a user's further jobs are refused; 0: no limit."),
    (
        "retention.hours",
        "Hours after which a finished job and its files go, unless its song is a favourite; 0: never.",
    ),
    (
        "retention.max_bytes",
        "Bytes of outputs at which those of the jobs that ended first go, favourites' not; 0: no limit.",
    ),
    (
        "store.backups",
        "Backups of the store that are kept: one is written a day, and one before a new version changes it; 0: none.",
    ),
];

/// The example file: every key with its text and its default, commented out.
pub fn example() -> String {
    let defaults = toml::Table::try_from(Config::default()).unwrap_or_default();
    let mut text = String::from("# Configuration of harmonixd. Every key is shown with its default.\n");
    let mut section = "";
    for (path, doc) in KEYS {
        let (table, key) = path.split_once('.').unwrap_or(("", path));
        if table != section {
            section = table;
            text += &format!("\n[{section}]\n");
        }
        let value =
            if table.is_empty() { defaults.get(key) } else { defaults.get(table).and_then(|t| t.get(key)) };
        let value = value.map(ToString::to_string).unwrap_or_default();
        text += &format!("\n# {doc}\n# {}: HARMONIX_{}\n#{key} = {value}\n", "environment", env_name(path));
    }
    text
}

/// `limits.upload_bytes` → `LIMITS_UPLOAD_BYTES`, without the prefix.
pub(super) fn env_name(path: &str) -> String {
    path.replace('.', "_").to_uppercase()
}
