//! Signals made here: mono at 44.1 kHz unless said otherwise.

use std::f32::consts::TAU;

use harmonix_analysis::{Analysis, Analyzer, Options};

pub(crate) const RATE: u32 = 44_100;

/// Samples of `seconds`.
pub(crate) fn samples(seconds: f64) -> usize {
    (seconds * f64::from(RATE)) as usize
}

/// Analyses a mono signal.
pub(crate) fn analyse(mono: &[f32]) -> Analysis {
    let mut analyzer = Analyzer::new(RATE, 1, Options::default()).unwrap();
    analyzer.push(mono);
    analyzer.finish()
}

pub(crate) fn silence(seconds: f64) -> Vec<f32> {
    vec![0.0; samples(seconds)]
}

pub(crate) fn sine(seconds: f64, frequency: f32, amplitude: f32) -> Vec<f32> {
    let step = f64::from(frequency) / f64::from(RATE);
    (0..samples(seconds)).map(|i| amplitude * ((i as f64 * step).fract() as f32 * TAU).sin()).collect()
}

/// White noise, the same at every call.
pub(crate) fn noise(seconds: f64, amplitude: f32) -> Vec<f32> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    (0..samples(seconds))
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            amplitude * ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
        })
        .collect()
}

/// Adds a stroke of 30 ms of a decaying tone at `time`.
pub(crate) fn click(out: &mut [f32], time: f64, frequency: f32, amplitude: f32) {
    let start = samples(time);
    for i in 0..samples(0.03) {
        let Some(sample) = out.get_mut(start + i) else { break };
        let t = i as f32 / RATE as f32;
        *sample += amplitude * (-t * 150.0).exp() * (TAU * frequency * t).sin();
    }
}

/// Clicks at `bpm`, the first one at `start`; every `accent`-th is lower and louder.
pub(crate) fn clicks(seconds: f64, bpm: f64, start: f64, accent: usize) -> Vec<f32> {
    let mut out = silence(seconds);
    for n in 0.. {
        let time = start + n as f64 * 60.0 / bpm;
        if time > seconds {
            break;
        }
        let first = accent > 0 && n % accent == 0;
        click(&mut out, time, if first { 90.0 } else { 1500.0 }, if first { 0.9 } else { 0.45 });
    }
    out
}

/// Adds a tone with six harmonics at a MIDI pitch.
pub(crate) fn note(out: &mut [f32], start: f64, length: f64, pitch: f32, amplitude: f32) {
    let frequency = 440.0 * ((pitch - 69.0) / 12.0).exp2();
    let (from, count) = (samples(start), samples(length));
    for i in 0..count {
        let Some(sample) = out.get_mut(from + i) else { break };
        let t = i as f32 / RATE as f32;
        let fade =
            (t / 0.01).min(1.0) * ((count - i) as f32 / RATE as f32 / 0.03).min(1.0) * (-t * 0.8).exp();
        for h in 1..=6u8 {
            let h = f32::from(h);
            *sample += amplitude * fade * (TAU * (frequency * h * t).fract()).sin() / (h * h);
        }
    }
}

/// Adds a chord: `tones` in semitones above `root` (MIDI), with the root an octave below.
pub(crate) fn chord(out: &mut [f32], start: f64, length: f64, root: f32, tones: &[f32]) {
    note(out, start, length, root - 12.0, 0.12);
    tones.iter().for_each(|t| note(out, start, length, root + t, 0.08));
}
