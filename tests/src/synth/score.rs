use super::melody::{self, Phrase};
use crate::rng::Rng;

/// Beats of a bar.
pub(super) const BEATS: f64 = 4.0;

/// A part of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Intro,
    Verse,
    Chorus,
    End,
}

/// One bar of the arrangement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    /// Its first beat in seconds.
    pub(super) start: f64,
    pub(super) section: Section,
    pub(super) chord: Chord,
    /// Its number within its section, from zero.
    pub(super) index: usize,
    /// The last of its section: where fills go.
    pub(super) last: bool,
}

/// A chord of four notes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chord {
    /// Semitones above the tonic.
    pub(super) root: i32,
    /// Semitones above the root.
    pub(super) tones: [i32; 4],
}

const I: Chord = Chord { root: 0, tones: [0, 3, 7, 10] };
const III: Chord = Chord { root: 3, tones: [0, 4, 7, 11] };
const VI: Chord = Chord { root: 8, tones: [0, 4, 7, 11] };
const VII: Chord = Chord { root: 10, tones: [0, 4, 7, 9] };

const VERSE: [Chord; 4] = [I, VI, III, VII];
const CHORUS: [Chord; 8] = [VI, VII, I, III, VI, VII, I, I];

/// What everybody plays from.
pub(super) struct Score {
    pub(super) seconds: f64,
    /// Beats per minute.
    pub(super) tempo: f64,
    /// MIDI note number of the tonic, in the octave below middle C.
    pub(super) tonic: i32,
    pub(super) bars: Vec<Bar>,
    pub(super) phrases: Vec<Phrase>,
}

impl Score {
    pub(super) fn new(seconds: f64, seed: u64) -> Self {
        let mut rng = Rng::part(seed, "score");
        let tempo = 116.0 + rng.below(9) as f64;
        let tonic = 55 + rng.below(5) as i32;
        let bar = BEATS * 60.0 / tempo;
        let form = form((seconds / bar).ceil() as usize, seconds / bar);
        let bars: Vec<Bar> = form
            .iter()
            .enumerate()
            .map(|(i, &(section, index))| Bar {
                start: i as f64 * bar,
                section,
                chord: match section {
                    Section::Intro | Section::Verse => VERSE[index % 4],
                    Section::Chorus => CHORUS[index % 8],
                    Section::End => I,
                },
                index,
                last: form.get(i + 1).is_some_and(|next| next.1 == 0),
            })
            .collect();
        let phrases = melody::phrases(&bars, 60.0 / tempo, &mut rng);
        Self { seconds, tempo, tonic, bars, phrases }
    }

    /// Length of a beat in seconds.
    pub(super) fn beat(&self) -> f64 {
        60.0 / self.tempo
    }

    /// MIDI note number of a degree of the natural minor scale, 0 = tonic, 7 = an octave above.
    pub(super) fn degree(&self, degree: i32) -> i32 {
        const SCALE: [i32; 7] = [0, 2, 3, 5, 7, 8, 10];
        self.tonic + 12 * degree.div_euclid(7) + SCALE[degree.rem_euclid(7) as usize]
    }

    /// The chord's notes as MIDI note numbers, each in the octave from `lowest` on, ascending.
    pub(super) fn voicing(&self, chord: Chord, lowest: i32) -> [i32; 4] {
        let mut notes =
            chord.tones.map(|tone| lowest + (self.tonic + chord.root + tone - lowest).rem_euclid(12));
        notes.sort_unstable();
        notes
    }

    /// Where sections begin and what they are.
    pub(super) fn sections(&self) -> Vec<(f64, &'static str)> {
        let name = |section| match section {
            Section::Intro => "intro",
            Section::Verse => "verse",
            Section::Chorus => "chorus",
            Section::End => "end",
        };
        self.bars.iter().filter(|bar| bar.index == 0).map(|bar| (bar.start, name(bar.section))).collect()
    }
}

/// Section and number within it of each of `count` bars. Where there is room, the song has an intro, goes through
/// verse and chorus, and closes with a chord that rings for the last `bars.fract()` of a bar.
fn form(count: usize, bars: f64) -> Vec<(Section, usize)> {
    let closing = usize::from(count > 2 && bars.fract() > 0.0);
    let body = count - closing;
    let intro = (body / 6).min(2);
    let verse = (body / 3).min(4);
    let mut form: Vec<_> = (0..intro).map(|i| (Section::Intro, i)).collect();
    while form.len() < body {
        form.extend((0..verse.min(body - form.len())).map(|i| (Section::Verse, i)));
        let rest = body - form.len();
        let chorus = if rest < 12 { rest } else { 8 };
        form.extend((0..chorus).map(|i| (Section::Chorus, i)));
    }
    form.extend((0..closing).map(|i| (Section::End, i)));
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_minute_has_every_section_and_a_blink_has_a_chorus() {
        let names = |seconds| Score::new(seconds, 1).sections().iter().map(|s| s.1).collect::<Vec<_>>();
        assert_eq!(names(30.0), ["intro", "verse", "chorus", "end"]);
        assert_eq!(names(2.0), ["chorus"]);
    }

    #[test]
    fn voicings_stay_in_their_octave() {
        let score = Score::new(8.0, 1);
        for chord in CHORUS {
            let notes = score.voicing(chord, 60);
            assert!(notes.is_sorted() && notes[0] >= 60 && notes[3] < 72, "{notes:?}");
        }
    }
}
