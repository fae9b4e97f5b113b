//! Broken and malicious files: a typed error or an exact result, never a panic, and nothing left behind.

use std::fs;

use harmonix_ipc::{Error, ErrorKind};

use super::fixtures::{Bench, ffmpeg, signal, xorshift};

const FRAMES: usize = 30_000;

/// One file of every format: its name and its bytes.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let formats: [(&str, &[&str]); 10] = [
        ("a.wav", &["-c:a", "pcm_s16le"]),
        ("a.flac", &[]),
        ("a.aiff", &[]),
        ("a.mp3", &["-b:a", "128k"]),
        ("a.ogg", &["-c:a", "libvorbis"]),
        ("moov-behind.m4a", &["-c:a", "aac"]),
        ("moov-first.m4a", &["-c:a", "aac", "-movflags", "+faststart"]),
        ("alac.m4a", &["-c:a", "alac", "-movflags", "+faststart"]),
        ("a.caf", &[]),
        ("a.mkv", &["-c:a", "flac"]),
    ];
    let bench = Bench::new();
    let audio = signal(44_100, 1, FRAMES);
    formats.map(|(name, how)| (name, fs::read(bench.encode(name, 44_100, 1, &audio, how)).unwrap())).to_vec()
}

/// The error must be one that a user can act on, and the work folder empty.
fn check(bench: &Bench, error: &Error, what: &str) {
    assert!(
        matches!(error.kind, ErrorKind::AudioLoad | ErrorKind::UnsupportedFormat | ErrorKind::TooLarge),
        "{what}: {error:?}"
    );
    assert!(error.hint.is_some() && !error.message.ends_with('.'), "{what}: {error:?}");
    assert!(!format!("{error:?}").contains("/tmp"), "{what}: {error:?}");
    assert_eq!(bench.leftovers(), [""; 0], "{what}");
}

#[test]
fn a_cut_file_is_never_a_shorter_success() {
    let bench = Bench::new();
    for (name, bytes) in samples() {
        for kept in (0..bytes.len()).step_by(1_024) {
            let what = format!("{name} cut at {kept} of {}", bytes.len());
            match bench.ingest(&bench.write("cut", &bytes[..kept])) {
                Err(error) => check(&bench, &error, &what),
                // What follows the audio (an index, tags) may be missing; a page of Ogg may end at the cut.
                Ok(ingested) => assert!(
                    ingested.frames == FRAMES as u64
                        || ingested.warnings.iter().any(|w| w.contains("no end mark")),
                    "{what}: {ingested:?}"
                ),
            }
        }
    }
}

#[test]
fn a_cut_file_does_not_pass_by_way_of_ffmpeg_either() {
    let mut bench = Bench::new();
    bench.ffmpeg = Some(ffmpeg());
    for (name, bytes) in samples() {
        let cut = bench.write("cut", &bytes[..bytes.len() * 6 / 10]);
        match bench.ingest(&cut) {
            Err(error) => check(&bench, &error, name),
            Ok(ingested) => assert_eq!(ingested.frames, FRAMES as u64, "{name}: {ingested:?}"),
        }
    }
}

#[test]
fn flipped_bits_cost_an_error_or_a_warning() {
    let bench = Bench::new();
    let mut random = xorshift(7);
    for (name, bytes) in samples() {
        for round in 0..40 {
            let mut broken = bytes.clone();
            // The first rounds hit the header.
            let span = if round < 20 { bytes.len().min(600) } else { bytes.len() };
            for _ in 0..=round % 4 {
                broken[random() as usize % span] ^= 1 << (random() % 8);
            }
            match bench.ingest(&bench.write("broken", &broken)) {
                Err(error) => check(&bench, &error, &format!("{name} round {round}")),
                Ok(ingested) => assert_eq!(bench.mix().len() as u64, 2 * ingested.stats.frames),
            }
        }
    }
}

#[test]
fn headers_that_lie_about_size_cost_nothing() {
    let bench = Bench::new();
    let mut lies: Vec<(&str, Vec<u8>)> = Vec::new();
    for (name, bytes) in samples() {
        let mut lie = bytes.clone();
        let at = |mark: &[u8]| bytes.windows(mark.len()).position(|w| w == mark).unwrap();
        match name {
            "a.wav" => {
                let data = at(b"data");
                lie[4..8].copy_from_slice(&0xFFFF_FF00u32.to_le_bytes());
                lie[data + 4..data + 8].copy_from_slice(&0xFFFF_0000u32.to_le_bytes());
            }
            // Total samples: 36 bits, the last of them in bytes 21 to 25 of the file.
            "a.flac" => {
                lie[21] |= 0x0F;
                lie[22..26].fill(0xFF);
            }
            "moov-first.m4a" => {
                let table = at(b"stsz");
                lie[table + 12..table + 16].copy_from_slice(&u32::MAX.to_be_bytes());
            }
            "moov-behind.m4a" => {
                let movie = at(b"moov");
                lie[movie - 4..movie].copy_from_slice(&0x7FFF_FFFFu32.to_be_bytes());
            }
            _ => continue,
        }
        lies.push((name, lie));
    }
    assert_eq!(lies.len(), 4);
    for (name, lie) in lies {
        let error = bench.ingest(&bench.write("lie", &lie)).unwrap_err();
        check(&bench, &error, name);
        assert_eq!(error.kind, ErrorKind::AudioLoad, "{name}: {error:?}");
    }
}

#[test]
fn what_is_not_audio_is_refused() {
    let mut bench = Bench::new();
    let program = ffmpeg();
    for with_ffmpeg in [false, true] {
        bench.ffmpeg = with_ffmpeg.then(|| program.clone());
        for (name, bytes, kind) in [
            ("notes.txt", &b"just some words\n"[..], ErrorKind::UnsupportedFormat),
            ("song.mp3", b"these are words, not frames\n", ErrorKind::UnsupportedFormat),
            ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", ErrorKind::UnsupportedFormat),
            ("list.ffconcat", b"ffconcat version 1.0\nfile '/etc/passwd'\n", ErrorKind::UnsupportedFormat),
            ("empty.wav", b"", ErrorKind::AudioLoad),
        ] {
            let error = bench.ingest(&bench.write(name, bytes)).unwrap_err();
            assert_eq!(error.kind, kind, "{name}: {error:?}");
            check(&bench, &error, name);
        }
        let mut random = xorshift(3);
        for size in [1, 100, 10_000] {
            let noise: Vec<u8> = (0..size).map(|_| random() as u8 | 0x80).collect();
            let error = bench.ingest(&bench.write("noise.bin", &noise)).unwrap_err();
            check(&bench, &error, &format!("{size} random bytes"));
        }
        let zeros = bench.ingest(&bench.write("zeros.wav", &[0; 5_000])).unwrap_err();
        check(&bench, &zeros, "zeros");
    }
}

#[test]
fn files_without_frames_are_refused() {
    let bench = Bench::new();
    for (name, how) in [("a.wav", &[][..]), ("a.flac", &[]), ("a.aiff", &[]), ("a.caf", &[])] {
        let error = bench.ingest(&bench.encode(name, 44_100, 2, &[], how)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::AudioLoad, "{name}: {error:?}");
        check(&bench, &error, name);
    }
}

#[test]
fn an_mp3_without_a_tag_is_not_cut_by_an_estimate() {
    let bench = Bench::new();
    // Silence first, so that the bit rate of the first frames says nothing about the rest.
    let mut audio = vec![0.0; 88_200];
    audio.extend(signal(44_100, 1, 88_200));
    let how = ["-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0"];
    let file = bench.encode("a.mp3", 44_100, 1, &audio, &how);
    let frames = bench.ingest(&file).unwrap().frames;
    assert!((176_400..176_400 + 4_000).contains(&frames), "{frames}");
}

#[test]
fn two_mp3_files_in_one_are_kept_whole() {
    let bench = Bench::new();
    let one = fs::read(bench.encode("a.mp3", 44_100, 1, &signal(44_100, 1, FRAMES), &[])).unwrap();
    let two = bench.write("b.mp3", &[one.clone(), one].concat());
    let ingested = bench.ingest(&two).unwrap();
    assert!(ingested.frames >= 2 * FRAMES as u64, "{ingested:?}");
    assert!(ingested.warnings.iter().any(|w| w.contains("more audio")), "{ingested:?}");
}

#[test]
fn a_little_damage_becomes_silence_in_place_and_much_is_refused() {
    let bench = Bench::new();
    let audio = signal(44_100, 1, 441_000);
    let bytes = fs::read(bench.encode("a.flac", 44_100, 1, &audio, &["-sample_fmt", "s16"])).unwrap();
    let mut scratched = bytes.clone();
    scratched[bytes.len() / 2] ^= 0x10;
    let ingested = bench.ingest(&bench.write("b.flac", &scratched)).unwrap();
    assert_eq!(ingested.frames, 441_000);
    assert!(ingested.warnings.iter().any(|w| w.contains("damaged packets")), "{ingested:?}");
    let kept = bench.source().iter().zip(&audio).filter(|(a, b)| a == b).count();
    assert!(
        kept > 441_000 - 2 * 4_608 && kept < 441_000,
        "{kept}: all but one or two packets are in their place"
    );
    for at in (bytes.len() / 10..bytes.len() * 9 / 10).step_by(bytes.len() / 30) {
        scratched[at] ^= 0x10;
    }
    let error = bench.ingest(&bench.write("c.flac", &scratched)).unwrap_err();
    check(&bench, &error, "much damage");
    assert_eq!(error.kind, ErrorKind::AudioLoad);
}
