//! Tags and cover art: from the source file into the stems.
//!
//! The tags are serialised beforehand and written into the stream by the encoders, so that no finished file has to
//! be rewritten for them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use lofty::{
    config::{ParseOptions, WriteOptions},
    file::TaggedFileExt,
    id3::v2::Id3v2Tag,
    iff::wav::RiffInfoList,
    ogg::tag::VorbisComments,
    picture::{Picture, PictureInformation},
    probe::Probe,
    tag::{ItemKey, ItemValue, Tag, TagExt, TagItem, TagType},
};

use super::flac::{MAX_BLOCK_BYTES, MetadataBlock};

/// Most bytes of cover art that are carried over, all pictures together.
const MAX_COVER_BYTES: usize = 16 << 20;
/// Most bytes of text that are carried over.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// What the stems name as the software that made them.
const SOFTWARE: &str = "Harmonix";
const VORBIS_COMMENT: u8 = 4;
const PICTURE: u8 = 6;

/// What describes the audio of the source or its file, and would be wrong for a stem.
const DROPPED: [ItemKey; 12] = [
    ItemKey::ReplayGainAlbumGain,
    ItemKey::ReplayGainAlbumPeak,
    ItemKey::ReplayGainTrackGain,
    ItemKey::ReplayGainTrackPeak,
    ItemKey::AcoustId,
    ItemKey::AcoustIdFingerprint,
    ItemKey::EncodedBy,
    ItemKey::EncoderSettings,
    ItemKey::EncoderSoftware,
    ItemKey::EncodingTime,
    ItemKey::Length,
    ItemKey::TaggingTime,
];

/// The tags of one file.
#[derive(Clone)]
pub(super) struct Tags(Tag);

/// Tags as they stand in a WAV file; empty where there are none.
#[derive(Debug, Default)]
pub(super) struct WavTags {
    /// A `LIST` `INFO` chunk with its header.
    pub(super) info: Vec<u8>,
    /// An ID3v2.4 tag, the body of an `id3 ` chunk.
    pub(super) id3: Vec<u8>,
}

/// What analysis found and tags can say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Musical<'a> {
    /// Beats per minute.
    pub bpm: Option<f64>,
    /// Initial key as DJ software writes it, e.g. `Am` or `F#`.
    pub key: Option<&'a str>,
}

impl Tags {
    /// The tags and pictures of the file at `path`, of any format that is known, without what would not hold for
    /// its stems. What cannot be read is said in `warnings` and left out.
    pub(super) fn read(path: Option<&Path>, musical: Musical<'_>, warnings: &mut Vec<String>) -> Self {
        let read = |covers| path.map(|path| read(path, covers));
        let found = match read(true) {
            Some(Err(_)) => {
                let again = read(false);
                let what = if matches!(again, Some(Ok(_))) { "cover art" } else { "tags" };
                warnings.push(format!("the source's {what} could not be read and are not in the stems"));
                again
            }
            found => found,
        };
        let mut tag = Tag::new(TagType::VorbisComments);
        if let Some(Ok(Some(found))) = found {
            carry_text(&found, &mut tag, warnings);
            carry_pictures(&found, &mut tag, warnings);
        }
        if let Some(bpm) = musical.bpm.filter(|bpm| bpm.is_finite() && *bpm > 0.0) {
            // Some containers know one of these keys only.
            tag.insert_unchecked(text(ItemKey::IntegerBpm, format!("{bpm:.0}")));
            tag.insert_unchecked(text(ItemKey::Bpm, format!("{bpm:.2}")));
        }
        if let Some(key) = musical.key {
            tag.insert_unchecked(text(ItemKey::InitialKey, key.to_owned()));
        }
        tag.insert_unchecked(text(ItemKey::EncoderSoftware, SOFTWARE.to_owned()));
        Self(tag)
    }

    /// The same with the title of one stem: the source's title, or `otherwise`, and the stem's name in brackets.
    pub(super) fn for_stem(&self, stem: &str, otherwise: &str) -> Self {
        let mut tag = self.0.clone();
        let title = tag.get_string(ItemKey::TrackTitle).unwrap_or(otherwise);
        let title = format!("{title} ({})", stem.replace('_', " "));
        tag.insert_text(ItemKey::TrackTitle, title);
        Self(tag)
    }

    /// A comment block and one block per picture.
    pub(super) fn flac(&self) -> Vec<MetadataBlock> {
        let mut comments = VorbisComments::from(self.0.clone());
        // The conversion takes this one for the name of the writing library.
        comments.insert("ENCODER".into(), SOFTWARE.into());
        let lines: Vec<String> = comments.items().map(|(key, value)| format!("{key}={value}")).collect();
        let mut block = string(SOFTWARE);
        block.extend((lines.len() as u32).to_le_bytes());
        lines.iter().for_each(|line| block.extend(string(line)));
        let picture = |picture: &Picture| {
            let information = PictureInformation::from_picture(picture).unwrap_or_default();
            (PICTURE, picture.as_flac_bytes(information, false))
        };
        let pictures = self.0.pictures().iter().map(picture);
        let blocks = std::iter::once((VORBIS_COMMENT, block)).chain(pictures);
        blocks.filter(|(_, body)| body.len() <= MAX_BLOCK_BYTES).collect()
    }

    /// A RIFF INFO list for simple readers and an ID3v2 tag for all the rest.
    pub(super) fn wav(&self) -> WavTags {
        let options = WriteOptions::new().preferred_padding(0);
        let mut tags = WavTags::default();
        // Writing to memory fails only for what these formats cannot hold; such a tag is left out as a whole.
        if RiffInfoList::from(self.0.clone()).dump_to(&mut tags.info, options).is_err() {
            tags.info.clear();
        }
        if id3(self.0.clone()).dump_to(&mut tags.id3, options).is_err() {
            tags.id3.clear();
        }
        tags
    }
}

/// The conversion leaves the frames in another order each time; the same stems have to be the same bytes.
fn id3(tag: Tag) -> Id3v2Tag {
    let mut frames: Vec<_> = Id3v2Tag::from(tag).into_iter().collect();
    frames.sort_by_cached_key(|frame| {
        // pictures are large, and in order already
        let content = if frame.id_str() == "APIC" { String::new() } else { format!("{frame:?}") };
        (frame.id_str().to_owned(), content)
    });
    let mut tag = Id3v2Tag::new();
    for frame in frames {
        tag.insert(frame);
    }
    tag
}

fn text(key: ItemKey, text: String) -> TagItem {
    TagItem::new(key, ItemValue::Text(text))
}

/// A string of a Vorbis comment: its length in 32 bits and its bytes.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// The most telling tag of a file. A damaged file must not do more harm than having none.
fn read(path: &Path, covers: bool) -> Result<Option<Tag>, ()> {
    let mut options = ParseOptions::new();
    options.read_properties(false).read_cover_art(covers);
    let tagged = catch_unwind(AssertUnwindSafe(|| {
        let probe = Probe::open(path).map_err(drop)?.options(options);
        probe.guess_file_type().map_err(drop)?.read().map_err(drop)
    }));
    let tagged = tagged.map_err(drop)??;
    Ok(tagged.primary_tag().or_else(|| tagged.first_tag()).cloned())
}

fn carry_text(from: &Tag, to: &mut Tag, warnings: &mut Vec<String>) {
    let mut left = MAX_TEXT_BYTES;
    let mut skipped = false;
    for item in from.items().filter(|item| !DROPPED.contains(&item.key())) {
        let (ItemValue::Text(value) | ItemValue::Locator(value)) = item.value() else { continue };
        match left.checked_sub(value.len()) {
            Some(rest) if !value.is_empty() => {
                left = rest;
                to.push_unchecked(item.clone());
            }
            Some(_) => {}
            None => skipped = true,
        }
    }
    if skipped {
        warnings.push("some of the source's tags are too long and are not in the stems".into());
    }
}

fn carry_pictures(from: &Tag, to: &mut Tag, warnings: &mut Vec<String>) {
    // A FLAC block also holds the picture's type, description and so on.
    const ROOM: usize = 64 << 10;
    let mut left = MAX_COVER_BYTES;
    for picture in from.pictures().iter().filter(|picture| is_image(picture.data())) {
        let described = picture.description().map_or(0, str::len);
        match left.checked_sub(picture.data().len()) {
            Some(rest) if picture.data().len() <= MAX_BLOCK_BYTES - ROOM && described < ROOM / 2 => {
                left = rest;
                to.push_picture(picture.clone());
            }
            _ => warnings.push("cover art of the source is too large and is not in the stems".into()),
        }
    }
}

/// True for the image formats that players show.
fn is_image(data: &[u8]) -> bool {
    let magics: [&[u8]; 6] = [b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1A\n", b"GIF8", b"BM", b"II*\0", b"MM\0*"];
    let webp = data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP");
    webp || magics.iter().any(|magic| data.starts_with(magic))
}

#[cfg(test)]
#[path = "tags_tests.rs"]
mod tests;
