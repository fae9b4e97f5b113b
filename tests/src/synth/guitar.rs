use super::{
    RATE,
    bus::Bus,
    dsp::{Smooth, envelope, hertz, times},
    score::{Score, Section},
};
use crate::rng::Rng;

/// A plucked arpeggio right of the centre: eighths in the verse, an octave higher in sixteenths in the chorus.
pub(super) fn play(score: &Score, mut rng: Rng) -> Bus {
    const ORDER: [usize; 8] = [0, 2, 1, 3, 2, 1, 3, 2];
    let mut bus = Bus::new(score.seconds);
    for bar in &score.bars {
        let (notes, step, lowest) = match bar.section {
            Section::Intro | Section::End => continue,
            Section::Verse => (8, score.beat() / 2.0, 60),
            Section::Chorus => (16, score.beat() / 4.0, 67),
        };
        let chord = score.voicing(bar.chord, lowest);
        for i in 0..notes {
            if rng.chance(0.12) {
                continue;
            }
            let start = bar.start + i as f64 * step + rng.range(0.0, 0.006);
            let string = pluck(f64::from(chord[ORDER[i % 8]]), 3.0 * step, Rng::new(rng.bits()));
            bus.add(start, string, rng.range(0.7, 1.0), 0.5);
        }
    }
    bus
}

/// A burst of noise that runs around a delay line as long as its period, losing its highs on the way
/// (Karplus & Strong 1983), tuned between whole samples by an all-pass (Jaffe & Smith 1983).
fn pluck(pitch: f64, length: f64, mut rng: Rng) -> impl Iterator<Item = f64> {
    let period = RATE / hertz(pitch) - 0.5; // the averaging delays by half a sample
    let whole = (period - 0.3).floor();
    let fraction = period - whole;
    let tuning = (1.0 - fraction) / (1.0 + fraction);
    let mut pick = Smooth::new(0.0, 4e-5);
    let mut line: Vec<f64> = (0..whole as usize).map(|_| pick.towards(rng.noise())).collect();
    let mean = line.iter().sum::<f64>() / whole;
    line.iter_mut().for_each(|value| *value -= mean); // a constant would never decay
    let (mut at, mut last, mut input, mut output) = (0, 0.0, 0.0, 0.0);
    times(length).map(move |t| {
        let value = line[at];
        let soft = 0.498 * (value + last);
        last = value;
        output = tuning * (soft - output) + input;
        input = soft;
        line[at] = output;
        at = (at + 1) % line.len();
        value * envelope(t, length, 0.001, 0.08)
    })
}
