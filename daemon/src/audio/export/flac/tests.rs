use std::{path::Path, process::Command};

use harmonix_ipc::Format;

use super::*;
use crate::audio::export::testing::ffmpeg;

fn noise(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 23) - 1.0
    }
}

fn encode(path: &Path, spec: Spec, samples: &[i32], piece: usize) {
    let mut writer = FlacWriter::new(File::create(path).unwrap(), spec, &[]).unwrap();
    let mut packed = Vec::new();
    for chunk in samples.chunks(piece * usize::from(spec.channels)) {
        let pcm = Pcm::Int { samples: chunk.to_vec(), bits: spec.format.bits() };
        pcm.pack(&mut packed);
        writer.write(&pcm, &packed).unwrap();
    }
    writer.finish().unwrap();
}

fn signals(frames: usize, channels: usize, bits: u32) -> Vec<(&'static str, Vec<i32>)> {
    let top = f64::from((1u32 << (bits - 1)) - 1);
    let make = |f: &mut dyn FnMut(usize, usize) -> f64| -> Vec<i32> {
        (0..frames * channels).map(|i| (f(i / channels, i % channels) * top).round() as i32).collect()
    };
    let tone = |i: usize, c: usize| (i as f64 * (0.03 + 0.011 * c as f64)).sin();
    let mut white = noise(1);
    let mut quiet = noise(2);
    vec![
        ("silence", make(&mut |_, _| 0.0)),
        ("full scale square", make(&mut |i, c| if (i + c) % 2 == 0 { 1.0 } else { -1.0 })),
        ("white noise", make(&mut |_, _| white())),
        ("tones", make(&mut |i, c| 0.7 * tone(i, c))),
        ("near mono", make(&mut |i, c| 0.8 * tone(i, 0) + 1e-4 * c as f64 * quiet())),
        ("impulse", make(&mut |i, _| if i == frames / 2 { -1.0 } else { 0.0 })),
    ]
}

#[test]
fn an_independent_decoder_gets_every_bit_back() {
    let dir = tempfile::tempdir().unwrap();
    for (format, rate) in [(Format::Flac16, 44_100), (Format::Flac24, 96_000)] {
        for channels in [1u16, 2] {
            let (mut paths, mut expected) = (Vec::new(), Vec::new());
            for frames in [1, 15, 63, 300, 4095, 4096, 4097, 13_000] {
                for (name, samples) in signals(frames, usize::from(channels), format.bits()) {
                    let spec = Spec { format, rate, channels, frames: frames as u64 };
                    let path = dir.path().join(format!("{frames} {name}.flac"));
                    encode(&path, spec, &samples, 2205);
                    paths.push(path);
                    expected.push(samples.iter().map(|x| x << (32 - format.bits())).collect::<Vec<i32>>());
                }
            }
            for ((path, decoded), expected) in paths.iter().zip(ffmpeg(&paths)).zip(expected) {
                assert!(decoded == expected, "{format}, {channels} channels, {}", path.display());
            }
        }
    }
}

#[test]
fn states_any_rate() {
    let dir = tempfile::tempdir().unwrap();
    for rate in [8_000, 11_025, 37_800, 44_101, 192_000, 352_800, 655_350, 123_457] {
        let path = dir.path().join("x.flac");
        let spec = Spec { format: Format::Flac24, rate, channels: 1, frames: 5000 };
        encode(&path, spec, &vec![77; 5000], 999);
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=sample_rate,duration_ts", "-of", "csv=p=0"])
            .arg(&path)
            .output()
            .expect("ffprobe reads the files of these tests");
        assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), format!("{rate},5000"));
    }
}

#[test]
fn frame_numbers_beyond_one_byte_and_the_seek_table_lead_to_the_right_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.flac");
    let frames = 8000 * 1100 + 17;
    let spec = Spec { format: Format::Flac16, rate: 8000, channels: 1, frames };
    let samples: Vec<i32> = (0..frames as i32).map(|i| i >> 9).collect();
    encode(&path, spec, &samples, 100_000);
    let decoded = ffmpeg(std::slice::from_ref(&path));
    assert!(decoded[0].iter().map(|x| x >> 16).eq(samples.iter().copied()));
    let bytes = std::fs::read(&path).unwrap();
    let count = (frames as usize).div_ceil(80_000);
    let table = &bytes[4 + 4 + 34 + 4..][..18 * count];
    let audio = 4 + 4 + 34 + 4 + 18 * count;
    for (index, point) in table.chunks(18).enumerate() {
        let wide = |at: usize| u64::from_be_bytes(point[at..at + 8].try_into().unwrap());
        let (sample, offset) = (wide(0), wide(8) as usize);
        assert!(sample <= index as u64 * 80_000 && index as u64 * 80_000 < sample + 4096);
        assert_eq!(bytes[audio + offset..][..2], [0xFF, 0xF8]);
    }
}

#[test]
fn predictable_audio_becomes_small_and_noise_hardly_grows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.flac");
    for (name, samples) in signals(44_100, 2, 24) {
        let spec = Spec { format: Format::Flac24, rate: 44_100, channels: 2, frames: 44_100 };
        encode(&path, spec, &samples, 4096);
        let ratio = std::fs::metadata(&path).unwrap().len() as f64 / (samples.len() * 3) as f64;
        let bound = match name {
            "silence" | "impulse" => 0.02,
            "tones" | "near mono" => 0.5,
            // The side of two noises has one more bit than either.
            _ => 1.03,
        };
        assert!(ratio < bound, "{name}: {ratio}");
    }
}
