use super::*;
use crate::job::tests::{ingested, record, separated};

const ONE: Capacity = Capacity { ingest: 1, ahead: 2, device: 1, export: 1 };

fn ids(starts: &[(JobId, Step)]) -> Vec<(&str, Step)> {
    starts.iter().map(|(id, step)| (id.0.as_str(), *step)).collect()
}

#[test]
fn a_job_goes_through_its_stages_in_order() {
    let mut job = record(1, "a");
    assert_eq!(next_step(&job), Some(Step::Ingest));
    job.ingested = Some(ingested());
    assert_eq!(next_step(&job), Some(Step::Separate));
    job.separated = Some(separated());
    assert_eq!(next_step(&job), Some(Step::Export));
}

/// [ANA-10] [ANA-11]
#[test]
fn the_analysis_comes_before_the_separation_if_it_is_wanted() {
    let mut job = record(1, "a");
    job.job.options.analysis = Analyze::With;
    assert_eq!(next_step(&job), Some(Step::Ingest));
    job.ingested = Some(ingested());
    assert_eq!(next_step(&job), Some(Step::Analyze));
    job.job.analysis = Some(serde_json::json!({}));
    assert_eq!(next_step(&job), Some(Step::Separate));
}

#[test]
fn a_job_in_a_final_state_or_held_does_nothing() {
    for state in [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Paused] {
        let mut job = record(1, "a");
        job.job.state = state;
        assert_eq!(next_step(&job), None);
    }
}

#[test]
fn the_device_is_leased_to_one_job_in_order_of_submission() {
    let mut jobs: Vec<_> = ["a", "b", "c"].iter().zip(1..).map(|(id, seq)| record(seq, id)).collect();
    for job in &mut jobs {
        job.ingested = Some(ingested());
    }
    let none = BTreeMap::new();
    assert_eq!(ids(&schedule(jobs.iter(), &none, &Turns::default(), ONE)), [("a", Step::Separate)]);
    let running = BTreeMap::from([(JobId("a".into()), Step::Separate)]);
    assert_eq!(ids(&schedule(jobs.iter(), &running, &Turns::default(), ONE)), []);
}

#[test]
fn stages_of_different_jobs_overlap_but_ingest_does_not_run_far_ahead() {
    let mut jobs: Vec<_> =
        ["a", "b", "c", "d", "e"].iter().zip(1..).map(|(id, seq)| record(seq, id)).collect();
    jobs[0].ingested = Some(ingested());
    jobs[0].separated = Some(separated());
    jobs[1].ingested = Some(ingested());
    let none = BTreeMap::new();
    let starts = schedule(jobs.iter(), &none, &Turns::default(), ONE);
    assert_eq!(ids(&starts), [("a", Step::Export), ("b", Step::Separate), ("c", Step::Ingest)]);
    jobs[2].ingested = Some(ingested());
    jobs[3].ingested = Some(ingested());
    let running = BTreeMap::from([(JobId("b".into()), Step::Separate)]);
    assert_eq!(
        ids(&schedule(jobs[1..].iter(), &running, &Turns::default(), ONE)),
        [],
        "two wait for the device already"
    );
}

#[test]
fn a_job_that_is_decoded_sooner_does_not_overtake() {
    let mut jobs: Vec<_> = ["a", "b"].iter().zip(1..).map(|(id, seq)| record(seq, id)).collect();
    jobs[1].ingested = Some(ingested());
    let running = BTreeMap::from([(JobId("a".into()), Step::Ingest)]);
    assert_eq!(ids(&schedule(jobs.iter(), &running, &Turns::default(), ONE)), []);
    jobs[0].job.state = JobState::Failed;
    assert_eq!(
        ids(&schedule(jobs.iter(), &BTreeMap::new(), &Turns::default(), ONE)),
        [("b", Step::Separate)]
    );
}

#[test]
fn random_worlds_never_exceed_the_capacity_and_never_stall() {
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..2000 {
        let capacity = Capacity {
            ingest: 1 + random(3) as usize,
            ahead: 1 + random(3) as usize,
            device: 1,
            export: 1 + random(2) as usize,
        };
        let mut jobs: Vec<_> = (0..random(12)).map(|seq| record(seq, &format!("j{seq:02}"))).collect();
        for job in &mut jobs {
            job.job.options.analysis = if random(2) == 0 { Analyze::With } else { Analyze::Without };
        }
        let mut running: BTreeMap<JobId, Step> = BTreeMap::new();
        let mut turns = Turns::default();
        let mut left = 0;
        for _ in 0..200 {
            for (id, step) in schedule(jobs.iter(), &running, &turns, capacity) {
                assert_eq!(running.insert(id, step), None, "a job was started twice");
                turns.served(random(3) as u32);
            }
            let busy = |step| running.values().filter(|s| **s == step).count();
            assert!(
                busy(Step::Ingest) <= capacity.ingest
                    && busy(Step::Analyze) <= capacity.ingest
                    && busy(Step::Separate) <= 1
                    && busy(Step::Export) <= capacity.export
            );
            left = jobs.iter().filter(|job| !job.job.state.is_final()).count();
            let Some((id, step)) = running
                .iter()
                .nth(random(running.len().max(1) as u64) as usize)
                .map(|(i, s)| (i.clone(), *s))
            else {
                break;
            };
            running.remove(&id);
            let job = jobs.iter_mut().find(|job| job.job.id == id).unwrap();
            match (random(8), step) {
                (0, _) => job.job.state = JobState::Failed,
                (1, _) => {}
                (_, Step::Ingest) => job.ingested = Some(ingested()),
                (_, Step::Analyze) => job.job.analysis = Some(serde_json::json!({})),
                (_, Step::Separate) => job.separated = Some(separated()),
                (_, Step::Export) => job.job.state = JobState::Completed,
            }
        }
        assert_eq!(left, 0, "jobs are left and nothing runs");
    }
}

/// Jobs that are decoded, with owner and priority.
fn decoded(jobs: &[(&str, u32, Priority)]) -> Vec<Record> {
    let make = |(seq, (id, owner, priority)): (u64, &(&str, u32, Priority))| {
        let mut job = record(seq, id);
        job.ingested = Some(ingested());
        job.job.owner = *owner;
        job.job.options.priority = *priority;
        job
    };
    (1..).zip(jobs).map(make).collect()
}

/// Ids in the order in which they get the device.
fn turns(mut jobs: Vec<Record>) -> Vec<String> {
    let (mut order, mut turns) = (Vec::new(), Turns::default());
    while let Some((id, _)) = schedule(jobs.iter(), &BTreeMap::new(), &turns, ONE).pop() {
        let place = jobs.iter().position(|job| job.job.id == id).unwrap();
        turns.served(jobs.remove(place).job.owner);
        order.push(id.0);
    }
    order
}

/// [BEY-06]
#[test]
fn higher_priority_goes_first() {
    use Priority::{High, Low, Normal};
    let jobs = decoded(&[("a", 1, Low), ("b", 1, Normal), ("c", 1, High), ("d", 1, Normal)]);
    assert_eq!(turns(jobs), ["c", "b", "d", "a"]);
}

#[test]
fn users_take_turns() {
    let normal = Priority::Normal;
    let jobs = [("a", 1, normal), ("b", 1, normal), ("c", 1, normal), ("d", 2, normal), ("e", 3, normal)];
    assert_eq!(turns(decoded(&jobs)), ["a", "d", "e", "b", "c"]);
}

#[test]
fn the_device_is_given_up_to_higher_priority_alone() {
    use Priority::{High, Low, Normal};
    let running = BTreeMap::from([(JobId("a".into()), Step::Separate)]);
    let asked = |first, second| {
        preempted(decoded(&[("a", 1, first), ("b", 2, second)]).iter(), &running, &Turns::default())
    };
    assert_eq!(asked(Normal, High), Some(JobId("a".into())));
    assert_eq!(asked(Low, Normal), Some(JobId("a".into())));
    assert_eq!(asked(Normal, Normal), None);
    assert_eq!(asked(High, Low), None);
    // one that is not decoded yet could not use it
    let mut jobs = decoded(&[("a", 1, Normal), ("b", 2, High)]);
    jobs[1].ingested = None;
    assert_eq!(preempted(jobs.iter(), &running, &Turns::default()), None);
}

#[test]
fn jobs_that_wait_do_not_keep_a_higher_one_from_being_decoded() {
    let normal = Priority::Normal;
    let mut jobs = decoded(&[("a", 1, normal), ("b", 1, normal), ("c", 1, normal), ("d", 1, Priority::High)]);
    jobs[3].ingested = None;
    let running = BTreeMap::from([(JobId("a".into()), Step::Separate)]);
    assert_eq!(ids(&schedule(jobs.iter(), &running, &Turns::default(), ONE)), [("d", Step::Ingest)]);
}
