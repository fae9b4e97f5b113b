//! Names of the files that a job comes to, whoever writes them: `{name}_{stem}.{ext}`, from names that may hold anything.
//!
//! Names are bytes. What is not UTF-8 is kept as it is; what could leave the folder, pass for an option, hide the file or
//! steer a terminal is replaced by `_`.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// Longest name that file systems take, in bytes.
const NAME_LIMIT: usize = 255;
/// Longest name of an output, in bytes.
const STEM_LIMIT: usize = 32;

/// What an unfinished file's name ends with.
pub const PART: &str = ".part";
/// Longest base, so that every name built on it is within the limit: number, stem, extension and `.part` included.
const BASE_LIMIT: usize = NAME_LIMIT - " (99999)".len() - "_".len() - STEM_LIMIT - ".flac".len() - PART.len();

/// What the names of a job's files begin with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base {
    name: Vec<u8>,
    number: u32,
}

impl Base {
    /// The base for a song of that name; the name is one component, whatever it holds.
    pub fn new(name: &OsStr) -> Self {
        let mut name = cut(tame(without_extension(name.as_bytes())), BASE_LIMIT);
        if name.is_empty() {
            name = b"untitled".to_vec();
        }
        Self { name, number: 1 }
    }

    /// The same with that number; 1 is the name alone.
    pub fn numbered(&self, number: u32) -> Self {
        Self { name: self.name.clone(), number }
    }

    /// Its number, 1 or more.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The same with the next number.
    pub fn next(&self) -> Self {
        Self { name: self.name.clone(), number: self.number.saturating_add(1) }
    }

    /// The name of an output's file.
    pub fn file(&self, stem: &str, extension: &str) -> OsString {
        let mut name = self.prefix();
        name.push(b'_');
        name.extend(cut(tame(stem.as_bytes()), STEM_LIMIT));
        name.push(b'.');
        name.extend(extension.as_bytes());
        OsString::from_vec(name)
    }

    /// The name of the file that says why there are no outputs.
    pub fn error_file(&self) -> OsString {
        let mut name = self.prefix();
        name.extend(b".error.txt");
        OsString::from_vec(name)
    }

    fn prefix(&self) -> Vec<u8> {
        let mut prefix = self.name.clone();
        if self.number > 1 {
            prefix.extend(format!(" ({})", self.number).as_bytes());
        }
        prefix
    }
}

/// Gives each song of a call a base that no other song of the call has.
#[derive(Debug, Default)]
pub struct Bases {
    taken: HashSet<Vec<u8>>,
}

impl Bases {
    /// A base for a song of that name.
    pub fn claim(&mut self, name: &OsStr) -> Base {
        let mut base = Base::new(name);
        while !self.taken.insert(base.prefix()) {
            base = base.next();
        }
        base
    }
}

/// `song` of `song.flac`, and all of `Mr. Brightside` or `v1.2`: an extension is short, letters and digits, not digits alone.
fn without_extension(name: &[u8]) -> &[u8] {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else { return name };
    let extension = &name[dot + 1..];
    let plausible = (1..=5).contains(&extension.len())
        && extension.iter().all(u8::is_ascii_alphanumeric)
        && extension.iter().any(u8::is_ascii_alphabetic);
    if plausible { &name[..dot] } else { name }
}

fn tame(name: &[u8]) -> Vec<u8> {
    let mut tamed = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for char in chunk.valid().chars() {
            let leading = tamed.iter().all(|byte| *byte == b'_');
            match char {
                '/' | '\\' => tamed.push(b'_'),
                '.' | '-' if leading => tamed.push(b'_'),
                char if is_unprintable(char) => tamed.push(b'_'),
                char => tamed.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        tamed.extend(chunk.invalid());
    }
    tamed
}

/// True for characters that would move a terminal's cursor, change its colours, or reorder what stands beside them.
pub fn is_unprintable(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `limit` bytes, never half a character.
fn cut(mut name: Vec<u8>, limit: usize) -> Vec<u8> {
    if name.len() > limit {
        let is_inner = |byte: u8| byte & 0xc0 == 0x80;
        let floor = limit.saturating_sub(3);
        let at = (floor..=limit).rev().find(|at| !is_inner(name[*at])).unwrap_or(limit);
        name.truncate(at);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocals(name: &[u8]) -> Vec<u8> {
        Base::new(OsStr::from_bytes(name)).file("vocals", "flac").into_vec()
    }

    #[test]
    fn hostile_names_stay_files_of_the_folder() {
        let cases: [(&[u8], &[u8]); 18] = [
            (b"song.flac", b"song_vocals.flac"),
            (b"a.b.c.mp3", b"a.b.c_vocals.flac"),
            (b"Mr. Brightside", b"Mr. Brightside_vocals.flac"),
            (b"v1.2", b"v1.2_vocals.flac"),
            (b"../../etc/x.wav", b"______etc_x_vocals.flac"),
            (b"/abs.wav", b"_abs_vocals.flac"),
            (b"..", b"___vocals.flac"),
            (b".hidden.mp3", b"_hidden_vocals.flac"),
            (b"-rf.mp3", b"_rf_vocals.flac"),
            (b"-.-x", b"___x_vocals.flac"),
            (b"", b"untitled_vocals.flac"),
            (b"a\0b\nc\x1b[2J\x7f.mp3", b"a_b_c_[2J__vocals.flac"),
            (b"a\\b.mp3", b"a_b_vocals.flac"),
            (b"caf\xe9.mp3", b"caf\xe9_vocals.flac"),
            (b"\xff\xfe", b"\xff\xfe_vocals.flac"),
            ("שיר.mp3".as_bytes(), "שיר_vocals.flac".as_bytes()),
            ("x\u{202e}3pm.mp3".as_bytes(), b"x_3pm_vocals.flac"),
            ("🎵 歌 (live).m4a".as_bytes(), "🎵 歌 (live)_vocals.flac".as_bytes()),
        ];
        for (name, expected) in cases {
            let file = vocals(name);
            assert_eq!(file, expected, "{} from {}", file.escape_ascii(), name.escape_ascii());
            assert!(!file.contains(&b'/') && !file.contains(&0));
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        for unit in ["x", "é", "歌", "🎵"] {
            let mut base = Base::new(OsStr::new(&unit.repeat(300)));
            base.number = 99_999;
            let file = base.file(&unit.repeat(300), "flac").into_string().unwrap();
            assert!(file.len() + PART.len() <= NAME_LIMIT, "{} bytes", file.len());
            assert!(file.starts_with(unit) && file.ends_with(&format!("{unit}.flac")));
        }
        let bytes = vocals(&[0x80; 400]);
        assert!(bytes.len() < NAME_LIMIT && bytes.ends_with(b"_vocals.flac"));
    }

    #[test]
    fn no_two_songs_of_a_call_share_a_base() {
        let mut bases = Bases::default();
        let long = "y".repeat(250);
        let names =
            ["song.mp3", "song.flac", "song (2).wav", "song", &format!("{long}1"), &format!("{long}2")];
        let files: HashSet<_> =
            names.iter().map(|name| bases.claim(OsStr::new(name)).file("vocals", "wav")).collect();
        assert_eq!(files.len(), names.len());
        assert!(
            files.contains(OsStr::new("song_vocals.wav"))
                && files.contains(OsStr::new("song (2)_vocals.wav"))
        );
    }

    #[test]
    fn outputs_cannot_leave_the_folder_either() {
        let file = Base::new(OsStr::new("song")).file("../../vocals", "flac");
        assert_eq!(file, OsStr::new("song_______vocals.flac"));
    }
}
