//! An input on its way in: from the transport's bytes, or from an earlier job's, to an accepted job. Dropped before that,
//! nothing is left of it.

use std::{fs, io, path::PathBuf};

use harmonix_engine::durable;
use harmonix_ipc::{Error, ErrorKind, Job, JobId, Reply, Result};
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{
    actors::{
        Slot, compute,
        jobs::{Accept, JobsActor, Release},
    },
    folders::JobFolder,
    models::Import,
    store::Write,
    upkeep,
};

/// Bytes that a client sends, whatever they are.
pub enum Incoming {
    /// A song.
    Song(Upload),
    /// A file of a model.
    Weights(Import),
    /// An export of a store.
    Store(upkeep::Import),
}

impl Incoming {
    /// Most bytes that are taken.
    pub fn limit(&self) -> u64 {
        match self {
            Self::Song(upload) => upload.limit(),
            Self::Weights(import) => import.limit(),
            Self::Store(import) => import.limit(),
        }
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Song(upload) => upload.write(data).await,
            Self::Weights(import) => import.write(data).await,
            Self::Store(import) => import.write(data).await,
        }
    }

    /// All bytes are there.
    pub async fn finish(self) -> Result<Reply> {
        match self {
            Self::Song(upload) => upload.finish().await.map(Reply::Job),
            Self::Weights(import) => import.finish().await.map(Reply::Model),
            Self::Store(import) => import.finish().await.map(Reply::StoreImported),
        }
    }
}

/// A song with its place in the queue.
pub struct Upload {
    jobs: Slot<JobsActor>,
    folder: JobFolder,
    accept: Option<Accept>,
    file: File,
    bytes: u64,
    digest: Box<blake3::Hasher>,
    limit: u64,
}

/// The refusal of an input of `size` bytes.
pub(crate) fn too_large(size: u64, limit: u64) -> Error {
    Error::new(ErrorKind::TooLarge, format!("the input has {size} bytes or more, the limit is {limit}"))
        .hint("raise limits.upload_bytes, or send a compressed file such as FLAC")
}

impl Upload {
    /// Opens the file of a job whose place is reserved.
    pub(crate) async fn begin(
        jobs: Slot<JobsActor>,
        folder: JobFolder,
        accept: Accept,
        limit: u64,
    ) -> Result<Self> {
        let place = folder.clone();
        let opened = compute(move || {
            let open = || {
                fs::create_dir(place.path())?;
                fs::File::create_new(place.incoming())
            };
            open().map_err(|error| storage(&error))
        });
        match opened.await {
            Ok(file) => {
                let accept = Some(accept);
                Ok(Self {
                    jobs,
                    folder,
                    accept,
                    file: File::from_std(file),
                    bytes: 0,
                    digest: Box::default(),
                    limit,
                })
            }
            Err(error) => {
                jobs.tell(Release(accept.reserved.id));
                let _ = folder.remove();
                Err(error)
            }
        }
    }

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
        self.digest.update(data);
        self.file.write_all(data).await.map_err(|error| storage(&error))
    }

    /// Takes the input of an earlier job in the place of bytes, as it is and without a copy. `source` is the digest of its
    /// bytes, if it is known.
    pub(crate) async fn link(mut self, from: PathBuf, source: Option<String>) -> Result<Job> {
        let to = self.folder.clone();
        let digest = compute(move || {
            let link = || -> io::Result<String> {
                fs::remove_file(to.incoming())?;
                fs::hard_link(&from, to.source())?;
                durable::sync_dir(to.path())?;
                to.path().parent().map_or(Ok(()), durable::sync_dir)?;
                match source {
                    Some(source) => Ok(source),
                    None => {
                        let mut digest = blake3::Hasher::new();
                        io::copy(&mut fs::File::open(to.source())?, &mut digest)?;
                        Ok(digest.finalize().to_hex().to_string())
                    }
                }
            };
            link().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => not_kept(),
                _ => storage(&error),
            })
        });
        let digest = digest.await?;
        self.accepted(digest).await
    }

    /// BLAKE3 of the bytes so far, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        self.digest.finalize().to_hex().to_string()
    }

    /// All bytes are there: makes them durable, then the job.
    pub async fn finish(self) -> Result<Job> {
        self.finish_with(|_| Vec::new()).await
    }

    /// The same; what `with` makes of the job's id becomes durable together with the job, or not at all.
    pub(crate) async fn finish_with(mut self, with: impl FnOnce(&JobId) -> Vec<Write>) -> Result<Job> {
        if self.bytes == 0 {
            return Err(Error::new(ErrorKind::AudioLoad, "the input is empty"));
        }
        self.file.flush().await.map_err(|error| storage(&error))?;
        self.file.sync_all().await.map_err(|error| storage(&error))?;
        let folder = self.folder.clone();
        compute(move || {
            let publish = || -> io::Result<()> {
                durable::publish(&folder.incoming(), &folder.source())?;
                folder.path().parent().map_or(Ok(()), durable::sync_dir)
            };
            publish().map_err(|error| storage(&error))
        })
        .await?;
        let digest = self.digest();
        if let Some(accept) = &mut self.accept {
            accept.with = with(&accept.reserved.id);
        }
        self.accepted(digest).await
    }

    async fn accepted(&mut self, source: String) -> Result<Job> {
        let mut accept =
            self.accept.take().ok_or_else(|| Error::new(ErrorKind::Internal, "accepted twice"))?;
        accept.source = source;
        let accepted = self.jobs.call(accept).await.and_then(|accepted| accepted);
        if accepted.is_err() {
            let _ = self.folder.remove();
        }
        accepted
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(accept) = self.accept.take() {
            self.jobs.tell(Release(accept.reserved.id));
            if let Err(error) = self.folder.remove() {
                tracing::warn!(%error, "an upload that was given up cannot be removed");
            }
        }
    }
}

/// The refusal to run a job once more whose input is gone.
pub(crate) fn not_kept() -> Error {
    Error::new(ErrorKind::Conflict, "the input of the job was not kept")
        .hint("send the song again: `harmonixctl separate`")
}

fn storage(error: &io::Error) -> Error {
    Error::io(ErrorKind::Internal, "the input cannot be stored", error)
}
