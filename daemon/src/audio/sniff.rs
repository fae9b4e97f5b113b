//! What a file is by its first bytes: enough to refuse text and to name what cannot be decoded.

use std::{fs::File, io, os::unix::fs::FileExt};

use symphonia::core::codecs::audio::{AudioCodecId, well_known};

/// Bytes looked at.
const WINDOW: usize = 4096;

/// Formats that are recognised only to be named: offset, magic bytes, name.
const NAMES: [(usize, &[u8], &str); 22] = [
    (0, &[0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11], "wma (asf)"),
    (28, b"OpusHead", "opus (ogg)"),
    (28, b"Speex   ", "speex (ogg)"),
    (0, b"wvpk", "wavpack"),
    (0, b"MAC ", "monkey's audio"),
    (0, b"MPCK", "musepack"),
    (0, b"MP+", "musepack"),
    (0, b"TTA1", "true audio"),
    (0, b"tBaK", "tak"),
    (0, b"DSD ", "dsd (dsf)"),
    (0, b"FRM8", "dsd (dsdiff)"),
    (0, b"#!AMR", "amr"),
    (0, b".snd", "au"),
    (0, b"RF64", "rf64"),
    (0, b"BW64", "bw64"),
    (0, b"riff", "wave64"),
    (0, b".RMF", "realmedia"),
    (0, b"FLV", "flash video"),
    (8, b"AVI ", "avi"),
    (0, &[0x00, 0x00, 0x01, 0xBA], "mpeg program stream"),
    (0, &[0x0B, 0x77], "ac-3"),
    (0, &[0x7F, 0xFE, 0x80, 0x01], "dts"),
];

/// Codecs that the decoder's registry does not know by name.
const CODECS: [(AudioCodecId, &str); 12] = [
    (well_known::CODEC_ID_OPUS, "opus"),
    (well_known::CODEC_ID_SPEEX, "speex"),
    (well_known::CODEC_ID_AC3, "ac-3"),
    (well_known::CODEC_ID_EAC3, "e-ac-3"),
    (well_known::CODEC_ID_AC4, "ac-4"),
    (well_known::CODEC_ID_DCA, "dts"),
    (well_known::CODEC_ID_WMA, "wma"),
    (well_known::CODEC_ID_TRUEHD, "truehd"),
    (well_known::CODEC_ID_WAVPACK, "wavpack"),
    (well_known::CODEC_ID_TTA, "true audio"),
    (well_known::CODEC_ID_MONKEYS_AUDIO, "monkey's audio"),
    (well_known::CODEC_ID_AAC, "this kind of aac"),
];

/// The codec's name for an error message.
pub(super) fn codec_name(codec: AudioCodecId) -> String {
    let known = CODECS.iter().find(|(id, _)| *id == codec).map(|(_, name)| (*name).to_owned());
    known.unwrap_or_else(|| match symphonia::default::get_codecs().get_audio_decoder(codec) {
        Some(decoder) => decoder.codec.info.short_name.to_owned(),
        None => "unknown".to_owned(),
    })
}

/// Formats of chunks: offset and magic bytes.
const CHUNKS: [(usize, &[u8]); 5] = [(0, b"RIFF"), (0, b"FORM"), (0, b"caff"), (0, b"fLaC"), (4, b"ftyp")];

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing at all.
    Empty,
    /// Text, a playlist among it.
    Text,
    /// A format of chunks whose sizes come first: where it breaks off, it is not whole.
    Chunks,
    /// Bytes; of a format with this name, if it has one that Symphonia does not decode.
    Binary(Option<&'static str>),
}

/// Looks at the first bytes of `file`.
pub(super) fn content(file: &File) -> io::Result<Content> {
    let mut window = [0; WINDOW];
    let mut filled = 0;
    while filled < window.len() {
        match file.read_at(&mut window[filled..], filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(classify(&window[..filled]))
}

fn classify(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Empty;
    }
    let name = NAMES.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic)));
    match name {
        None if is_text(bytes) => Content::Text,
        None if CHUNKS.iter().any(|(at, magic)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic))) => {
            Content::Chunks
        }
        name => Content::Binary(name.map(|(_, _, name)| *name)),
    }
}

/// UTF-8 (the last character may be cut) or UTF-16 with its mark, without control characters.
fn is_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        let big = bytes[0] == 0xFE;
        let unit = |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
        let units = bytes[2..].as_chunks::<2>().0;
        return !units.is_empty() && units.iter().map(unit).all(|u| u >= 0x20 || matches!(u, 9 | 10 | 13));
    }
    let printable = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    printable && !bytes.iter().any(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_audio() {
        for text in ["hello", "#EXTM3U\nhttp://x/", "ffconcat version 1.0\n", "grüße\r\n", "\u{FEFF}<?xml"]
        {
            assert_eq!(classify(text.as_bytes()), Content::Text, "{text}");
        }
        assert_eq!(classify(&"ä".as_bytes().repeat(2048)[..4095]), Content::Text);
        assert_eq!(classify(b"\xFF\xFEh\0i\0"), Content::Text);
        for bytes in [&b"\xFF\xFB\x90\0"[..], b"OggS\0\x02", b"ID3\x04\0\0"] {
            assert_eq!(classify(bytes), Content::Binary(None));
        }
        for bytes in [&b"RIFF\x10\0\0\0WAVE"[..], b"fLaC\0", b"\0\0\0\x20ftyp"] {
            assert_eq!(classify(bytes), Content::Chunks);
        }
        assert_eq!(classify(b""), Content::Empty);
    }

    #[test]
    fn formats_that_need_help_have_a_name() {
        assert_eq!(classify(b"wvpk\x10\0"), Content::Binary(Some("wavpack")));
        let mut ogg = [0u8; 64];
        ogg[28..36].copy_from_slice(b"OpusHead");
        assert_eq!(classify(&ogg), Content::Binary(Some("opus (ogg)")));
    }
}
