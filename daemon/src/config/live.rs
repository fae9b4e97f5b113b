//! The configuration in force, which `SIGHUP` may change.

use std::{cell::RefCell, rc::Rc};

use harmonix_ipc::{Error, ErrorKind, Result};
use toml::Table;

use super::{
    Config,
    keys::KEYS,
    layers::{finish, get, put},
};

/// Keys, or sections, that need no restart.
const RELOADED: &[&str] = &["log", "access.", "limits.", "quota.", "retention."];

/// The configuration in force. Whoever works for longer than one request asks it again.
#[derive(Debug, Clone)]
pub struct Live(Rc<RefCell<Rc<Config>>>);

/// What a new configuration came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys that are different now.
    pub changed: Vec<&'static str>,
    /// Keys that keep their old values until the daemon is restarted.
    pub restart: Vec<&'static str>,
}

impl From<Config> for Live {
    fn from(config: Config) -> Self {
        Self(Rc::new(RefCell::new(Rc::new(config))))
    }
}

impl Live {
    /// The configuration in force now.
    pub fn get(&self) -> Rc<Config> {
        Rc::clone(&self.0.borrow())
    }

    /// Takes over what can be taken over of a new configuration.
    pub fn reload(&self, new: &Config) -> Result<Reloaded> {
        let internal = |error: toml::ser::Error| Error::new(ErrorKind::Internal, error.to_string());
        let mut table = Table::try_from(&*self.get()).map_err(internal)?;
        let new = Table::try_from(new).map_err(internal)?;
        let mut reloaded = Reloaded::default();
        for (path, _) in KEYS {
            let Some(value) = get(&new, path).filter(|value| get(&table, path) != Some(*value)) else {
                continue;
            };
            if RELOADED.iter().any(|key| path == key || (key.ends_with('.') && path.starts_with(key))) {
                put(&mut table, path, value.clone());
                reloaded.changed.push(path);
            } else {
                reloaded.restart.push(path);
            }
        }
        *self.0.borrow_mut() = Rc::new(finish(table)?);
        Ok(reloaded)
    }
}
