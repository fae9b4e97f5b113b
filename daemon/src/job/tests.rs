//! Records for tests.

use harmonix_engine::{Layout, ModelInfo, Summary, protocol::Precision};
use harmonix_ipc::{Analyze, Job, JobId, JobOptions, JobState};

use super::{Record, Separated, Shelf, resolve};
use crate::audio::Ingested;

pub(crate) fn record(seq: u64, id: &str) -> Record {
    Record::new(
        seq,
        Job {
            id: JobId(id.into()),
            state: JobState::Queued,
            progress: 0.0,
            name: "song.wav".into(),
            owner: 1000,
            input: None,
            engine: None,
            device: None,
            quality: JobOptions::default().quality,
            mode: JobOptions::default().mode,
            options: JobOptions { analysis: Analyze::Without, ..JobOptions::default() },
            stems: [].into(),
            files: Vec::new(),
            unavailable: Vec::new(),
            analysis: None,
            lyrics: None,
            manifest: None,
            events: Vec::new(),
            error: None,
            created_at: 0.0,
            started_at: None,
            finished_at: None,
            times: [].into(),
            remaining: None,
        },
        resolve(&JobOptions::default(), &Shelf::default()).unwrap(),
    )
}

const V1: &str = include_str!("fixtures/record-v1.json");

pub(crate) fn ingested() -> Ingested {
    Record::from_bytes(V1.as_bytes()).unwrap().ingested.unwrap()
}

pub(crate) fn separated() -> Separated {
    Separated {
        model: ModelInfo {
            id: "spectral".into(),
            fingerprint: "1".into(),
            sources: vec!["drums".into()],
            sample_rate: 44_100,
            channels: 2,
            segment: 1,
        },
        device: "cpu".into(),
        layout: Layout { overlap: 0.25, shifts: 0, seed: 0 },
        summary: Summary::default(),
        precision: Precision::F32,
        batch: 1,
        sha256: Vec::new(),
        notes: Vec::new(),
    }
}

/// True if everything in `old` is in `new` as it was; `new` may have more.
fn keeps(old: &serde_json::Value, new: &serde_json::Value) -> bool {
    match (old, new) {
        (serde_json::Value::Object(old), serde_json::Value::Object(new)) => {
            old.iter().all(|(key, value)| new.get(key).is_some_and(|new| keeps(value, new)))
        }
        _ => old == new,
    }
}

#[test]
fn a_record_of_version_1_opens_and_loses_nothing() {
    let record = Record::from_bytes(V1.as_bytes()).unwrap();
    let again: serde_json::Value = serde_json::from_slice(&record.to_bytes()).unwrap();
    assert!(keeps(&serde_json::from_str(V1).unwrap(), &again), "{again:#}");
    assert_eq!(record.resolved().unwrap().model, "spectral", "what that version could run");
    let separated = record.separated.unwrap();
    assert_eq!((separated.precision, separated.batch), (Precision::F32, 1));
}

#[test]
fn what_a_job_came_to_stays_with_it() {
    let record = record(1, "a");
    let again = Record::from_bytes(&record.to_bytes()).unwrap();
    assert_eq!(again, record);
    assert_eq!(again.resolved().unwrap(), record.resolved().unwrap());
}

#[test]
fn a_record_of_a_newer_version_is_refused() {
    assert!(Record::from_bytes(V1.replacen("\"v\": 1", "\"v\": 99", 1).as_bytes()).is_err());
}

#[test]
fn progress_never_falls_and_events_are_bounded() {
    let mut job = record(1, "a");
    job.advance(0.5);
    job.advance(0.2);
    assert_eq!(job.job.progress, 0.5);
    for at in 0..100 {
        job.note("resumed", at.to_string());
    }
    assert_eq!((job.job.events.len(), job.job.events[0].message.as_str()), (64, "36"));
}
