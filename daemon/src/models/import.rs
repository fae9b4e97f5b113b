//! A file of a model on its way in from a client. Dropped before its end, nothing is left of it.

use std::path::PathBuf;

use harmonix_ipc::{Error, ErrorKind, ModelDetails, ModelImport, Result};
use tokio::{fs::File, io::AsyncWriteExt};

use super::{
    Member, ModelStore,
    digest::{self, Expected},
    pull::pinned,
    record::storage,
    store::expected,
};
use crate::{actors::compute, caller::Caller};

/// An import.
pub struct Import {
    store: ModelStore,
    caller: Caller,
    request: ModelImport,
    path: PathBuf,
    file: File,
    bytes: u64,
    limit: u64,
}

/// A file that the bytes may be.
struct Candidate {
    model: String,
    member: Member,
    expected: Expected,
}

impl ModelStore {
    /// Begins an import: [`ErrorKind::NotFound`] for a model that does not exist, [`ErrorKind::TooLarge`] for what is
    /// larger than every file that it could be, [`ErrorKind::Denied`] when it is for a model whose licence nobody
    /// accepted.
    pub async fn import(&self, caller: Caller, request: ModelImport) -> Result<Import> {
        let limit =
            self.candidates(request.model.as_deref())?.iter().map(|c| c.member.limit).max().unwrap_or(0);
        if let Some(size) = request.size.filter(|size| *size > limit) {
            return Err(too_large(size, limit));
        }
        let (store, path) = (self.clone(), self.incoming(&crate::job::new_id()?.0));
        let (model, accept, place) = (request.model.clone(), request.accept_licence, path.clone());
        let file = compute(move || {
            // better before the bytes than after them
            if let Some(model) = model {
                store.hold(&model, "imported")?.consent(caller.uid, accept)?;
            }
            std::fs::File::create_new(place).map_err(|error| storage(&error))
        });
        let file = File::from_std(file.await?);
        Ok(Import { store: self.clone(), caller, request, path, file, bytes: 0, limit })
    }

    /// The files that are imported: of one model, or of all.
    fn candidates(&self, model: Option<&str>) -> Result<Vec<Candidate>> {
        let entries: Vec<_> = match model {
            Some(id) => vec![self.entry(id)?],
            None => self.catalogue().all().iter().collect(),
        };
        let of = |entry: &&super::Entry| {
            self.record(&entry.id, |record| {
                let candidate = |member: &Member| Candidate {
                    model: entry.id.clone(),
                    member: member.clone(),
                    expected: expected(member, record),
                };
                entry.members.iter().map(candidate).collect::<Vec<_>>()
            })
        };
        let all: Vec<_> = entries.iter().flat_map(of).collect();
        if all.is_empty() {
            return Err(Error::new(ErrorKind::InvalidRequest, "the built-in engine has no files"));
        }
        Ok(all)
    }
}

impl Import {
    /// Most bytes that are taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes the next bytes: [`ErrorKind::TooLarge`] as soon as there are too many.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        self.bytes += data.len() as u64;
        if self.bytes > self.limit {
            return Err(too_large(self.bytes, self.limit));
        }
        self.file.write_all(data).await.map_err(|error| storage(&error))
    }

    /// All bytes are there: finds out which file it is and installs it.
    ///
    /// A file is known by its digest, or by its name where the catalogue has none. [`ErrorKind::ModelCorrupt`], with the
    /// digests that there are, if it is none of them; [`ErrorKind::Denied`] if the licence was not accepted.
    pub async fn finish(mut self) -> Result<ModelDetails> {
        self.file.flush().await.map_err(|error| storage(&error))?;
        self.file.sync_all().await.map_err(|error| storage(&error))?;
        let import = self;
        compute(move || {
            let (hash, bytes) = digest::of_file(&import.path).map_err(|error| storage(&error))?;
            let sha256 = digest::hex(sha2::Digest::finalize(hash));
            let found = import.find(&sha256, bytes)?;
            let hold = import.store.hold(&found.model, "imported")?;
            hold.consent(import.caller.uid, import.request.accept_licence)?;
            let is_first = found.member.sha256.is_none() && hold.record().file(&found.member.file).is_none();
            let notes = if is_first { vec![pinned(&found.member, &sha256)] } else { Vec::new() };
            hold.install(&found.member, &import.path, sha256, bytes, "import".into())?;
            drop(hold);
            Ok(ModelDetails { notes, ..import.store.details(&found.model)? })
        })
        .await
    }

    fn find(&self, sha256: &str, bytes: u64) -> Result<Candidate> {
        let mut all = self.store.candidates(self.request.model.as_deref())?;
        let fits = |c: &Candidate| {
            let sized = c.member.size.is_none_or(|size| size == bytes) && bytes <= c.member.limit;
            sized
                && c.expected.allows(sha256)
                && (c.expected.is_known() || c.member.file == self.request.name)
        };
        if bytes > 0
            && let Some(at) = all.iter().position(fits)
        {
            return Ok(all.swap_remove(at));
        }
        let known = |c: &Candidate| format!("{} of {}: {}", c.member.file, c.model, c.expected);
        let known: Vec<_> = all.iter().map(known).collect();
        let message = format!("the file's sha256 is {sha256}, which none of the files has that it could be");
        Err(Error::new(ErrorKind::ModelCorrupt, message).hint(format!("expected is {}", known.join("; "))))
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // gone already when it was installed
        let _ = std::fs::remove_file(&self.path);
    }
}

fn too_large(size: u64, limit: u64) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the file has {size} bytes or more, the limit is {limit}"))
        .hint("no file of a model of the catalogue is that large")
}
