use super::{
    bus::Bus,
    dsp::{Phase, Smooth, Svf, envelope, hertz},
    score::{Score, Section},
};
use crate::rng::Rng;

/// Start in eighths, length in eighths, semitones above the root.
type Figure = &'static [(f64, f64, i32)];

const VERSE: Figure = &[(0.0, 2.8, 0), (3.0, 0.8, 0), (4.0, 2.6, 0), (6.0, 0.8, 7), (7.0, 0.9, 10)];
const CHORUS: Figure = &[
    (0.0, 0.9, 0),
    (1.0, 0.8, 0),
    (2.0, 0.8, 12),
    (3.0, 0.9, 0),
    (4.0, 0.9, 0),
    (5.0, 0.8, 7),
    (6.0, 0.8, 12),
    (7.0, 0.9, 7),
];
const HELD: Figure = &[(0.0, 7.8, 0)];

/// A plucked electric bass: a sawtooth and an octave of sine below it through a low-pass that closes as the string
/// calms down; one string, so notes cut each other off and now and then slide.
pub(super) fn play(score: &Score, mut rng: Rng) -> Bus {
    let mut bus = Bus::new(score.seconds);
    let eighth = score.beat() / 2.0;
    for bar in &score.bars {
        let figure = match bar.section {
            Section::Intro => continue,
            Section::Verse => VERSE,
            Section::Chorus => CHORUS,
            Section::End => HELD,
        };
        // The octave from 41 Hz (E1) on.
        let root = 28 + (score.tonic + bar.chord.root - 28).rem_euclid(12);
        for &(at, length, interval) in figure {
            let slide = if rng.chance(0.12) { -2.0 } else { 0.0 };
            let start = bar.start + at * eighth + rng.range(-0.004, 0.006);
            let note = pluck(f64::from(root + interval), slide, length * eighth, rng.range(0.8, 1.0));
            bus.add(start.max(0.0), note, 1.0, 0.0);
        }
    }
    bus
}

/// One note; `slide` semitones off at first.
fn pluck(pitch: f64, slide: f64, length: f64, force: f64) -> impl Iterator<Item = f64> {
    let (mut saw, mut sub) = (Phase(0.25), Phase::default());
    let (mut first, mut second) = (Svf::default(), Svf::default());
    let mut glide = Smooth::new(pitch + slide, 0.03);
    super::dsp::times(length).map(move |t| {
        let f0 = hertz(glide.towards(pitch));
        let cutoff = 260.0 + f0 * 2.0 + 2600.0 * force * (-t / 0.09).exp();
        let string = saw.saw(f0) * (-t / 0.9).exp();
        let bright = first.step(string, cutoff, 1.1).low;
        let tone = second.step(bright, cutoff * 1.6, 0.6).low + 0.35 * sub.sine(f0) * (-t / 1.4).exp();
        (1.2 * tone).tanh() * force * envelope(t, length, 0.003, 0.03)
    })
}
