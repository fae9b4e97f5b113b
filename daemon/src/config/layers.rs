//! Defaults < file < environment < flags.

use std::{
    env,
    path::{Path, PathBuf},
};

use harmonix_ipc::{Error, ErrorKind, Result};
use toml::{Table, Value};

use super::{
    Config,
    keys::{KEYS, env_name},
};

/// Where the daemon keeps things unless told otherwise.
pub(super) struct Dirs {
    pub(super) state: PathBuf,
    pub(super) cache: PathBuf,
    pub(super) runtime: PathBuf,
}

impl Dirs {
    /// True for root and under a systemd unit of the system with a state directory.
    pub(super) fn is_system() -> bool {
        let unit = env::var_os("STATE_DIRECTORY").is_some() && env::var_os("XDG_RUNTIME_DIR").is_none();
        unit || rustix::process::geteuid().is_root()
    }

    pub(super) fn here() -> Self {
        let from = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        if Self::is_system() {
            return Self {
                state: from("STATE_DIRECTORY").unwrap_or_else(|| "/var/lib/harmonix".into()),
                cache: from("CACHE_DIRECTORY").unwrap_or_else(|| "/var/cache/harmonix".into()),
                runtime: from("RUNTIME_DIRECTORY").unwrap_or_else(|| "/run/harmonix".into()),
            };
        }
        let home = from("HOME").unwrap_or_else(|| "/".into());
        let or_home = |name: &str, rest: &str| from(name).unwrap_or_else(|| home.join(rest)).join("harmonix");
        Self {
            state: or_home("XDG_STATE_HOME", ".local/state"),
            cache: or_home("XDG_CACHE_HOME", ".cache"),
            runtime: or_home("XDG_RUNTIME_DIR", ".local/state/harmonix-run"),
        }
    }
}

/// What is laid over the defaults.
#[derive(Debug, Default, Clone)]
pub struct Layers {
    /// The configuration file; when absent `HARMONIX_CONFIG`, else the usual places are looked at.
    pub file: Option<PathBuf>,
    /// Flags: paths of keys with their values as text.
    pub flags: Vec<(&'static str, String)>,
}

impl Layers {
    /// Reads everything and gives the configuration in force.
    ///
    /// Fails with [`ErrorKind::Config`]: an unreadable file, an unknown key (names file, line and key), a value of
    /// the wrong type or out of its range.
    pub fn load(&self) -> Result<Config> {
        let mut table = defaults()?;
        if let Some(path) = self.path() {
            let shown = path.display();
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Error::io(ErrorKind::Config, format!("cannot read the configuration {shown}"), &error)
            })?;
            merge(&mut table, &parse(&text).map_err(|error| named(error, &shown.to_string()))?);
        }
        for (path, _) in KEYS {
            let name = format!("HARMONIX_{}", env_name(path));
            match env::var(&name) {
                Ok(text) => set(&mut table, path, &text).map_err(|error| named(error, &name))?,
                Err(env::VarError::NotPresent) => {}
                Err(error) => return Err(Error::new(ErrorKind::Config, format!("{name}: {error}"))),
            }
        }
        for (path, text) in &self.flags {
            set(&mut table, path, text)?;
        }
        let config = finish(table)?;
        super::watch::check(&config)?;
        Ok(config)
    }

    /// The file that is read: the given one, else the first usual one that exists.
    fn path(&self) -> Option<PathBuf> {
        let given = self.file.clone().or_else(|| env::var_os("HARMONIX_CONFIG").map(PathBuf::from));
        given.or_else(|| {
            let user = env::var_os("XDG_CONFIG_HOME")
                .map(PathBuf::from)
                .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config")))
                .map(|dir| dir.join("harmonix/config.toml"));
            let system = Some(PathBuf::from("/etc/harmonix/config.toml"));
            let places = if Dirs::is_system() { [system, None] } else { [user, system] };
            places.into_iter().flatten().find(|path| path.exists())
        })
    }
}

/// Checks the text of a configuration file; `name` is what errors call it.
pub fn check(text: &str, name: &str) -> Result<()> {
    let mut table = defaults()?;
    merge(&mut table, &parse(text).map_err(|error| named(error, name))?);
    finish(table).and_then(|config| super::watch::check(&config)).map_err(|error| named(error, name))
}

fn defaults() -> Result<Table> {
    Table::try_from(Config::default()).map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))
}

/// Parses a file against the schema; errors say line and key.
fn parse(text: &str) -> Result<Table> {
    let table: Table = toml::from_str(text).map_err(|error| at_line(text, &error))?;

    let known = |table: &Table, prefix: &str| -> Option<String> {
        table.keys().map(|key| format!("{prefix}{key}")).find(|path| {
            !KEYS.iter().any(|(known, _)| known == path || known.starts_with(&format!("{path}.")))
        })
    };
    let unknown = known(&table, "")
        .or_else(|| table.iter().find_map(|(key, value)| known(value.as_table()?, &format!("{key}."))));
    if let Some(path) = unknown {
        let key = path.rsplit('.').next().unwrap_or(&path);
        let line = line_of(text, &path);
        return Err(Error::new(ErrorKind::Config, format!("line {line}: unknown key `{path}`"))
            .hint(format!("`harmonixd --example-config` shows every key; {}", similar(key))));
    }
    for (path, value) in leaves(&table) {
        check_type(&path, &value).map_err(|error| {
            Error::new(ErrorKind::Config, format!("line {}: {error}", line_of(text, &path)))
        })?;
    }
    Ok(table)
}

fn at_line(text: &str, error: &toml::de::Error) -> Error {
    let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    Error::new(ErrorKind::Config, format!("line {line}: {}", error.message()))
}

/// The line on which a key is set: the first that begins with it after its section's header.
fn line_of(text: &str, path: &str) -> usize {
    let (section, key) = path.rsplit_once('.').unwrap_or(("", path));
    let mut here = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) =
            line.strip_prefix('[').and_then(|rest| rest.trim_start_matches('[').split(']').next())
        {
            here = header.trim();
            if section.is_empty() && here == key {
                return number + 1;
            }
        } else if (here == section && starts_with_key(line, key))
            || (here.is_empty() && starts_with_key(line, path))
        {
            return number + 1;
        }
    }
    1
}

fn starts_with_key(line: &str, key: &str) -> bool {
    let line = line.trim_start_matches(['"', '\'']);
    line.strip_prefix(key)
        .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('='))
}

fn similar(key: &str) -> String {
    let shared = |name: &str| name.chars().zip(key.chars()).take_while(|(a, b)| a == b).count();
    let best = KEYS.iter().max_by_key(|(path, _)| shared(path.rsplit('.').next().unwrap_or(path)));
    best.map_or_else(String::new, |(path, _)| format!("did you mean `{path}`?"))
}

fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                all.extend(leaves(inner).into_iter().map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            value => all.push((key.clone(), value.clone())),
        }
    }
    all
}

/// Tries one value in the place of its default.
fn check_type(path: &str, value: &Value) -> std::result::Result<(), String> {
    let mut table = defaults().map_err(|error| error.message)?;
    put(&mut table, path, value.clone());
    finish(table).map(drop).map_err(|error| format!("`{path}`: {}", error.message))
}

fn merge(base: &mut Table, over: &Table) {
    for (path, value) in leaves(over) {
        put(base, &path, value);
    }
}

pub(super) fn put(table: &mut Table, path: &str, value: Value) {
    // a whole number where a fraction is expected is no error
    let value = match (value, get(table, path)) {
        (Value::Integer(whole), Some(Value::Float(_))) => Value::Float(whole as f64),
        (value, _) => value,
    };
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((section, key)) => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                inner.insert(key.to_owned(), value);
            } else {
                table.insert(section.to_owned(), Value::Table(Table::from_iter([(key.to_owned(), value)])));
            }
        }
    }
}

pub(super) fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, key)) => table.get(section)?.get(key),
    }
}

/// Sets a key from text, read as the type that its default has.
fn set(table: &mut Table, path: &str, text: &str) -> Result<()> {
    let wrong = |what: &str| Error::new(ErrorKind::Config, format!("`{path}`: `{text}` is not {what}"));
    let value = match get(table, path) {
        Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        Some(Value::Float(_)) => Value::Float(text.parse().map_err(|_| wrong("a number"))?),
        Some(Value::Boolean(_)) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
        Some(Value::Array(_)) => {
            let value = list(text);
            check_type(path, &value).map_err(|error| Error::new(ErrorKind::Config, error))?;
            value
        }
        _ => Value::String(text.to_owned()),
    };
    put(table, path, value);
    Ok(())
}

/// A list in TOML, or its parts with commas between them.
fn list(text: &str) -> Value {
    if let Ok(list @ Value::Array(_)) = text.parse::<Value>() {
        return list;
    }
    let part = |part: &str| part.parse().map_or_else(|_| Value::String(part.to_owned()), Value::Integer);
    Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(part).collect())
}

pub(super) fn finish(table: Table) -> Result<Config> {
    let config: Config = table
        .try_into()
        .map_err(|error: toml::de::Error| Error::new(ErrorKind::Config, error.message().trim().to_owned()))?;
    let wrong = |what: &str| Err(Error::new(ErrorKind::Config, what.to_owned()));
    let limits = &config.limits;
    match () {
        () if config.socket_mode().is_none() => wrong("`socket.mode` must be auto or octal such as 0660"),
        () if limits.active_jobs == 0 => wrong("`limits.active_jobs` must be at least 1"),
        () if config.ingest.parallel == 0 => wrong("`ingest.parallel` must be at least 1"),
        () if config.socket.connections == 0 => wrong("`socket.connections` must be at least 1"),
        () if crate::models::proxy(&config.models.proxy).is_err() => {
            wrong("`models.proxy` must be empty, none, or an address such as http://proxy:3128")
        }
        () if config.worker.nice > 19 => wrong("`worker.nice` must be 0 to 19"),
        () if config.worker.oom_score_adj > 1000 => wrong("`worker.oom_score_adj` must be 0 to 1000"),
        () if !(0.0..=1.0).contains(&config.analysis.instrument_threshold) => {
            wrong("`analysis.instrument_threshold` must lie between 0 and 1")
        }
        () if limits.channels == 0 => wrong("`limits.channels` must be at least 1"),
        () if !(limits.duration >= 0.0 && limits.duration.is_finite()) => {
            wrong("`limits.duration` must not be negative")
        }
        () if [
            limits.upload_idle,
            config.library.scan,
            config.worker.idle,
            config.worker.stall,
            config.dbus.finished_for,
        ]
        .iter()
        .any(|s| !(*s > 0.0 && *s < 1e9)) =>
        {
            wrong("times must be positive numbers of seconds")
        }
        () if ![&config.state_dir, &config.cache_dir, &config.runtime_dir]
            .iter()
            .all(|dir| dir.is_absolute()) =>
        {
            wrong("`state_dir`, `cache_dir` and `runtime_dir` must be absolute paths")
        }
        () => Ok(config),
    }
}

fn named(mut error: Error, name: &str) -> Error {
    error.message = format!("{name}: {}", error.message);
    error
}
