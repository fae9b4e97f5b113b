use super::{
    phonemes::{Consonant, Vowel},
    score::{BEATS, Bar, Section},
};
use crate::rng::Rng;

/// A syllable on a note.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sung {
    /// When its vowel begins, in seconds.
    pub(super) start: f64,
    /// In seconds.
    pub(super) length: f64,
    /// Degree of the scale.
    pub(super) degree: i32,
    pub(super) consonant: Consonant,
    pub(super) vowel: Vowel,
}

/// What is sung in one breath.
#[derive(Debug, Clone)]
pub(super) struct Phrase {
    pub(super) section: Section,
    pub(super) notes: Vec<Sung>,
}

/// Beat, length in beats, degree of the scale.
type Motif = &'static [(f64, f64, i32)];

/// Two bars each.
const VERSE: [Motif; 2] = [
    &[
        (0.5, 0.5, 4),
        (1.0, 0.5, 4),
        (1.5, 0.5, 3),
        (2.0, 1.0, 2),
        (3.0, 0.5, 3),
        (3.5, 2.0, 4),
        (6.5, 0.5, 2),
        (7.0, 0.5, 3),
        (7.5, 0.5, 4),
    ],
    &[
        (0.0, 1.0, 4),
        (1.0, 0.5, 5),
        (1.5, 0.5, 4),
        (2.0, 1.0, 3),
        (3.0, 0.5, 2),
        (3.5, 0.5, 1),
        (4.0, 2.5, 1),
    ],
];
const CHORUS: [Motif; 4] = [
    &[
        (0.0, 1.5, 7),
        (1.5, 0.5, 7),
        (2.0, 1.0, 9),
        (3.0, 1.0, 8),
        (4.0, 1.5, 8),
        (5.5, 0.5, 7),
        (6.0, 1.5, 6),
    ],
    &[
        (0.0, 1.0, 7),
        (1.0, 0.5, 9),
        (1.5, 1.5, 11),
        (3.0, 0.5, 9),
        (3.5, 0.5, 8),
        (4.0, 2.0, 9),
        (7.0, 0.5, 7),
        (7.5, 0.5, 8),
    ],
    &[
        (0.0, 1.5, 9),
        (1.5, 0.5, 9),
        (2.0, 1.0, 10),
        (3.0, 1.0, 9),
        (4.0, 1.5, 8),
        (5.5, 0.5, 9),
        (6.0, 1.0, 8),
        (7.0, 1.0, 6),
    ],
    &[(0.0, 2.5, 7), (3.0, 0.5, 5), (3.5, 0.5, 6), (4.0, 3.0, 7)],
];

/// A rest of more than this many beats ends a phrase.
const BREATH: f64 = 0.4;

/// The melody over the bars, `beat` seconds per beat: motifs of two bars with small variations, and nonsense for text.
pub(super) fn phrases(bars: &[Bar], beat: f64, rng: &mut Rng) -> Vec<Phrase> {
    let mut notes: Vec<(Section, Sung)> = Vec::new();
    for (number, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.index % 2 == 0) {
        let motif = match bar.section {
            Section::Verse => VERSE[bar.index / 2 % 2],
            Section::Chorus => CHORUS[bar.index / 2 % 4],
            Section::Intro | Section::End => continue,
        };
        let next = bars.get(number + 1).is_some_and(|next| next.section == bar.section);
        for &(at, length, degree) in motif.iter().filter(|note| next || note.0 < BEATS) {
            let (first, second) = if length > 0.9 && length < 1.6 && rng.chance(0.2) {
                (length / 2.0, Some(degree + 1)) // sung as two
            } else {
                (length, None)
            };
            let mut sing = |at: f64, length: f64, degree: i32| {
                let (consonant, vowel) = (Consonant::pick(rng), Vowel::pick(rng));
                let start = bar.start + at * beat;
                notes.push((bar.section, Sung { start, length: length * beat, degree, consonant, vowel }));
            };
            sing(at, first, degree);
            if let Some(degree) = second {
                sing(at + first, first, degree);
            }
        }
    }
    notes
        .chunk_by(|(_, one), (_, two)| two.start - (one.start + one.length) < BREATH * beat)
        .map(|sung| Phrase { section: sung[0].0, notes: sung.iter().map(|n| n.1).collect() })
        .collect()
}
