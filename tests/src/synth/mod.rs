//! A band in a box: a short song with known stems, the same bytes for the same seed.
//!
//! Drums, bass, keys with guitar and pad, and a singer play an arrangement of intro, verse and chorus. It is
//! meant to be a fair test for a separation engine: kick and bass share the low end, cymbals and consonants the top,
//! voice and keys the middle; the voice is centred with a stereo room around it, the rest is spread.

mod bass;
mod bus;
mod drums;
mod dsp;
pub mod generators;
mod guitar;
mod keys;
mod lead;
mod melody;
mod phonemes;
mod room;
mod score;
mod voice;

use crate::{Signal, metrics::level, rng::Rng};
use bus::Bus;
use score::Score;

/// Frames per second of a [`Song`].
pub const SAMPLE_RATE: u32 = 44_100;

/// The sample rate as what formulas need.
const RATE: f64 = SAMPLE_RATE as f64;

/// Largest absolute sample of a mixture: −1 dBFS.
const CEILING: f64 = 0.891;

/// Stems are whole multiples of this step of a 24-bit format, so they and their sum are exact in
/// `f32` and in 24-bit files.
const STEP: f64 = 1.0 / 8_388_608.0;

/// One instrument group of a [`Song`].
#[derive(Debug, Clone, PartialEq)]
pub struct Stem {
    /// `drums`, `bass`, `other` or `vocals`.
    pub name: &'static str,
    /// Stereo, as long as the song.
    pub audio: Signal,
}

/// A piece of music and what it consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Song {
    /// Frames per second of every stem.
    pub sample_rate: u32,
    /// Drums, bass, other, vocals.
    pub stems: Vec<Stem>,
    /// Beats per minute, constant; the first beat is at zero.
    pub tempo: f64,
    /// Pitch class of the key's tonic, 0 = C … 11 = B; the scale is natural minor.
    pub tonic: u8,
    /// Where sections begin, in seconds, and what they are: `intro`, `verse`, `chorus`, `end`.
    pub sections: Vec<(f64, &'static str)>,
}

impl Song {
    /// The sum of the stems, exact and with a peak of at most −1 dBFS.
    #[must_use]
    pub fn mixture(&self) -> Signal {
        Signal::sum(self.stems.iter().map(|stem| &stem.audio)).unwrap_or(Signal::silent(SAMPLE_RATE, 2, 0))
    }
}

/// Plays a song of this length. The seed decides tempo, key, melody, fills and every detail of playing.
#[must_use]
pub fn song(seconds: f64, seed: u64) -> Song {
    let score = Score::new(seconds, seed);
    let part = |name| Rng::part(seed, name);
    // Levels in dB relative to each other: RMS over the whole song.
    let stems = [
        ("drums", 0.0, drums::play(&score, part("drums"))),
        ("bass", -1.0, bass::play(&score, part("bass"))),
        ("other", -2.5, other(&score, seed)),
        ("vocals", 0.0, lead::play(&score, seed)),
    ];
    let stems = balanced(stems.map(|(name, decibels, bus)| (name, decibels, bus.into_signal())));
    Song {
        sample_rate: SAMPLE_RATE,
        stems,
        tempo: score.tempo,
        tonic: score.tonic.rem_euclid(12) as u8,
        sections: score.sections(),
    }
}

fn other(score: &Score, seed: u64) -> Bus {
    let mut bus = keys::play(score, Rng::part(seed, "keys"));
    bus.mix(&guitar::play(score, Rng::part(seed, "guitar")), 0.8);
    bus.mix(&keys::pad(score, Rng::part(seed, "pad")), 0.5);
    bus
}

/// Brings stems to their levels, their sum to the ceiling, and every sample onto the 24-bit grid.
fn balanced(stems: [(&'static str, f64, Signal); 4]) -> Vec<Stem> {
    let mut stems: Vec<Stem> = stems
        .into_iter()
        .map(|(name, decibels, audio)| {
            let rms = level(&audio.samples).rms;
            let gain = if rms.is_finite() { crate::metrics::dbfs(decibels - 20.0 - rms) } else { 0.0 };
            Stem { name, audio: audio.scaled(gain as f32) }
        })
        .collect();
    let sum = Signal::sum(stems.iter().map(|s| &s.audio));
    let peak = sum.iter().flat_map(|s| &s.samples).fold(0.0f32, |peak, s| peak.max(s.abs()));
    let gain = CEILING / f64::from(peak.max(f32::MIN_POSITIVE));
    for sample in stems.iter_mut().flat_map(|s| &mut s.audio.samples) {
        *sample = ((f64::from(*sample) * gain / STEP).round() * STEP) as f32;
    }
    stems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{dbfs, null};

    #[test]
    fn the_same_seed_gives_the_same_song_and_another_another() {
        let first = song(4.0, 3);
        assert_eq!(first, song(4.0, 3));
        assert_ne!(first.mixture(), song(4.0, 4).mixture());
    }

    #[test]
    fn stems_sound_sum_to_the_mixture_and_leave_headroom() {
        let song = song(9.5, 1);
        let mixture = song.mixture();
        assert_eq!((mixture.frames(), mixture.channels), (418_950, 2));
        let stems: Vec<&Signal> = song.stems.iter().map(|s| &s.audio).collect();
        assert_eq!(null(&mixture, &stems).unwrap().peak, f64::NEG_INFINITY);
        assert!(level(&mixture.samples).peak <= -1.0);
        for stem in &song.stems {
            let found = level(&stem.audio.samples);
            assert!((-40.0..-12.0).contains(&found.rms), "{}: {found:?}", stem.name);
            assert!(stem.audio.samples.iter().all(|s| s.is_finite()));
            let end =
                stem.audio.samples[stem.audio.samples.len() - 2..].iter().fold(0.0f32, |a, s| a.max(s.abs()));
            assert!(f64::from(end) < dbfs(-60.0), "{} ends with a click", stem.name);
        }
    }

    #[test]
    fn any_length_will_do() {
        for seconds in [0.0, 0.01, 1.0, 31.7] {
            assert_eq!(song(seconds, 2).mixture().frames(), (seconds * RATE).round() as usize);
        }
    }
}
