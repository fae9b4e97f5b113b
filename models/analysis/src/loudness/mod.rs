//! Loudness after EBU R 128 (ITU-R BS.1770) and ReplayGain 2, and the energy profile.

mod gates;
mod true_peak;
mod weighting;

use std::collections::VecDeque;

use crate::analysis::{Energy, Loudness};
use gates::{Blocks, lufs};
use true_peak::TruePeak;
use weighting::Weighting;

/// Loudness that ReplayGain 2 brings a track to, in LUFS.
const REPLAY_GAIN_TARGET: f64 = -18.0;
/// Steps of 100 ms in the momentary and in the short-term window.
const MOMENTARY: usize = 4;
const SHORT_TERM: usize = 30;
/// Steps of 100 ms between two short-term windows that the range is taken from.
const RANGE_STEPS: usize = 10;
/// Steps of 100 ms in a window of the energy profile.
const ENERGY_STEPS: usize = 5;

/// Measures a track in steps of 100 ms.
pub(crate) struct Meter {
    channels: usize,
    weighting: Weighting,
    peaks: Vec<TruePeak>,
    sample_peak: f32,
    /// K-weighted power of the last steps, the newest first.
    recent: VecDeque<f64>,
    steps: usize,
    gating: Blocks,
    range: Blocks,
    momentary: f64,
    short_term: f64,
    energy: EnergyMeter,
}

impl Meter {
    /// A meter of one or two interleaved channels.
    pub(crate) fn new(sample_rate: u32, channels: usize) -> Self {
        Self {
            channels,
            weighting: Weighting::new(sample_rate),
            peaks: (0..channels).map(|_| TruePeak::new(sample_rate)).collect(),
            sample_peak: 0.0,
            recent: VecDeque::with_capacity(SHORT_TERM),
            steps: 0,
            gating: Blocks::default(),
            range: Blocks::default(),
            momentary: 0.0,
            short_term: 0.0,
            energy: EnergyMeter::new(sample_rate, channels),
        }
    }

    /// Takes a step of 100 ms, or what is left at the end.
    pub(crate) fn push(&mut self, interleaved: &[f32], whole: bool) {
        self.energy.push(interleaved, whole);
        self.sample_peak = self.sample_peak.max(loudest(interleaved));
        for (channel, peak) in self.peaks.iter_mut().enumerate() {
            peak.push(interleaved.get(channel..).unwrap_or_default(), self.channels);
        }
        if !whole {
            return;
        }
        let frames = interleaved.len() / self.channels;
        let power = self.weighting.energy(interleaved, self.channels) / frames.max(1) as f64;
        self.recent.truncate(SHORT_TERM - 1);
        self.recent.push_front(power);
        self.steps += 1;
        let mean = |steps: usize| {
            let window = self.recent.iter().take(steps).sum::<f64>() / steps as f64;
            (self.recent.len() >= steps).then_some(window)
        };
        if let Some(momentary) = mean(MOMENTARY) {
            self.gating.add(momentary);
            self.momentary = self.momentary.max(momentary);
        }
        if let Some(short_term) = mean(SHORT_TERM) {
            self.short_term = self.short_term.max(short_term);
            if self.steps.is_multiple_of(RANGE_STEPS) {
                self.range.add(short_term);
            }
        }
    }

    /// The loudness of all that was taken, and the energy profile.
    pub(crate) fn finish(self) -> (Loudness, Energy) {
        let integrated = self.gating.integrated();
        let true_peak = f64::from(self.peaks.into_iter().map(TruePeak::finish).fold(0.0, f32::max));
        let told = |power: f64| (power > 1e-12).then(|| hundredths(lufs(power)));
        let loudness = Loudness {
            integrated_lufs: integrated.map(hundredths),
            range_lu: integrated.map(|_| hundredths(self.range.range().unwrap_or(0.0))),
            momentary_max_lufs: told(self.momentary),
            short_term_max_lufs: told(self.short_term),
            true_peak_dbtp: decibels(true_peak),
            sample_peak_dbfs: decibels(f64::from(self.sample_peak)),
            replay_gain_db: integrated.map(|l| hundredths(REPLAY_GAIN_TARGET - l)),
            replay_gain_peak: (true_peak * 1e6).round() / 1e6,
        };
        (loudness, self.energy.profile)
    }
}

/// The largest magnitude; lanes side by side, since in order one would wait for the other.
fn loudest(samples: &[f32]) -> f32 {
    let (lanes, rest) = samples.as_chunks::<16>();
    let mut most = [0.0f32; 16];
    for lane in lanes {
        most.iter_mut().zip(lane).for_each(|(m, s)| *m = if s.abs() > *m { s.abs() } else { *m });
    }
    most.iter().chain(rest).fold(0.0, |a, s| a.max(s.abs()))
}

fn decibels(peak: f64) -> Option<f64> {
    (peak > 0.0).then(|| hundredths(20.0 * peak.log10()))
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Root mean square of windows over all channels.
struct EnergyMeter {
    profile: Energy,
    channels: usize,
    steps: usize,
    sum: f64,
    count: usize,
}

impl EnergyMeter {
    fn new(sample_rate: u32, channels: usize) -> Self {
        let window = ENERGY_STEPS as f64 * f64::from(step_frames(sample_rate)) / f64::from(sample_rate);
        Self { profile: Energy { window, rms: Vec::new() }, channels, steps: 0, sum: 0.0, count: 0 }
    }

    fn push(&mut self, interleaved: &[f32], whole: bool) {
        // lanes side by side: a sum in order would take one after the other
        let lanes = interleaved.chunks(8).fold([0.0f64; 8], |mut lanes, eight| {
            lanes.iter_mut().zip(eight).for_each(|(l, s)| *l += f64::from(*s) * f64::from(*s));
            lanes
        });
        self.sum += lanes.iter().sum::<f64>();
        self.count += interleaved.len();
        self.steps += 1;
        // The last window may be short; a rest of less than a step would say nothing.
        if self.count > 0 && (self.steps == ENERGY_STEPS || !whole) {
            if self.count >= self.channels {
                self.profile.rms.push((self.sum / self.count as f64).sqrt() as f32);
            }
            (self.steps, self.sum, self.count) = (0, 0.0, 0);
        }
    }
}

/// Frames of a step of 100 ms.
pub(crate) fn step_frames(sample_rate: u32) -> u32 {
    sample_rate.div_ceil(10)
}
