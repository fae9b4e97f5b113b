use std::f64::consts::TAU;

use super::{
    bus::Bus,
    dsp::{Phase, Svf, envelope, hertz, times},
    room,
    score::{Score, Section},
};
use crate::rng::Rng;

/// An electric piano by frequency modulation (Chowning 1973), left of the centre with a tremolo between the sides.
pub(super) fn play(score: &Score, mut rng: Rng) -> Bus {
    let mut bus = Bus::new(score.seconds);
    for bar in &score.bars {
        // Start and length in eighths.
        let comp: &[(f64, f64)] = match bar.section {
            Section::Intro => &[(0.0, 3.0), (3.0, 5.0)],
            Section::Verse => &[(0.0, 2.5), (3.0, 1.0), (5.0, 2.8)],
            Section::Chorus => &[(0.0, 1.4), (1.5, 1.3), (3.0, 1.8), (5.0, 0.9), (6.0, 1.8)],
            Section::End => &[(0.0, 8.0)],
        };
        for &(at, length) in comp {
            let start = bar.start + at * score.beat() / 2.0;
            for (i, note) in score.voicing(bar.chord, 58).into_iter().enumerate() {
                let strum = 0.006 * i as f64 + rng.range(0.0, 0.006);
                let tone = piano(f64::from(note), length * score.beat() / 2.0, rng.range(0.7, 1.0));
                bus.add(start + strum, tone, 0.3, -0.25);
            }
        }
    }
    tremolo(&mut bus, 4.7, 0.3);
    let wet = room::reverberate(&bus, 1.1, 6e-5);
    bus.mix(&wet, 0.10);
    bus
}

/// Carrier and modulator of one frequency, and a tine 14 times as high that is gone at once.
fn piano(pitch: f64, length: f64, force: f64) -> impl Iterator<Item = f64> {
    let f0 = hertz(pitch);
    times(length + 0.15).map(move |t| {
        let index = 1.9 * force * (-t / 0.45).exp() + 0.25;
        let body = (TAU * f0 * t + index * (TAU * f0 * t).sin()).sin() * (-t / 1.3).exp();
        let tine = (TAU * 14.0 * f0 * t).sin() * (-t / 0.06).exp();
        force * (body + 0.16 * force * tine) * envelope(t, length + 0.15, 0.002, 0.15)
    })
}

/// Moves a track between the sides.
fn tremolo(bus: &mut Bus, rate: f64, depth: f64) {
    let mut phase = Phase::default();
    for (left, right) in bus.left.iter_mut().zip(&mut bus.right) {
        let sway = depth * phase.sine(rate);
        *left *= (1.0 + sway) as f32;
        *right *= (1.0 - sway) as f32;
    }
}

/// A wide pad: detuned sawtooths, others in the left than in the right, through a slowly opening low-pass.
pub(super) fn pad(score: &Score, mut rng: Rng) -> Bus {
    let mut bus = Bus::new(score.seconds);
    let bar_length = score.beat() * super::score::BEATS;
    for bar in
        score.bars.iter().filter(|b| matches!(b.section, Section::Intro | Section::Chorus | Section::End))
    {
        for note in score.voicing(bar.chord, 52) {
            for pan in [-0.9, 0.9] {
                let pitch = f64::from(note) + rng.range(-0.09, 0.09);
                bus.add(bar.start, strings(pitch, bar_length, rng.unit()), 0.12, pan);
            }
        }
    }
    bus
}

fn strings(pitch: f64, length: f64, start: f64) -> impl Iterator<Item = f64> {
    let (mut one, mut two, mut filter) = (Phase(start), Phase(0.37), Svf::default());
    times(length + 0.3).map(move |t| {
        let tone = one.saw(hertz(pitch)) + one_octave_up(&mut two, pitch);
        let cutoff = 700.0 + 1500.0 * envelope(t, length, length * 0.6, length * 0.4);
        filter.step(tone, cutoff, 0.8).low * envelope(t, length + 0.3, 0.18, 0.3)
    })
}

fn one_octave_up(phase: &mut Phase, pitch: f64) -> f64 {
    0.3 * phase.saw(hertz(pitch + 12.06))
}
