//! Opening the store when the daemon starts.

use std::path::Path;

use harmonix_ipc::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{Backups, import::put_all_aside};
use crate::{
    folders::Folders,
    store::{SledStore, Store, Write},
};

/// Version of what is in the store: of keys and of all kinds of records together. It grows when an older daemon would
/// misunderstand what a newer one has written.
const VERSION: u32 = 1;

/// Where the store says who wrote it.
const KEY: &str = "meta/version";

/// Who wrote a store.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    store: u32,
    harmonixd: String,
}

/// Opens the store in a state directory. One that another version of the daemon wrote is backed up before this one
/// changes it; one that is of a newer form is left alone.
///
/// # Errors
/// As [`SledStore::open`]; [`ErrorKind::Conflict`] for a store of a newer form.
pub(crate) fn open(state: &Path, backups: &Backups, folders: &Folders) -> Result<SledStore> {
    let dir = state.join("store");
    let is_new = !dir.join("db").exists();
    let mut store = SledStore::open(&dir)?;
    if is_new {
        // somebody moved the store away: what its jobs made is not for the broom
        let aside = put_all_aside(folders)?;
        if aside > 0 {
            tracing::warn!(
                jobs = aside,
                "the store is new, and there are jobs: their folders are in `strays` now"
            );
        }
    }
    let found = store.get(KEY)?.and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
    match found {
        Some(found) if found.store == VERSION && found.harmonixd == env!("CARGO_PKG_VERSION") => {
            return Ok(store);
        }
        Some(found) if found.store > VERSION => return Err(newer(&found.harmonixd)),
        found => {
            let from = found.map_or_else(|| "an unknown version".to_owned(), |found| found.harmonixd);
            match backups.back_up_now(&mut store) {
                Ok(Some(_)) => tracing::info!(from, "the store is of another version: it was backed up"),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = %error, causes = ?error.causes, "the store is not backed up");
                }
            }
        }
    }
    // on a disk that is full the next start does it
    if let Err(error) = sign(&mut store) {
        tracing::warn!(error = %error, causes = ?error.causes, "the store's version is not noted");
    }
    Ok(store)
}

/// Notes in a store who writes it from here on.
pub(super) fn sign(store: &mut dyn Store) -> Result<()> {
    let here = Written { store: VERSION, harmonixd: env!("CARGO_PKG_VERSION").into() };
    let value = serde_json::to_vec(&here).unwrap_or_default();
    store.commit(&[Write::Put(KEY.into(), value)])
}

fn newer(by: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the store was written by harmonixd {by}, which is newer"))
        .hint("install that one again, or start from a backup that is older: `harmonixd --store-import FILE --replace`")
}
