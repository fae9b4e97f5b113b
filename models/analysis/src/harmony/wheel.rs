//! Names of keys: pitch classes, the Camelot wheel and Open Key.

use crate::analysis::Scale;

const NAMES: [&str; 12] = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

/// Name of a pitch class, 0 is `C`; counted around the octave.
pub fn tonic_name(pitch_class: usize) -> &'static str {
    NAMES[pitch_class % 12]
}

/// Pitch class of a name such as `C`, `Db`, `F#`, `Cb` or `B♭`. `None` for anything else.
fn pitch_class(name: &str) -> Option<usize> {
    let mut letters = name.trim().chars();
    let natural = match letters.next()?.to_ascii_uppercase() {
        'C' => 0,
        'D' => 2,
        'E' => 4,
        'F' => 5,
        'G' => 7,
        'A' => 9,
        'B' => 11,
        _ => return None,
    };
    let shift = match letters.as_str() {
        "" => 0,
        "#" | "♯" => 1,
        "b" | "♭" => 11,
        _ => return None,
    };
    Some((natural + shift) % 12)
}

/// Place of a key on the circle of fifths, C major and A minor at 0.
fn fifths(tonic: &str, scale: Scale) -> Option<usize> {
    let major = match scale {
        Scale::Major => pitch_class(tonic)?,
        Scale::Minor => pitch_class(tonic)? + 3,
    };
    Some(major * 7 % 12)
}

/// Camelot code of a key: C major is `8B`, A minor `8A`. Flats and sharps are understood.
pub fn camelot(tonic: &str, scale: Scale) -> Option<String> {
    let letter = if scale == Scale::Major { 'B' } else { 'A' };
    fifths(tonic, scale).map(|f| format!("{}{letter}", (f + 7) % 12 + 1))
}

/// Open Key code of a key: C major is `1d`, A minor `1m`. Flats and sharps are understood.
pub fn open_key(tonic: &str, scale: Scale) -> Option<String> {
    let letter = if scale == Scale::Major { 'd' } else { 'm' };
    fifths(tonic, scale).map(|f| format!("{}{letter}", f + 1))
}
