use std::path::Path;

use harmonix_ipc::Format;

use super::*;
use crate::audio::export::verify::verify;

fn spec(format: Format, channels: u16) -> Spec {
    Spec { format, rate: 44_100, channels, frames: 3 }
}

fn write(path: &Path, spec: Spec, packed: &[u8], limit: u64) -> Vec<u8> {
    let tags = WavTags { info: Vec::new(), id3: b"ID3 odd".to_vec() };
    let mut writer = WavWriter::with_limit(File::create(path).unwrap(), spec, tags, limit).unwrap();
    writer.write(packed).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn an_independent_reader_sees_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    for (format, bits, sample_format) in [
        (Format::Wav16, 16, hound::SampleFormat::Int),
        (Format::Wav24, 24, hound::SampleFormat::Int),
        (Format::Wav32f, 32, hound::SampleFormat::Float),
    ] {
        for channels in [1, 2] {
            let path = dir.path().join("x.wav");
            let packed = vec![0; 3 * usize::from(channels) * bits / 8];
            write(&path, spec(format, channels), &packed, RIFF_LIMIT);
            let reader = hound::WavReader::open(&path).unwrap();
            let seen =
                hound::WavSpec { channels, sample_rate: 44_100, bits_per_sample: bits as u16, sample_format };
            assert_eq!((reader.spec(), reader.duration()), (seen, 3));
        }
    }
}

#[test]
fn sizes_are_even_and_cover_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = write(&dir.path().join("x.wav"), spec(Format::Wav24, 1), &[1; 9], RIFF_LIMIT);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(word(4) as usize + 8, bytes.len());
    let mut names = Vec::new();
    let mut at = 12;
    while at < bytes.len() {
        names.push(String::from_utf8_lossy(&bytes[at..at + 4]).into_owned());
        at += 8 + (word(at + 4) as usize).next_multiple_of(2);
    }
    assert_eq!((names.join(","), at), ("JUNK,fmt ,data,id3 ".into(), bytes.len()));
}

#[test]
fn beyond_the_limit_it_is_rf64_with_ds64_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    let bytes = write(&path, spec(Format::Wav32f, 1), &[0x11; 12], 64);
    let wide = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(&bytes[..20], b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0");
    assert_eq!((wide(20), wide(28), wide(36)), (bytes.len() as u64 - 8, 12, 3));
    assert_eq!(&bytes[44..48], &[0; 4], "no table");
    let data = bytes.windows(4).position(|w| w == b"data").unwrap();
    assert_eq!(&bytes[data + 4..data + 12], [0xFF, 0xFF, 0xFF, 0xFF, 0x11, 0x11, 0x11, 0x11]);
    let probe = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&path)
        .args(["-f", "f32le", "-"])
        .output()
        .expect("ffmpeg reads the files of these tests");
    assert_eq!((probe.stdout, probe.stderr), (vec![0x11; 12], Vec::new()));
}

#[test]
fn rf64_passes_verification_only_with_its_own_samples() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    for format in [Format::Wav16, Format::Wav24, Format::Wav32f] {
        for frames in [1, 3, 10_000, 50_001] {
            let spec = Spec { frames: frames as u64, ..spec(format, 2) };
            let packed = vec![0x11; frames * 2 * format.bits() as usize / 8];
            assert!(write(&path, spec, &packed, 64).starts_with(b"RF64"));
            verify(&path, &spec, blake3::hash(&packed), &mut |_| Ok(())).unwrap();
            assert!(verify(&path, &spec, blake3::hash(b"other"), &mut |_| Ok(())).is_err());
        }
    }
}

/// The head of an excerpt, whose sizes are known before its samples are, or never.
#[test]
fn the_head_of_a_stream_of_floats_is_that_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wav");
    for channels in [1, 2] {
        let samples = vec![0; 3 * usize::from(channels) * 4];
        std::fs::write(&path, [float_head(48_000, channels, Some(3)), samples].concat()).unwrap();
        let reader = hound::WavReader::open(&path).unwrap();
        let sample_format = hound::SampleFormat::Float;
        let seen = hound::WavSpec { channels, sample_rate: 48_000, bits_per_sample: 32, sample_format };
        assert_eq!((reader.spec(), reader.duration()), (seen, 3));
    }
    let length = float_head(48_000, 2, Some(3)).len();
    let size = |head: &[u8], at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
    let stream = float_head(48_000, 2, None);
    assert_eq!(
        (&stream[..4], size(&stream, 4), size(&stream, length - 4)),
        (&b"RIFF"[..], u32::MAX, u32::MAX)
    );
    let wide = float_head(48_000, 2, Some(1 << 30));
    assert_eq!((&wide[..4], &wide[12..16], wide.len()), (&b"RF64"[..], &b"ds64"[..], length));
    assert_eq!(u64::from_le_bytes(wide[28..36].try_into().unwrap()), 8 << 30);
}
