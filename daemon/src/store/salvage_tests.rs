use super::*;
use crate::store::{SledStore, Store, Write};

fn key(number: usize) -> String {
    format!("job/{number:020}")
}

/// A value of some kilobytes, another one for each round.
fn value(number: usize, round: usize) -> Vec<u8> {
    let words = (0..60 + number % 7 * 40).map(|at| format!("{number}:{round}:{at} "));
    words.collect::<String>().into_bytes()
}

/// A store that has been written for a while: leaves were split, merged, and written over.
fn busy(dir: &Path) -> Entries {
    let mut store = SledStore::open(dir).unwrap();
    for round in 0..6 {
        for number in 0..120 {
            let write = if (number * 7 + round * 5) % 11 == 0 {
                Write::Delete(key(number))
            } else {
                Write::Put(key(number), value(number, round))
            };
            store.commit(&[write]).unwrap();
        }
        store.commit(&[Write::Put("queue/held".into(), format!("{round}").into_bytes())]).unwrap();
    }
    let mut all = store.scan("").unwrap();
    all.retain(|(key, _)| !is_own(key));
    all
}

#[test]
fn a_sound_store_is_read_as_the_database_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let expected = busy(dir.path());
    let found = salvage(dir.path()).unwrap();
    assert_eq!(found.lost, Vec::<String>::new());
    assert_eq!(found.commits, 6 * 121);
    assert!(found.records == expected, "{} records instead of {}", found.records.len(), expected.len());
}

#[test]
fn nodes_too_large_for_the_log_are_read_from_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let large = |number: usize| vec![b'a' + number as u8; 20_000];
    {
        let mut store = SledStore::open(dir.path()).unwrap();
        for round in 0..2 {
            for number in 0..16 {
                store.commit(&[Write::Put(key(number), large(number + round))]).unwrap();
            }
        }
    }
    assert!(
        fs::read_dir(dir.path().join("blobs")).unwrap().count() > 0,
        "there are none: this tests nothing"
    );
    let found = salvage(dir.path()).unwrap();
    assert_eq!(found.lost, Vec::<String>::new());
    let expected: Entries = (0..16).map(|number| (key(number), large(number + 1))).collect();
    assert!(found.records == expected);
}

/// Whatever is damaged: nothing is made up, most is saved, and what is lost is said to be.
#[test]
fn a_damaged_log_gives_up_what_is_whole_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let expected = busy(dir.path());
    let sound = fs::read(dir.path().join("db")).unwrap();
    let written: Vec<_> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
    let was = |key: &str, value: &[u8]| {
        let number = key.strip_prefix("job/").map(|number| number.parse::<usize>().unwrap());
        let mut rounds = 0..6;
        number.map_or(key == "queue/held", |number| rounds.any(|round| self::value(number, round) == value))
    };
    let (mut saved, mut whole) = (0, 0);
    for round in 0..40_usize {
        let mut db = sound.clone();
        for flip in 0..1 + round % 4 * 5 {
            let at = (round * 7919 + flip * 104_729) % written.len();
            db[written[at]] ^= 1 << (round % 8);
        }
        fs::write(dir.path().join("db"), &db).unwrap();
        let found = salvage(dir.path()).unwrap();
        assert!(found.records.iter().all(|(key, value)| was(key, value)), "something that nobody wrote");
        let right = found.records.iter().filter(|record| expected.contains(record)).count();
        if found.lost.is_empty() {
            assert!(found.records == expected, "round {round}: a loss without a word");
            whole += 1;
        }
        saved += right;
    }
    let share = saved as f64 / (40 * expected.len()) as f64;
    assert!(share > 0.8, "only {share} of the records are saved");
    assert!(whole > 0, "damage to what was written over counts as a loss");
    // and what is no log at all
    for junk in [vec![], vec![0; 100], vec![0xA5; 3 * SEGMENT / 2]] {
        fs::write(dir.path().join("db"), junk).unwrap();
        let found = salvage(dir.path()).unwrap();
        assert!(found.records.is_empty() && !found.lost.is_empty());
    }
}
