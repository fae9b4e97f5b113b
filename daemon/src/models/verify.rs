//! Hashing again what is installed.

use std::{fs, io};

use harmonix_engine::durable;
use harmonix_ipc::{FileState, Result, VerifiedFile};

use super::{
    Hold,
    digest::{self, Expected},
    record::storage,
    store::damaged,
};

impl Hold {
    /// Hashes every file of the model and sets those aside that do not have their digest: as `<file>.damaged`. The
    /// model is then not installed any more. Reads all files: not for an actor's thread.
    pub fn verify(&self) -> Result<Vec<VerifiedFile>> {
        let (before, folder) = (self.record(), self.folder());
        let mut after = before.clone();
        let mut report = Vec::new();
        for kept in &mut after.files {
            let path = folder.join(&kept.name);
            let sha256 = match digest::of_file(&path) {
                Ok((hash, _)) => Some(digest::hex(sha2::Digest::finalize(hash))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(storage(&error)),
            };
            let member = self.entry().members.iter().find(|member| member.file == kept.name);
            let catalogue = member.map_or(Expected::Unknown, Expected::catalogue);
            kept.state = match &sha256 {
                Some(sha256) if *sha256 == kept.sha256 && catalogue.allows(sha256) => FileState::Present,
                Some(_) => {
                    let aside = || -> io::Result<()> { durable::publish(&path, &damaged(&path)) };
                    aside().map_err(|error| storage(&error))?;
                    tracing::warn!(
                        model = self.entry().id,
                        file = kept.name,
                        "damaged file of a model set aside"
                    );
                    FileState::Damaged
                }
                None if kept.state == FileState::Damaged && fs::exists(damaged(&path)).unwrap_or(false) => {
                    FileState::Damaged
                }
                None => FileState::Missing,
            };
            report.push(VerifiedFile {
                model: self.entry().id.clone(),
                name: kept.name.clone(),
                state: kept.state,
                sha256,
            });
        }
        if after != before {
            self.change(|record| *record = after)?;
        }
        Ok(report)
    }
}
