//! Loudness after EBU R 128 (ITU-R BS.1770) and ReplayGain 2, and the energy profile.

use std::collections::VecDeque;

use ebur128::{EbuR128, Mode};

use crate::analysis::{Energy, Loudness};

/// Loudness that ReplayGain 2 brings a track to, in LUFS.
const REPLAY_GAIN_TARGET: f64 = -18.0;
/// Steps of 100 ms in the momentary and in the short-term window.
const MOMENTARY: usize = 4;
const SHORT_TERM: usize = 30;
/// Steps of 100 ms in a window of the energy profile.
const ENERGY_STEPS: usize = 5;

/// Measures a track in steps of 100 ms.
pub(crate) struct Meter {
    ebu: Option<EbuR128>,
    channels: usize,
    /// K-weighted power of the last steps.
    recent: VecDeque<f64>,
    momentary: f64,
    short_term: f64,
    energy: EnergyMeter,
}

impl Meter {
    /// A meter of `channels` interleaved channels.
    pub(crate) fn new(sample_rate: u32, channels: usize) -> Self {
        let mode = Mode::I | Mode::LRA | Mode::S | Mode::TRUE_PEAK | Mode::SAMPLE_PEAK;
        Self {
            // fails for rates that no audio has; there is no loudness then
            ebu: EbuR128::new(channels as u32, sample_rate, mode).ok(),
            channels,
            recent: VecDeque::with_capacity(SHORT_TERM),
            momentary: 0.0,
            short_term: 0.0,
            energy: EnergyMeter::new(sample_rate, channels),
        }
    }

    /// Takes a step of 100 ms, or what is left at the end.
    pub(crate) fn push(&mut self, interleaved: &[f32], whole: bool) {
        self.energy.push(interleaved, whole);
        let Some(ebu) = &mut self.ebu else { return };
        if ebu.add_frames_f32(interleaved).is_err() || !whole {
            return;
        }
        let power = ebu.loudness_window(100).map_or(0.0, |l| 10f64.powf((l + 0.691) / 10.0));
        self.recent.truncate(SHORT_TERM - 1);
        self.recent.push_front(power);
        for (steps, largest) in [(MOMENTARY, &mut self.momentary), (SHORT_TERM, &mut self.short_term)] {
            if self.recent.len() >= steps {
                let mean = self.recent.iter().take(steps).sum::<f64>() / steps as f64;
                *largest = largest.max(mean);
            }
        }
    }

    /// The loudness of all that was taken, and the energy profile.
    pub(crate) fn finish(self) -> (Loudness, Energy) {
        let ebu = self.ebu.as_ref();
        let integrated = ebu.and_then(|e| e.loudness_global().ok()).filter(|l| l.is_finite());
        let peak = |of: fn(&EbuR128, u32) -> Result<f64, ebur128::Error>| {
            ebu.map_or(0.0, |e| (0..self.channels as u32).filter_map(|c| of(e, c).ok()).fold(0.0, f64::max))
        };
        let (true_peak, sample_peak) = (peak(EbuR128::true_peak), peak(EbuR128::sample_peak));
        let loudness = Loudness {
            integrated_lufs: integrated.map(hundredths),
            range_lu: integrated
                .and_then(|_| ebu.and_then(|e| e.loudness_range().ok()))
                .filter(|r| r.is_finite())
                .map(hundredths),
            momentary_max_lufs: lufs(self.momentary),
            short_term_max_lufs: lufs(self.short_term),
            true_peak_dbtp: decibels(true_peak),
            sample_peak_dbfs: decibels(sample_peak),
            replay_gain_db: integrated.map(|l| hundredths(REPLAY_GAIN_TARGET - l)),
            replay_gain_peak: (true_peak * 1e6).round() / 1e6,
        };
        (loudness, self.energy.profile)
    }
}

fn lufs(power: f64) -> Option<f64> {
    (power > 1e-12).then(|| hundredths(10.0 * power.log10() - 0.691))
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
