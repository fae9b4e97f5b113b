use harmonix_ipc::Format;

use super::*;
use crate::audio::export::{
    encoder::Encoder,
    tags::{Musical, Tags},
};

fn write(path: &Path, spec: Spec) -> blake3::Hash {
    let tags = Tags::read(None, Musical::default(), &mut Vec::new()).for_stem("vocals", "x");
    let mut encoder = Encoder::new(File::create(path).unwrap(), spec, &tags).unwrap();
    let samples = spec.frames as usize * usize::from(spec.channels);
    let wave = (0..samples).map(|i| (i as f32 * 0.05).sin() * 0.5);
    let pcm = if spec.format.is_float() {
        Pcm::Float(wave.collect())
    } else {
        let bits = spec.format.bits();
        Pcm::Int { samples: wave.map(|x| (x * (1 << (bits - 1)) as f32) as i32).collect(), bits }
    };
    encoder.write(&pcm).unwrap();
    encoder.finish().unwrap().pcm
}

fn check(path: &Path, spec: &Spec, pcm: blake3::Hash) -> Result<()> {
    verify(path, spec, pcm, &mut |_| Ok(()))
}

fn spec(format: Format) -> Spec {
    Spec { format, rate: 44_100, channels: 2, frames: 10_001 }
}

#[test]
fn a_good_file_passes_and_every_wrong_fact_is_caught() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for format in Format::ALL {
        let good = spec(format);
        let pcm = write(&path, good);
        check(&path, &good, pcm).unwrap();
        let other = if format.is_float() { Format::Wav24 } else { Format::Wav32f };
        for wrong in [
            Spec { frames: 10_000, ..good },
            Spec { rate: 48_000, ..good },
            Spec { channels: 1, ..good },
            Spec { format: other, ..good },
        ] {
            assert_eq!(check(&path, &wrong, pcm).unwrap_err().kind, ErrorKind::Internal, "{wrong:?}");
        }
        assert!(check(&path, &good, blake3::hash(b"other")).is_err());
    }
}

#[test]
fn a_flipped_byte_a_cut_and_a_missing_file_are_caught() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for format in Format::ALL {
        let spec = spec(format);
        let pcm = write(&path, spec);
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 2] ^= 0x10;
        std::fs::write(&path, &flipped).unwrap();
        assert!(check(&path, &spec, pcm).is_err(), "{format} flipped");
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(check(&path, &spec, pcm).is_err(), "{format} cut");
        std::fs::write(&path, b"").unwrap();
        assert!(check(&path, &spec, pcm).is_err(), "{format} empty");
        std::fs::remove_file(&path).unwrap();
        assert!(check(&path, &spec, pcm).is_err(), "{format} missing");
    }
}

#[test]
fn the_watcher_can_stop_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let pcm = write(&path, spec(Format::Wav16));
    let stop = &mut |_| Err(Error::new(ErrorKind::Cancelled, "enough"));
    assert_eq!(verify(&path, &spec(Format::Wav16), pcm, stop).unwrap_err().kind, ErrorKind::Cancelled);
}
