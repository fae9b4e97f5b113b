use harmonix_ipc::{Format, Priority};

use super::*;
use crate::job::{Shelf, resolve, tests::ingested};

fn resolved(options: &JobOptions) -> Resolved {
    resolve(options, &Shelf::default()).unwrap()
}

fn request(options: &JobOptions) -> String {
    request_key("source", "song.wav", options, &resolved(options), &[])
}

#[test]
fn what_changes_an_output_changes_the_request() {
    let plain = JobOptions::default();
    let others = [
        JobOptions { format: Format::Wav16, ..plain.clone() },
        JobOptions { raw: true, ..plain.clone() },
        JobOptions { normalize: true, ..plain.clone() },
        JobOptions { preview: true, ..plain.clone() },
        JobOptions { stems: Some(vec!["vocals".into()]), ..plain.clone() },
        JobOptions { overlap: Some(0.5), ..plain.clone() },
    ];
    for options in others {
        assert_ne!(request(&options), request(&plain), "{options:?}");
    }
    let key =
        |source, name, weights: &[String]| request_key(source, name, &plain, &resolved(&plain), weights);
    let keys = [
        key("source", "song.wav", &[]),
        key("other", "song.wav", &[]),
        key("source", "song.mp3", &[]),
        key("source", "song.wav", &["digest".into()]),
    ];
    for (at, one) in keys.iter().enumerate() {
        assert!(keys[..at].iter().all(|other| other != one));
    }
}

#[test]
fn who_goes_first_does_not() {
    let plain = JobOptions::default();
    assert_eq!(request(&JobOptions { priority: Priority::High, ..plain.clone() }), request(&plain));
    assert_eq!(request(&JobOptions { fresh: true, ..plain.clone() }), request(&plain));
}

#[test]
fn stems_are_the_same_whatever_is_made_of_them() {
    let key = |options: &JobOptions, ingested: &Ingested| {
        stems_key(ingested, &resolved(options), &options.device.to_string(), &[])
    };
    let plain = JobOptions::default();
    let same =
        JobOptions { format: Format::Wav16, raw: true, stems: Some(vec!["vocals".into()]), ..plain.clone() };
    assert_eq!(key(&same, &ingested()), key(&plain, &ingested()));
    let other = JobOptions { overlap: Some(0.5), ..plain.clone() };
    assert_ne!(key(&other, &ingested()), key(&plain, &ingested()));
    let louder = Ingested { input_gain: 2.0, ..ingested() };
    assert_ne!(key(&plain, &louder), key(&plain, &ingested()));
    let else_ = Ingested { pcm_hash: "other".into(), ..ingested() };
    assert_ne!(key(&plain, &else_), key(&plain, &ingested()));
}
