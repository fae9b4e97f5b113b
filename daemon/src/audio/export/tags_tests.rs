use std::{fs::File, io::Write};

use lofty::{
    file::AudioFile,
    picture::{MimeType, PictureType},
};

use super::*;
use crate::audio::export::{
    encoder::{Encoder, Spec},
    pcm::Pcm,
};
use harmonix_ipc::Format;

fn picture(data: Vec<u8>) -> Picture {
    Picture::unchecked(data).pic_type(PictureType::CoverFront).mime_type(MimeType::Png).build()
}

fn png(size: usize) -> Vec<u8> {
    let mut data = b"\x89PNG\r\n\x1A\n".to_vec();
    data.resize(size, 7);
    data
}

fn write(path: &Path, format: Format, tags: &Tags) {
    let spec = Spec { format, rate: 44_100, channels: 1, frames: 100 };
    let mut encoder = Encoder::new(File::create(path).unwrap(), spec, tags).unwrap();
    encoder.write(&Pcm::Int { samples: vec![5; 100], bits: format.bits() }).unwrap();
    encoder.finish().unwrap();
}

fn tagged(path: &Path, format: Format, tag: Tag) {
    write(path, format, &Tags(tag));
}

fn source_tag() -> Tag {
    let mut tag = Tag::new(TagType::VorbisComments);
    for (key, value) in [
        (ItemKey::TrackTitle, "Ünter Ästen"),
        (ItemKey::TrackArtist, "Somebody"),
        (ItemKey::AlbumTitle, "Something"),
        (ItemKey::Genre, "Dub"),
        (ItemKey::ReplayGainTrackGain, "-7.0 dB"),
        (ItemKey::EncoderSettings, "-V0"),
    ] {
        tag.insert_text(key, value.to_owned());
    }
    tag.push_picture(picture(png(1000)));
    tag
}

#[test]
fn tags_and_cover_travel_from_and_to_every_container() {
    let dir = tempfile::tempdir().unwrap();
    for from in [Format::Flac16, Format::Wav16] {
        let source = dir.path().join("source-without-extension");
        tagged(&source, from, source_tag());
        for to in [Format::Flac24, Format::Wav24] {
            let mut warnings = Vec::new();
            let musical = Musical { bpm: Some(127.96), key: Some("F#m") };
            let tags = Tags::read(Some(&source), musical, &mut warnings).for_stem("vocals", "file name");
            assert_eq!(warnings, [""; 0]);
            let stem = dir.path().join("stem");
            write(&stem, to, &tags);
            let file = Probe::open(&stem).unwrap().guess_file_type().unwrap().read().unwrap();
            assert_eq!(file.properties().sample_rate(), Some(44_100));
            let tag = file.primary_tag().unwrap();
            assert_eq!(tag.get_string(ItemKey::TrackTitle), Some("Ünter Ästen (vocals)"), "{from} to {to}");
            assert_eq!(tag.get_string(ItemKey::TrackArtist), Some("Somebody"));
            assert_eq!(tag.get_string(ItemKey::AlbumTitle), Some("Something"));
            assert_eq!(tag.get_string(ItemKey::Genre), Some("Dub"));
            assert_eq!(tag.get_string(ItemKey::InitialKey), Some("F#m"));
            assert_eq!(tag.get_string(ItemKey::ReplayGainTrackGain), None);
            let bpm = tag.get_string(ItemKey::IntegerBpm).or_else(|| tag.get_string(ItemKey::Bpm)).unwrap();
            assert!(["128", "127.96"].contains(&bpm), "{bpm}");
            let software = [ItemKey::EncoderSoftware, ItemKey::EncoderSettings];
            assert!(software.iter().any(|key| tag.get_string(*key) == Some("Harmonix")), "{to}");
            assert_eq!(tag.pictures().len(), 1);
            assert_eq!(tag.pictures()[0].data(), png(1000));
            assert_eq!(tag.pictures()[0].pic_type(), PictureType::CoverFront);
        }
    }
}

#[test]
fn a_source_without_tags_gets_its_name_as_title() {
    let tags = Tags::read(None, Musical::default(), &mut Vec::new()).for_stem("lead_guitar", "My Song");
    assert_eq!(tags.0.get_string(ItemKey::TrackTitle), Some("My Song (lead guitar)"));
}

#[test]
fn what_cannot_be_read_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    for content in [&b""[..], b"not audio at all", b"fLaC\x80\xFF\xFF\xFF", b"ID3\x04\0\0\x7F\x7F\x7F\x7F"] {
        File::create(&path).unwrap().write_all(content).unwrap();
        let mut warnings = Vec::new();
        let tags = Tags::read(Some(&path), Musical::default(), &mut warnings).for_stem("drums", "x");
        assert_eq!(warnings.len(), 1, "{content:?}");
        assert_eq!(tags.0.get_string(ItemKey::TrackTitle), Some("x (drums)"));
    }
}

#[test]
fn junk_and_oversized_covers_stay_behind() {
    let mut source = source_tag();
    source.push_picture(picture(b"MZ executable".to_vec()));
    source.push_picture(picture(png(MAX_COVER_BYTES)));
    let (mut carried, mut warnings) = (Tag::new(TagType::VorbisComments), Vec::new());
    carry_pictures(&source, &mut carried, &mut warnings);
    assert_eq!((carried.pictures().len(), warnings.len()), (1, 1));
    source.insert_text(ItemKey::Comment, "x".repeat(MAX_TEXT_BYTES));
    carry_text(&source, &mut carried, &mut warnings);
    assert_eq!(carried.get_string(ItemKey::Comment), None);
    assert_eq!(warnings.len(), 2);
}
