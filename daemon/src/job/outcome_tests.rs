use super::*;
use crate::job::tests::{ingested, record, separated};

fn crash(progressed: bool) -> Outcome {
    Outcome::Crashed { error: Error::new(ErrorKind::Separation, "killed by signal 9"), progressed }
}

#[test]
fn a_worker_that_dies_twice_at_the_same_place_fails_the_job() {
    let mut job = record(1, "a");
    job.ingested = Some(ingested());
    apply(&mut job, crash(false));
    assert_eq!((job.job.state, next_step(&job)), (JobState::Queued, Some(Step::Separate)));
    apply(&mut job, crash(false));
    assert_eq!(job.job.state, JobState::Failed);
    assert!(job.job.error.unwrap().message.contains("signal 9"));
}

#[test]
fn workers_that_die_at_different_places_do_not() {
    let mut job = record(1, "a");
    job.ingested = Some(ingested());
    for _ in 0..10 {
        apply(&mut job, crash(true));
        assert_eq!(job.job.state, JobState::Queued);
    }
    apply(&mut job, crash(false));
    assert_eq!(job.job.state, JobState::Failed);
}

#[test]
fn a_restart_takes_a_job_up_where_it_was() {
    let mut job = record(1, "a");
    job.ingested = Some(ingested());
    job.job.state = JobState::Separating;
    for _ in 0..10 {
        resume(&mut job);
        assert_eq!(next_step(&job), Some(Step::Separate));
        job.job.state = JobState::Separating;
    }
    job.separated = Some(separated());
    job.job.state = JobState::Exporting;
    resume(&mut job);
    assert_eq!(next_step(&job), Some(Step::Export));
    assert_eq!(job.job.events.last().unwrap().kind, "resumed");
}

#[test]
fn a_job_that_brings_the_daemon_down_three_times_fails() {
    let mut job = record(1, "a");
    for _ in 0..3 {
        assert!(!job.job.state.is_final());
        job.job.state = JobState::Ingesting;
        resume(&mut job);
    }
    assert_eq!(job.job.state, JobState::Failed);
}

#[test]
fn a_job_that_only_waited_is_untouched_by_a_restart() {
    let mut job = record(1, "a");
    let before = job.clone();
    resume(&mut job);
    assert_eq!(job, before);
}
