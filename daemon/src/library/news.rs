use harmonix_ipc::{Deed, JobId, JobState, Probe, TrackId, TrackJob};

use crate::job::Record;

/// Something happened to a job.
#[derive(Debug)]
pub struct News {
    /// What.
    pub deed: Deed,
    /// To which.
    pub job: JobId,
    /// Whose it is.
    pub owner: u32,
    /// What it is called.
    pub name: String,
    /// What it made, if it was completed.
    pub completed: Option<Box<Completed>>,
}

impl News {
    /// That was done to this job.
    pub fn of(deed: Deed, record: &Record) -> Self {
        let completed = if deed == Deed::Completed { Completed::of(record).map(Box::new) } else { None };
        let job = &record.job;
        Self { deed, job: job.id.clone(), owner: job.owner, name: job.name.clone(), completed }
    }

    /// That this job has ended, if it has.
    pub fn ended(record: &Record) -> Option<Self> {
        let deed = match record.job.state {
            JobState::Completed => Deed::Completed,
            JobState::Failed => Deed::Failed,
            JobState::Cancelled => Deed::Cancelled,
            _ => return None,
        };
        Some(Self::of(deed, record))
    }
}

/// A completed job as the library sees it.
#[derive(Debug)]
pub struct Completed {
    pub(super) owner: u32,
    pub(super) name: String,
    pub(super) audio: String,
    pub(super) input: Probe,
    pub(super) bpm: Option<f64>,
    pub(super) key: Option<String>,
    pub(super) camelot: Option<String>,
    pub(super) job: TrackJob,
    pub(super) at: f64,
}

impl Completed {
    /// None unless the job is completed. A preview is not a song and makes no track.
    pub fn of(record: &Record) -> Option<Self> {
        let (job, ingested) = (&record.job, record.ingested.as_ref()?);
        if job.state != JobState::Completed || ingested.preview.is_some() {
            return None;
        }
        let found = |pointer: &str| job.analysis.as_ref()?.pointer(pointer);
        let word = |pointer: &str| found(pointer)?.as_str().map(str::to_owned);
        let key = word("/key/tonic").and_then(|tonic| Some(format!("{tonic} {}", word("/key/scale")?)));
        Some(Self {
            owner: job.owner,
            name: job.name.clone(),
            audio: ingested.pcm_hash.clone(),
            input: ingested.probe.clone(),
            bpm: found("/tempo/bpm").and_then(serde_json::Value::as_f64),
            key,
            camelot: word("/key/camelot"),
            job: TrackJob {
                id: job.id.clone(),
                engine: job.engine.clone(),
                quality: job.quality,
                mode: job.mode,
                format: job.options.format,
                stems: job.stems.keys().cloned().collect(),
                bytes: job.files.iter().map(|file| file.bytes).sum(),
            },
            at: job.finished_at.unwrap_or(job.created_at),
        })
    }

    /// The track it belongs to.
    pub(super) fn track(&self) -> TrackId {
        let digest = blake3::hash(format!("{} {}", self.owner, self.audio).as_bytes());
        TrackId(digest.to_hex()[..12].to_owned())
    }
}
