//! What goes by itself: finished jobs that are too old, or too many bytes. Jobs of favourites stay.

use std::{collections::HashSet, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use harmonix_ipc::{JobId, Result};

use super::{JobsActor, ends::End};
use crate::{
    actors::library::Protected,
    config::Retention,
    job::{Record, now},
};

/// Time between two looks.
pub(super) const PERIOD: Duration = Duration::from_secs(600);

impl JobsActor {
    /// Looks for what has to go.
    pub(super) fn retain(&mut self, ctx: &mut Context<Self>) {
        if self.parts.live.get().retention == Retention::default() || self.stopping {
            return;
        }
        let library = self.parts.library.clone();
        let protected = async move { library.call(Protected).await };
        ctx.spawn(protected.into_actor(self).map(|protected: Result<HashSet<JobId>>, actor, ctx| {
            let Ok(protected) = protected else { return };
            let retention = actor.parts.live.get().retention;
            for id in expired(actor.records.values(), &protected, retention, now()) {
                tracing::info!(job = %id, "job removed by retention");
                drop(actor.end(&id, End::Expire, ctx));
            }
        }));
    }
}

/// Jobs that have to go at `now`, oldest end first.
fn expired<'a>(
    records: impl Iterator<Item = &'a Record>,
    protected: &HashSet<JobId>,
    retention: Retention,
    now: f64,
) -> Vec<JobId> {
    let bytes = |record: &Record| record.job.files.iter().map(|file| file.bytes).sum::<u64>();
    let mut finished: Vec<_> = records.filter(|record| record.job.state.is_final()).collect();
    finished.sort_by(|a, b| {
        a.job.finished_at.unwrap_or_default().total_cmp(&b.job.finished_at.unwrap_or_default())
    });
    let mut total: u64 = finished.iter().map(|record| bytes(record)).sum();
    let mut gone = Vec::new();
    for record in finished {
        let age = now - record.job.finished_at.unwrap_or(record.job.created_at);
        let old = retention.hours > 0.0 && age > retention.hours * 3600.0;
        let much = retention.max_bytes > 0 && total > retention.max_bytes && bytes(record) > 0;
        if (old || much) && !protected.contains(&record.job.id) {
            total -= bytes(record);
            gone.push(record.job.id.clone());
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use harmonix_ipc::{Format, JobState, StemFile};

    use super::*;
    use crate::job::tests::record;

    fn finished(id: &str, at: f64, bytes: u64) -> Record {
        let mut record = record(at as u64, id);
        record.job.state = JobState::Completed;
        record.job.finished_at = Some(at);
        record.job.files = vec![StemFile {
            stem: "drums".into(),
            file: "drums.flac".into(),
            format: Format::Flac24,
            bytes,
            blake3: String::new(),
            frames: 1,
            sample_rate: 44_100,
            channels: 2,
            peak_dbfs: None,
            rms_dbfs: None,
        }];
        record
    }

    fn gone(records: &[Record], protected: &[&str], hours: f64, max_bytes: u64) -> Vec<String> {
        let protected = protected.iter().map(|id| JobId((*id).into())).collect();
        let gone = expired(records.iter(), &protected, Retention { hours, max_bytes }, 100.0 * 3600.0);
        gone.into_iter().map(|id| id.0).collect()
    }

    #[test]
    fn old_jobs_go_but_not_favourites_nor_what_runs() {
        let mut records = [0.0, 1.0, 80.0, 90.0].map(|hour| finished(&format!("h{hour}"), hour * 3600.0, 5));
        assert_eq!(gone(&records, &[], 24.0, 0), ["h0", "h1"]);
        assert_eq!(gone(&records, &["h0"], 24.0, 0), ["h1"]);
        records[0].job.state = JobState::Separating;
        assert_eq!(gone(&records, &[], 24.0, 0), ["h1"]);
        assert!(gone(&records, &[], 0.0, 0).is_empty());
    }

    #[test]
    fn the_oldest_bytes_go_until_the_rest_fits() {
        let records = [1.0, 2.0, 3.0].map(|hour| finished(&format!("h{hour}"), hour * 3600.0, 5));
        assert_eq!(gone(&records, &[], 0.0, 10), ["h1"]);
        assert_eq!(gone(&records, &["h1"], 0.0, 10), ["h2"]);
        assert!(gone(&records, &[], 0.0, 15).is_empty());
    }
}
