//! Files on this side: names, collisions, and nothing half-written.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

use crate::{
    ctl,
    fake::{Fake, Fault, Plan},
};

/// Names in a folder, sorted.
pub(crate) fn list(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn songs_of_the_same_name_do_not_overwrite_each_other() {
    let fake = Fake::start(Plan::default());
    fs::create_dir(fake.work().join("sub")).unwrap();
    for name in ["song.flac", "sub/song.mp3"] {
        fake.song(name, name);
    }
    let split = ["separate", "song.flac", "sub/song.mp3", "-o", "out"];
    assert_eq!(fake.run(&split).code, 0);
    let out = fake.work().join("out");
    let once = list(&out);
    assert_eq!(once.len(), 6);
    assert!(once.contains(&"song_vocals.flac".into()) && once.contains(&"song (2)_manifest.json".into()));
    let first = fs::read(out.join("song_vocals.flac")).unwrap();
    assert_eq!(fake.run(&split).code, 0);
    assert_eq!(list(&out).len(), 12);
    assert_eq!(fs::read(out.join("song_vocals.flac")).unwrap(), first);
    let forced = ["separate", "song.flac", "sub/song.mp3", "-o", "out", "--force"];
    assert_eq!(fake.run(&forced).code, 0);
    assert_eq!(list(&out).len(), 12);
    assert_ne!(fs::read(out.join("song_vocals.flac")).unwrap(), first);
}

#[test]
fn all_stems_of_a_job_share_a_number() {
    let fake = Fake::start(Plan::default());
    fake.song("song.flac", "a");
    fake.song("song_instrumental.flac", "precious");
    assert_eq!(fake.run(&["separate", "song.flac"]).code, 0);
    let names = list(&fake.work());
    assert!(names.contains(&"song (2)_vocals.flac".into()) && !names.contains(&"song_vocals.flac".into()));
    assert_eq!(fs::read(fake.work().join("song_instrumental.flac")).unwrap(), b"precious");
}

#[test]
fn hostile_names_end_up_in_the_folder() {
    let fake = Fake::start(Plan::default());
    let long = "歌".repeat(83);
    let names: [&[u8]; 6] =
        [b"caf\xe9.mp3", "שיר.mp3".as_bytes(), b"new\nline", b"-rf.flac", b"...dots...", long.as_bytes()];
    for name in names {
        fs::write(fake.work().join(OsStr::from_bytes(name)), "x").unwrap();
        let words = [
            OsStr::new("separate"),
            OsStr::new("-o"),
            OsStr::new("out"),
            OsStr::new("--"),
            OsStr::from_bytes(name),
        ];
        let ended = ctl::run(fake.socket(), &fake.work(), &words);
        assert_eq!(ended.code, 0, "{}: {}", name.escape_ascii(), ended.stderr);
    }
    let out = fake.work().join("out");
    assert_eq!(list(&out).len(), 3 * names.len());
    assert!(out.join(OsStr::from_bytes(b"caf\xe9_vocals.flac")).exists());
    assert!(out.join("שיר_vocals.flac").exists() && out.join("new_line_vocals.flac").exists());
}

#[test]
fn a_broken_download_leaves_nothing() {
    for (fault, code, words) in [
        (Fault::Short, 6, "5 of 14 bytes came"),
        (Fault::Die, 6, "the connection to the daemon broke"),
        (Fault::Abort, 5, "the daemon refused: the disk went away"),
    ] {
        let fake = Fake::start(Plan { fetch: fault, ..Plan::default() });
        fake.song("a.flac", "a");
        let ended = fake.run(&["separate", "a.flac", "-o", "out"]);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        let said = ended.stderr.replace("20 bytes", "14 bytes");
        assert!(said.contains(words), "{}", ended.stderr);
        assert!(ended.stderr.contains("harmonixctl export job1"), "{}", ended.stderr);
        assert_eq!(list(&fake.work().join("out")), [""; 0]);
    }
}

#[test]
fn a_folder_that_cannot_be_made_costs_no_work() {
    let fake = Fake::start(Plan::default());
    fake.song("a.flac", "a");
    let ended = fake.run(&["separate", "a.flac", "-o", "a.flac/out"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("cannot make the folder a.flac/out"), "{}", ended.stderr);
    assert!(fake.uploads().is_empty());
}

#[test]
fn export_writes_the_stems_asked_for() {
    let fake = Fake::start(Plan::default());
    fake.song("a.flac", "a");
    fake.run(&["separate", "a.flac"]);
    let ended = fake.run(&["export", "job1", "-o", "out", "--stems", "vocals", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(list(&fake.work().join("out")), ["a_manifest.json", "a_vocals.flac"]);
    assert_eq!(ended.json()["stems"].as_object().unwrap().len(), 1);
    let missing = fake.run(&["export", "job1", "--stems", "zither"]);
    assert_eq!(missing.code, 3);
    assert!(missing.stderr.contains("hint: it has instrumental, vocals"), "{}", missing.stderr);
    assert_eq!(fake.run(&["export", "job1", "nonsense", "-o", "out"]).code, 5);
}
