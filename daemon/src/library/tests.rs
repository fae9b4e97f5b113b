use harmonix_ipc::{JobState, TrackJob};

use super::*;
use crate::job::tests::{ingested, record};

const ROOT: Caller = Caller { uid: 0, admin: true };
const OWNER: Caller = Caller { uid: 1000, admin: false };
const OTHER: Caller = Caller { uid: 1001, admin: false };

fn completed(id: &str, name: &str) -> News {
    let mut record = record(1, id);
    record.job.name = name.into();
    record.job.state = JobState::Completed;
    record.ingested = Some(ingested());
    News::of(Deed::Completed, &record)
}

fn deleted(id: &str) -> News {
    News::of(Deed::Deleted, &record(1, id))
}

/// The library that a store holds after these writes.
fn reloaded(writes: &[Write]) -> Library {
    let mut stored = BTreeMap::new();
    for write in writes {
        match write.clone() {
            Write::Put(key, value) => stored.insert(key, value),
            Write::Delete(key) => stored.remove(&key),
        };
    }
    // tracks first, as the actor reads them
    let (tracks, activity): (Vec<_>, Vec<_>) =
        stored.into_iter().partition(|(key, _)| key.starts_with(TRACKS));
    Library::load([tracks, activity].concat())
}

fn all(library: &Library, caller: Caller) -> (Vec<Track>, Vec<Track>, Vec<Activity>) {
    let list = |archived| library.list(caller, &ListTracks { archived, ..ListTracks::default() }).tracks;
    (list(false), list(true), library.activity(caller, None))
}

#[test]
fn a_track_lives_as_long_as_its_jobs_and_is_archived_then() {
    let mut library = Library::default();
    let mut writes = library.take(completed("a", "Één.wav"), 1.0);
    writes.extend(library.take(completed("b", "two.flac"), 2.0));
    let (tracks, archived, log) = all(&library, OWNER);
    assert_eq!((tracks.len(), archived.len(), log.len()), (1, 0, 2));
    assert_eq!((tracks[0].name.as_str(), tracks[0].jobs.len(), tracks[0].uses), ("Één.wav", 2, 2));
    writes.extend(library.take(deleted("a"), 3.0));
    assert!(!library.seen(OWNER, &tracks[0].id).unwrap().archived);
    writes.extend(library.take(deleted("b"), 4.0));
    let (live, archived, _) = all(&library, OWNER);
    assert!(live.is_empty() && archived[0].jobs.is_empty() && archived[0].uses == 2);
    assert_eq!(all(&reloaded(&writes), OWNER), all(&library, OWNER));
    // used once more, it is back
    library.take(completed("c", "two.flac"), 5.0);
    assert_eq!(all(&library, OWNER).0[0].uses, 3);
}

#[test]
fn what_belongs_to_others_does_not_exist() {
    let mut library = Library::default();
    library.take(completed("a", "x.wav"), 1.0);
    let id = all(&library, OWNER).0[0].id.clone();
    assert_eq!(library.seen(OTHER, &id).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(
        library.edit(OTHER, &EditTrack { track: id.clone(), ..EditTrack::default() }, 1.0).unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(all(&library, OTHER), (vec![], vec![], vec![]));
    assert_eq!(library.seen(ROOT, &id).unwrap().owner, 1000);
}

#[test]
fn searches_know_no_case_and_no_accents() {
    let mut library = Library::default();
    library.take(completed("a", "Straße nach Über – ﬁn.wav"), 1.0);
    let found = |text: &str| {
        library.list(OWNER, &ListTracks { text: Some(text.into()), ..ListTracks::default() }).total
    };
    assert_eq!(["STRASSE", "uber", "fin", "nach strasse", "  "].map(found), [1; 5]);
    assert_eq!(["strase", "uber x"].map(found), [0; 2]);
}

#[test]
fn an_edit_is_whole_or_refused() {
    let mut library = Library::default();
    library.take(completed("a", "x.wav"), 1.0);
    let before = all(&library, OWNER).0[0].clone();
    let edit = |edit: EditTrack| EditTrack { track: before.id.clone(), ..edit };
    let long = "x".repeat(1001);
    let many: Vec<_> = (0..65).map(|tag| tag.to_string()).collect();
    for wrong in [
        EditTrack::default(),
        EditTrack { name: Some(String::new()), ..EditTrack::default() },
        EditTrack { name: Some("a\nb".into()), ..EditTrack::default() },
        EditTrack { name: Some(long), favourite: Some(true), ..EditTrack::default() },
        EditTrack { add_tags: vec![" ".into()], ..EditTrack::default() },
        EditTrack { add_tags: many, ..EditTrack::default() },
    ] {
        let error = library.edit(OWNER, &edit(wrong), 2.0).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest, "{error:?}");
    }
    assert_eq!(all(&library, OWNER).0, std::slice::from_ref(&before));
    let right = EditTrack {
        name: Some("../x".into()),
        add_tags: vec!["live".into(), "jazz".into(), "live".into()],
        favourite: Some(true),
        ..EditTrack::default()
    };
    let (track, writes) = library.edit(OWNER, &edit(right), 3.0).unwrap();
    assert_eq!(
        (track.name.as_str(), track.tags.clone(), track.favourite),
        ("../x", vec!["jazz".to_owned(), "live".to_owned()], true)
    );
    assert_eq!(all(&reloaded(&writes), OWNER).0, [track]);
    assert_eq!(library.protected().len(), 1);
}

#[test]
fn the_log_keeps_a_hundred_of_each_user() {
    let mut library = Library::default();
    let mut writes = Vec::new();
    for at in 0..101 {
        writes.extend(library.take(deleted(&format!("job{at}")), f64::from(at)));
    }
    let log = library.activity(OWNER, Some(1000));
    assert_eq!((log.len(), log[0].at, log[99].at), (100, 100.0, 1.0));
    assert_eq!(reloaded(&writes).activity(OWNER, Some(1000)), log);
    // the number goes on where it was
    let mut again = reloaded(&writes);
    again.take(deleted("x"), 200.0);
    assert_eq!(again.activity(OWNER, None)[0].at, 200.0);
}

#[test]
fn jobs_of_a_store_without_library_become_tracks_and_missing_ones_go() {
    let mut library = Library::default();
    let of = |id: &str| *completed(id, "x.wav").completed.unwrap();
    assert_eq!(library.reconcile(vec![of("a"), of("b")]).len(), 2);
    assert!(library.reconcile(vec![of("a"), of("b")]).is_empty());
    let (tracks, ..) = all(&library, OWNER);
    assert_eq!(tracks[0].jobs.len(), 2);
    assert_eq!(library.reconcile(vec![of("b")]).len(), 1);
    let ids: Vec<_> = all(&library, OWNER).0[0].jobs.iter().map(|job: &TrackJob| job.id.0.clone()).collect();
    assert_eq!(ids, ["b"]);
}

#[test]
fn only_a_track_without_jobs_can_be_forgotten() {
    let mut library = Library::default();
    library.take(completed("a", "x.wav"), 1.0);
    let id = all(&library, OWNER).0[0].id.clone();
    assert_eq!(library.forget(OWNER, &id, 2.0).unwrap_err().kind, ErrorKind::Conflict);
    library.take(deleted("a"), 3.0);
    library.forget(OWNER, &id, 4.0).unwrap();
    assert_eq!(library.seen(OWNER, &id).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn every_version_opens() {
    let track = include_str!("fixtures/track-v1.json");
    let activity = include_str!("fixtures/activity-v1.json");
    let stored = vec![
        (format!("{TRACKS}9f8e7d6c5b4a"), track.into()),
        (format!("{ACTIVITY}{:020}", 7), activity.into()),
        (format!("{TRACKS}broken"), b"{}".to_vec()),
        (format!("{TRACKS}newer"), br#"{"v":99}"#.to_vec()),
    ];
    let library = Library::load(stored);
    let track = library.seen(OWNER, &TrackId("9f8e7d6c5b4a".into())).unwrap();
    assert_eq!((track.camelot.as_deref(), track.jobs.len()), (Some("11A"), 1));
    assert_eq!(library.activity(OWNER, None)[0].deed, Deed::Completed);
}
