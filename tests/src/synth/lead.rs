use super::{
    bus::Bus,
    melody::{Phrase, Sung},
    phonemes::Gesture,
    room,
    score::{Score, Section},
    voice::{Sound, sing},
};
use crate::rng::Rng;

/// A long vowel turns into its glide for this many seconds at its end.
const GLIDE: f64 = 0.16;

/// The lead voice in the centre, in the chorus with two quieter ones a third below at the sides, in a room.
pub(super) fn play(score: &Score, seed: u64) -> Bus {
    let mut bus = Bus::new(score.seconds);
    for (name, below, gain, pan) in [("lead", 0, 1.0, 0.0), ("left", 2, 0.22, -0.6), ("right", 2, 0.22, 0.6)]
    {
        let mut rng = Rng::part(seed, name);
        for phrase in score.phrases.iter().filter(|p| below == 0 || p.section == Section::Chorus) {
            let late = rng.range(-0.01, 0.02);
            let (start, sounds) = sounds(score, phrase, below);
            bus.add(start + late, sing(&sounds, &mut rng).into_iter(), gain, pan);
        }
    }
    bus.compress(2.5);
    let wet = room::reverberate(&bus, 1.5, 4e-5);
    bus.mix(&wet, 0.16);
    bus
}

/// What one phrase consists of, `below` degrees lower, and when its first sound begins: consonants come before the beat.
fn sounds(score: &Score, phrase: &Phrase, below: i32) -> (f64, Vec<Sound>) {
    let onset = |note: &Sung| note.consonant.gestures(note.vowel.formants());
    let lead_in = |note: &Sung| onset(note).iter().map(|g| g.length).sum::<f64>();
    let start = phrase.notes[0].start - lead_in(&phrase.notes[0]);
    let mut sounds = Vec::new();
    for (i, note) in phrase.notes.iter().enumerate() {
        let pitch = f64::from(score.degree(note.degree - below));
        let end = match phrase.notes.get(i + 1) {
            Some(next) => next.start - lead_in(next),
            None => note.start + note.length - 0.08,
        };
        let long = (end - note.start).max(0.03);
        let glide = if long > 0.5 { GLIDE } else { 0.0 };
        let vowel = |length, formants| Gesture { voicing: 1.0, ..Gesture::rest(length, formants) };
        let gestures = onset(note)
            .into_iter()
            .chain([vowel(long - glide, note.vowel.formants()), vowel(glide, note.vowel.glide().formants())]);
        sounds.extend(gestures.map(|gesture| Sound { gesture, pitch }));
    }
    (start, sounds)
}
