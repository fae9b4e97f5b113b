use std::f64::consts::TAU;

use super::{
    bus::Bus,
    dsp::{Phase, Svf, envelope, times},
    room,
    score::{Bar, Score, Section},
};
use crate::rng::Rng;

/// Kick, snare, hi-hats, toms and a crash cymbal, played by somebody who is not a machine, in a small room.
pub(super) fn play(score: &Score, mut rng: Rng) -> Bus {
    let mut kit = Kit { bus: Bus::new(score.seconds), step: score.beat() / 4.0, rng: &mut rng };
    for bar in &score.bars {
        kit.bar(bar);
    }
    let mut bus = kit.bus;
    let wet = room::reverberate(&bus, 0.5, 5e-5);
    bus.mix(&wet, 0.12);
    bus.saturate(1.1);
    bus
}

struct Kit<'a> {
    bus: Bus,
    /// A sixteenth in seconds.
    step: f64,
    rng: &'a mut Rng,
}

impl Kit<'_> {
    /// Patterns are strings of sixteenths: `X` loud, `x` medium, `.` soft, `o` open, space nothing.
    fn bar(&mut self, bar: &Bar) {
        let (kick, snare, hats) = match bar.section {
            Section::Intro => ("                ", "                ", "x . x . x . x . "),
            Section::Verse => ("X      x X    . ", "    X      .X   ", "x . X . x . X . "),
            Section::Chorus if bar.index.is_multiple_of(2) => {
                ("X     x X x     ", "    X       X  .", "x.Xox.X.x.Xox.X.")
            }
            Section::Chorus => ("X  x  x X    x  ", "    X  . .  X   ", "x.Xox.X.x.Xox.X."),
            Section::End => ("X               ", "                ", "                "),
        };
        let until = if bar.last { 12 } else { 16 };
        let at = |step: usize| bar.start + step as f64 * self.step;
        let beats: Vec<_> = (0..16).map(at).collect();
        for (step, &time) in beats.iter().enumerate() {
            let of = |pattern: &str| pattern.as_bytes()[step];
            if let Some(force) = force(of(kick)) {
                self.hit(time, force, 1.0, 0.0, kick_drum);
            }
            if let Some(force) = force(of(snare)).filter(|_| step < until) {
                self.hit(time, force, 0.75, 0.05, snare_drum);
            }
            if let Some(force) = force(of(hats)).filter(|_| step < until) {
                let length = if of(hats) == b'o' { 0.30 } else { 0.045 };
                self.hit(time, force, 0.30, 0.35, |force, rng| cymbal(length, force, rng));
            }
        }
        if bar.last {
            self.fill(&beats[12..]);
        }
        if bar.index == 0 && matches!(bar.section, Section::Chorus | Section::End) {
            self.hit(bar.start, 1.0, 0.5, -0.3, |force, rng| cymbal(0.9, force, rng));
        }
    }

    /// The last beat of a section: snare and toms from high to low.
    fn fill(&mut self, times: &[f64]) {
        for (&time, (pitch, pan)) in
            times.iter().zip([(0.0, 0.05), (190.0, -0.4), (140.0, 0.0), (95.0, 0.45)])
        {
            match pitch {
                0.0 => self.hit(time, 0.9, 0.7, pan, snare_drum),
                _ => self.hit(time, 0.9, 0.7, pan, |force, rng| tom(pitch, force, rng)),
            }
        }
    }

    /// Plays a sound of some force a few milliseconds off the beat.
    fn hit<S: Iterator<Item = f64>>(
        &mut self,
        time: f64,
        force: f64,
        gain: f64,
        pan: f64,
        sound: impl FnOnce(f64, Rng) -> S,
    ) {
        let time = time + self.rng.range(-0.003, 0.004);
        let force = force * self.rng.range(0.9, 1.08);
        let rng = Rng::new(self.rng.bits());
        self.bus.add(time.max(0.0), sound(force, rng), gain * force, pan);
    }
}

fn force(symbol: u8) -> Option<f64> {
    match symbol {
        b'X' => Some(1.0),
        b'x' | b'o' => Some(0.72),
        b'.' => Some(0.42),
        _ => None,
    }
}

/// A sine that falls from 195 to 55 Hz, and the click of the beater.
fn kick_drum(force: f64, mut rng: Rng) -> impl Iterator<Item = f64> {
    let (mut phase, mut click) = (Phase::default(), Svf::default());
    times(0.45).map(move |t| {
        let body = phase.sine(55.0 + 140.0 * force * (-t / 0.022).exp()) * (-t / 0.08).exp();
        let beater = click.step(rng.noise() * (-t / 0.004).exp(), 3200.0, 0.8).band;
        (1.3 * body + 0.7 * beater).tanh() * envelope(t, 0.45, 0.0005, 0.05)
    })
}

/// Two modes of the skin, and the rattle of the wires.
fn snare_drum(force: f64, mut rng: Rng) -> impl Iterator<Item = f64> {
    let (mut low, mut high, mut wires) = (Phase::default(), Phase::default(), Svf::default());
    times(0.4).map(move |t| {
        let bend = 1.0 + 0.25 * (-t / 0.01).exp();
        let skin =
            low.sine(187.0 * bend) * (-t / 0.07).exp() + 0.6 * high.sine(332.0 * bend) * (-t / 0.04).exp();
        let noise = wires.step(rng.noise(), 1900.0 + 1500.0 * force, 0.7);
        let rattle = (noise.high + 0.5 * noise.band) * (0.7 * (-t / 0.085).exp() + 0.5 * (-t / 0.012).exp());
        (0.55 * skin + 0.75 * rattle) * envelope(t, 0.4, 0.0003, 0.05)
    })
}

fn tom(pitch: f64, force: f64, mut rng: Rng) -> impl Iterator<Item = f64> {
    let (mut phase, mut stick) = (Phase::default(), Svf::default());
    times(0.6).map(move |t| {
        let skin = phase.sine(pitch * (1.0 + 0.6 * force * (-t / 0.03).exp())) * (-t / 0.16).exp();
        let click = stick.step(rng.noise() * (-t / 0.006).exp(), 1800.0, 0.8).band;
        (skin + 0.4 * click) * envelope(t, 0.6, 0.0005, 0.1)
    })
}

/// Noise and six inharmonic squares, high-passed: the recipe of analogue drum machines. `length` is the decay in seconds.
fn cymbal(length: f64, force: f64, mut rng: Rng) -> impl Iterator<Item = f64> {
    const PARTIALS: [f64; 6] = [2053.0, 3044.0, 3696.0, 5227.0, 5400.0, 8000.0];
    let (mut first, mut second) = (Svf::default(), Svf::default());
    let bend = rng.range(0.98, 1.02);
    let cut = if length > 0.5 { 3500.0 } else { 6500.0 };
    times(3.0 * length + 0.05).map(move |t| {
        let metal: f64 = PARTIALS.iter().map(|f| (TAU * f * bend * t).sin().signum()).sum::<f64>() / 6.0;
        let tone = first.step(0.8 * rng.noise() + 0.35 * metal, cut + 800.0 * force, 0.7).high;
        let decay = 0.8 * (-t / length).exp() + 0.4 * (-t / 0.01).exp();
        second.step(tone, cut, 0.7).high * decay * envelope(t, 3.0 * length + 0.05, 0.0003, length)
    })
}
