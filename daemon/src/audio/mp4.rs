//! Which part of an MP4 audio track is meant to be heard: its edit list (ISO/IEC 14496-12, 8.6.6).
//!
//! The demuxer hands out every frame, the encoder's delay and padding included. Reads only the headers of boxes,
//! in bounded memory, and takes nothing for granted: what is malformed counts as absent.

use std::{fs::File, os::unix::fs::FileExt};

/// Boxes looked at, at most: enough for any real file, few for a hostile one.
const MAX_BOXES: usize = 10_000;

/// The one edit of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// First tick that is heard, in the track's time scale.
    pub(super) start: u64,
    /// Ticks of the movie's time scale that are heard; 0 for all.
    pub(super) duration: u64,
    /// Ticks per second of the movie.
    pub(super) movie_scale: u32,
    /// Ticks per second of the track.
    pub(super) track_scale: u32,
}

/// The edit of the track with this id. `Err(())` when there are several, which are not followed.
pub(super) fn edit(file: &File, track: u32) -> Result<Option<Edit>, ()> {
    let mut walk = Walk { file, boxes: 0 };
    let Some(length) = file.metadata().ok().map(|m| m.len()) else { return Ok(None) };
    let Some(moov) = walk.find(0, length, b"moov") else { return Ok(None) };
    let Some(movie_scale) = walk.find(moov.0, moov.1, b"mvhd").and_then(|at| walk.scale(at)) else {
        return Ok(None);
    };
    let mut from = moov.0;
    while let Some(trak) = walk.find(from, moov.1, b"trak") {
        from = trak.1;
        let id = walk.find(trak.0, trak.1, b"tkhd").and_then(|at| walk.track_id(at));
        if id != Some(track) {
            continue;
        }
        let scale = walk
            .find(trak.0, trak.1, b"mdia")
            .and_then(|mdia| walk.find(mdia.0, mdia.1, b"mdhd"))
            .and_then(|at| walk.scale(at));
        let list = walk.find(trak.0, trak.1, b"edts").and_then(|edts| walk.find(edts.0, edts.1, b"elst"));
        let (Some(track_scale), Some(list)) = (scale, list) else { return Ok(None) };
        return walk
            .entries(list)
            .map(|entry| entry.map(|(start, duration)| Edit { start, duration, movie_scale, track_scale }));
    }
    Ok(None)
}

/// Where the content of a box begins and ends.
type Extent = (u64, u64);

struct Walk<'a> {
    file: &'a File,
    boxes: usize,
}

impl Walk<'_> {
    /// The first box of `kind` between two positions.
    fn find(&mut self, mut at: u64, end: u64, kind: &[u8; 4]) -> Option<Extent> {
        while at + 8 <= end {
            self.boxes += 1;
            if self.boxes > MAX_BOXES {
                return None;
            }
            let (mut head, mut size) = (8, u64::from(self.u32(at)?));
            match size {
                0 => size = end - at,
                1 => (head, size) = (16, self.u64(at + 8)?),
                _ => {}
            }
            let next = at.checked_add(size)?;
            if size < head || next > end {
                return None;
            }
            if self.bytes::<4>(at + 4)? == *kind {
                return Some((at + head, next));
            }
            at = next;
        }
        None
    }

    /// Time scale of `mvhd` and `mdhd`.
    fn scale(&self, at: Extent) -> Option<u32> {
        let offset = if self.bytes::<1>(at.0)? == [1] { 20 } else { 12 };
        self.u32(at.0 + offset).filter(|scale| *scale > 0)
    }

    fn track_id(&self, at: Extent) -> Option<u32> {
        let offset = if self.bytes::<1>(at.0)? == [1] { 20 } else { 12 };
        self.u32(at.0 + offset)
    }

    /// Start and duration of the only entry of an edit list that is not an empty one.
    fn entries(&self, at: Extent) -> Result<Option<(u64, u64)>, ()> {
        let wide = self.bytes::<1>(at.0) == Some([1]);
        let count = self.u32(at.0 + 4).unwrap_or(0);
        let mut found = None;
        for entry in 0..u64::from(count.min(64)) {
            let size = if wide { 20 } else { 12 };
            let from = at.0 + 8 + entry * size;
            if from + size > at.1 {
                break;
            }
            let pair = if wide {
                self.u64(from).zip(self.u64(from + 8).map(u64::cast_signed))
            } else {
                let start = self.u32(from + 4).map(|start| i64::from(start.cast_signed()));
                self.u32(from).map(u64::from).zip(start)
            };
            match pair {
                Some((duration, start)) if start >= 0 => {
                    if found.replace((start.unsigned_abs(), duration)).is_some() {
                        return Err(());
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(found)
    }

    fn bytes<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
    }

    fn u32(&self, at: u64) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn u64(&self, at: u64) -> Option<u64> {
        self.bytes(at).map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn atom(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes(), kind, content].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_be_bytes()).collect()
    }

    fn movie(edits: &[u32]) -> File {
        let trak = [
            atom(b"tkhd", &words(&[0, 0, 0, 7, 0])),
            atom(b"edts", &atom(b"elst", &words(edits))),
            atom(b"mdia", &atom(b"mdhd", &words(&[0, 0, 0, 44_100, 0]))),
        ]
        .concat();
        let moov = [atom(b"mvhd", &words(&[0, 0, 0, 1_000, 0])), atom(b"trak", &trak)].concat();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[atom(b"ftyp", b"M4A "), atom(b"moov", &moov)].concat()).unwrap();
        file
    }

    #[test]
    fn the_edit_of_the_right_track_is_found() {
        // An empty edit first, then the real one.
        let file = movie(&[0, 2, 50, u32::MAX, 0x10000, 900, 1024, 0x10000]);
        let edit_of_7 = Edit { start: 1024, duration: 900, movie_scale: 1_000, track_scale: 44_100 };
        assert_eq!(edit(&file, 7), Ok(Some(edit_of_7)));
        assert_eq!(edit(&file, 8), Ok(None));
    }

    #[test]
    fn several_edits_and_broken_lists_are_not_followed() {
        assert_eq!(edit(&movie(&[0, 2, 5, 0, 0x10000, 5, 900, 0x10000]), 7), Err(()));
        assert_eq!(edit(&movie(&[0, u32::MAX]), 7), Ok(None));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&words(&[u32::MAX, 0x6D6F_6F76, 1, 2])).unwrap();
        assert_eq!(edit(&file, 7), Ok(None));
    }
}
