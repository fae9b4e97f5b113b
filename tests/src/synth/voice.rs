//! A singer after Fant's source and filter ("Acoustic theory of speech production", 1960): a glottal pulse train and
//! breath go through five formant resonators; hiss goes beside them.

use std::f64::consts::{PI, TAU};

use super::{
    RATE,
    dsp::{Phase, Smooth, Svf, hertz, poly_blep},
    phonemes::{BANDWIDTHS, Gesture},
};
use crate::rng::Rng;

/// A gesture with the pitch that it is sung at, as a MIDI note number.
pub(super) struct Sound {
    pub(super) gesture: Gesture,
    pub(super) pitch: f64,
}

/// Samples between updates of the filters.
const CONTROL: usize = 32;

/// Fraction of a period for which the glottis is open.
const OPEN: f64 = 0.62;

/// Sings one phrase, mono, and lets it fade for 0.15 s.
pub(super) fn sing(sounds: &[Sound], rng: &mut Rng) -> Vec<f64> {
    let Some(first) = sounds.first() else { return Vec::new() };
    let mut pitch = Pitch::new(first.pitch - 1.5, rng);
    let mut source = Glottis::default();
    let mut tract = Tract::new(first.gesture.formants);
    let mut hiss_filter = Svf::default();
    let mut voicing = [Smooth::new(0.0, 0.012); 2];
    let mut breath = Smooth::new(0.0, 0.010);
    let mut hiss = Smooth::new(0.0, 0.004);
    let (mut breath_tone, mut air_tone) = (Svf::default(), Svf::default());
    let mut out = Vec::new();

    let fade =
        Sound { gesture: Gesture::rest(0.15, sounds[sounds.len() - 1].gesture.formants), pitch: first.pitch };
    for sound in sounds.iter().chain([&Sound { pitch: sounds[sounds.len() - 1].pitch, ..fade }]) {
        let gesture = &sound.gesture;
        for n in 0..(gesture.length * RATE) as usize {
            if n % CONTROL == 0 {
                tract.shape(&gesture.formants);
            }
            let frequency = pitch.step(sound.pitch, gesture.voicing > 0.8, rng);
            let target = voicing[0].towards(gesture.voicing);
            let voiced = voicing[1].towards(target);
            let (pulse, open) = source.step(frequency);
            let air = breath_tone.step(rng.noise(), 2500.0, 0.7);
            let breathy = breath.towards(gesture.breath) + 0.035 * voiced * (0.4 + open);
            let excitation = voiced * pulse + breathy * (air.high + 0.2 * air.low);
            let noise = hiss_filter.step(rng.noise(), gesture.colour, 1.6).band;
            // What five formants leave out above 5 kHz: breath that comes with each opening of the glottis.
            let bright =
                0.02 * (voiced * (0.3 + open) + 2.0 * breathy) * air_tone.step(air.high, 6500.0, 0.6).high;
            out.push(tract.filter(excitation) + bright + 0.45 * hiss.towards(gesture.hiss) * noise);
        }
    }
    out
}

/// Intonation: glides between notes, vibrato that grows on held notes, and a slow drift.
struct Pitch {
    glide: [Smooth; 2],
    vibrato: Phase,
    depth: Smooth,
    drift: Smooth,
    wander: f64,
    rate: f64,
}

impl Pitch {
    fn new(from: f64, rng: &mut Rng) -> Self {
        Self {
            glide: [Smooth::new(from, 0.022); 2],
            vibrato: Phase(rng.unit()),
            depth: Smooth::new(0.0, 0.35),
            drift: Smooth::new(0.0, 0.15),
            wander: 0.0,
            rate: rng.range(5.3, 6.0),
        }
    }

    /// The fundamental in Hz.
    fn step(&mut self, target: f64, held: bool, rng: &mut Rng) -> f64 {
        let note = self.glide[0].towards(target);
        let note = self.glide[1].towards(note);
        // Not at pitch yet: start the vibrato over.
        let arrived = held && (note - target).abs() < 0.3;
        self.depth.value *= if arrived { 1.0 } else { 0.9993 };
        let depth = self.depth.towards(if arrived { 0.5 } else { 0.0 });
        if rng.chance(20.0 / RATE) {
            self.wander = rng.range(-0.15, 0.15);
        }
        let drift = self.drift.towards(self.wander);
        hertz(note + drift + depth * self.vibrato.sine(self.rate))
    }
}

/// Derivative of the glottal flow: `u(t) = t² − t³` while open, zero while closed (KLGLOTT88, Klatt & Klatt 1990), with the
/// corner at closure band-limited.
#[derive(Default)]
struct Glottis {
    phase: Phase,
    tilt: Option<Smooth>,
}

impl Glottis {
    /// The derivative (closure = −1) and the flow (0 to 1).
    fn step(&mut self, frequency: f64) -> (f64, f64) {
        let phase = self.phase.advance(frequency);
        let x = phase / OPEN;
        let (slope, flow) =
            if x < 1.0 { (2.0 * x - 3.0 * x * x, 6.75 * (x * x - x * x * x)) } else { (0.0, 0.0) };
        let since_closure = (phase + 1.0 - OPEN).fract();
        let pulse = slope + poly_blep(since_closure, frequency / RATE);
        let tilt = self.tilt.get_or_insert(Smooth::new(0.0, 1.0 / (TAU * 5000.0)));
        (tilt.towards(pulse), flow)
    }
}

/// Five resonators in series, each with unity gain at zero frequency (Klatt 1980, "Software for a cascade/parallel formant
/// synthesizer").
struct Tract {
    formants: [Smooth; 5],
    resonators: [Resonator; 5],
}

#[derive(Clone, Copy, Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    last: [f64; 2],
}

impl Tract {
    fn new(formants: [f64; 5]) -> Self {
        let every = CONTROL as f64;
        Self {
            formants: formants.map(|f| Smooth::new(f, 0.028 / every)),
            resonators: [Resonator::default(); 5],
        }
    }

    /// Moves a little towards these formants.
    fn shape(&mut self, targets: &[f64; 5]) {
        for (i, resonator) in self.resonators.iter_mut().enumerate() {
            let frequency = self.formants[i].towards(targets[i]);
            resonator.c = -(-2.0 * PI * BANDWIDTHS[i] / RATE).exp();
            resonator.b = 2.0 * (-PI * BANDWIDTHS[i] / RATE).exp() * (TAU * frequency / RATE).cos();
            resonator.a = 1.0 - resonator.b - resonator.c;
        }
    }

    fn filter(&mut self, input: f64) -> f64 {
        self.resonators.iter_mut().fold(input, |value, r| {
            let out = r.a * value + r.b * r.last[0] + r.c * r.last[1];
            r.last = [out, r.last[0]];
            out
        })
    }
}
