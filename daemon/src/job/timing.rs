//! How long stages take, learned from those that ran: a straight line of seconds over seconds of audio.

use std::collections::BTreeMap;

use harmonix_ipc::{JobOptions, Speed};
use serde::{Deserialize, Serialize};

use super::{BUILT_IN, Record, Resolved, Step, next_step};
use crate::store::Write;

/// Version of [`Line`] as it is stored.
const VERSION: u32 = 1;

/// What the keys of all lines in the store begin with.
pub const TIMINGS: &str = "timing/";

/// Weight that an earlier run has against the next: of the last twenty runs most is known.
const MEMORY: f64 = 0.9;

/// Seconds of one pass of a model over a second of audio on a small machine, where nothing was learned: of the built-in
/// engine, of a network.
const RULE_OF_THUMB: (f64, f64) = (0.1, 0.9);

/// Stages without a model: seconds for a second of audio, where nothing was learned.
const OTHER_STAGES: f64 = 0.02;

/// Weighted sums of a regression of seconds (y) over seconds of audio (x).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Line {
    v: u32,
    runs: u64,
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    fn learn(&mut self, x: f64, y: f64) {
        for sum in [&mut self.n, &mut self.x, &mut self.y, &mut self.xx, &mut self.xy] {
            *sum *= MEMORY;
        }
        self.v = VERSION;
        self.runs += 1;
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    /// Seconds for `x` seconds of audio. Neither an offset nor a slope below 0 is believed.
    fn seconds(&self, x: f64) -> f64 {
        let spread = self.n * self.xx - self.x * self.x;
        let ratio = self.y / self.x;
        // lengths that hardly differ tell nothing about an offset
        if spread <= 0.01 * self.x * self.x {
            return ratio * x;
        }
        let slope = (self.n * self.xy - self.x * self.y) / spread;
        let offset = (self.y - slope * self.x) / self.n;
        if slope <= 0.0 || offset < 0.0 { ratio * x } else { offset + slope * x }
    }
}

/// What was learned.
#[derive(Debug, Clone, Default)]
pub struct Timings(BTreeMap<String, Line>);

impl Timings {
    /// Takes what the store holds under [`TIMINGS`]; what cannot be read is learned anew.
    pub fn load(stored: Vec<(String, Vec<u8>)>) -> Self {
        let line = |(key, bytes): (String, Vec<u8>)| {
            let line: Line = serde_json::from_slice(&bytes).ok()?;
            Some((key.strip_prefix(TIMINGS)?.to_owned(), line)).filter(|(_, line)| line.v == VERSION)
        };
        Self(stored.into_iter().filter_map(line).collect())
    }

    /// Learns that a stage took so many seconds; returns what has to be stored.
    pub fn learn(&mut self, stage: &str, audio: f64, seconds: f64) -> Option<Write> {
        if !(audio > 0.0 && seconds > 0.0) {
            return None;
        }
        let line = self.0.entry(stage.to_owned()).or_default();
        line.learn(audio, seconds);
        Some(Write::Put(format!("{TIMINGS}{stage}"), serde_json::to_vec(line).unwrap_or_default()))
    }

    /// Seconds that a stage takes, and from how many runs that was learned.
    fn stage(&self, step: Step, audio: f64, options: &JobOptions, resolved: &Resolved) -> (f64, u64) {
        if let Some(line) = self.0.get(&stage_key(step, options, resolved)) {
            return (line.seconds(audio), line.runs);
        }
        let seconds = match step {
            Step::Separate => {
                let (spectral, network) = RULE_OF_THUMB;
                let pass = if resolved.model == BUILT_IN { spectral } else { network };
                pass * passes(resolved) * audio
            }
            _ => OTHER_STAGES * audio,
        };
        (seconds, 0)
    }

    /// Seconds of all stages of a job, and the runs from which its separation's were learned (its analysis' if it has none).
    pub fn whole(&self, audio: f64, options: &JobOptions, resolved: &Resolved) -> (f64, u64) {
        let steps = steps(options);
        let seconds = steps.iter().map(|step| self.stage(*step, audio, options, resolved).0).sum();
        let main = if steps.contains(&Step::Separate) { Step::Separate } else { Step::Analyze };
        (seconds, self.stage(main, audio, options, resolved).1)
    }

    /// Seconds until the last stage of a job ends; none before its length is known, after its end, or where nothing was learned.
    pub fn remaining(&self, record: &Record) -> Option<f64> {
        let next = next_step(record)?;
        let (audio, resolved) = (record.audio_seconds()?, record.resolved().ok()?);
        let options = &record.job.options;
        let mut left = 0.0;
        for step in steps(options).into_iter().filter(|step| *step >= next) {
            let (seconds, runs) = self.stage(step, audio, options, &resolved);
            if step == Step::Separate && runs == 0 {
                return None;
            }
            let (from, to) = step.span();
            let done = ((record.job.progress - from) / (to - from)).clamp(0.0, 1.0);
            left += seconds * (1.0 - if step == next { done } else { 0.0 });
        }
        Some(left)
    }

    /// What was learned, for people.
    pub fn speeds(&self) -> Vec<Speed> {
        let speed = |(stage, line): (&String, &Line)| Speed {
            stage: stage.clone(),
            runs: line.runs,
            realtime: line.x / line.y,
        };
        self.0.iter().map(speed).collect()
    }
}

/// The stages of a job with these options, in their order.
fn steps(options: &JobOptions) -> Vec<Step> {
    use harmonix_ipc::Analyze;
    match options.analysis {
        Analyze::With => vec![Step::Ingest, Step::Analyze, Step::Separate, Step::Export],
        Analyze::Without => vec![Step::Ingest, Step::Separate, Step::Export],
        Analyze::Only => vec![Step::Ingest, Step::Analyze],
    }
}

/// Passes over the audio that a separation is.
fn passes(resolved: &Resolved) -> f64 {
    f64::from(resolved.layout.shifts.max(1)) / (1.0 - resolved.layout.overlap)
}

/// What stages are told apart by.
pub fn stage_key(step: Step, options: &JobOptions, resolved: &Resolved) -> String {
    match step {
        Step::Ingest => "ingest".into(),
        Step::Analyze => "analyze".into(),
        Step::Separate => format!(
            "separate {} {} {} {} {}{}",
            resolved.model,
            options.device,
            options.precision,
            resolved.layout.shifts,
            resolved.layout.overlap,
            if resolved.is_partial() { format!(" {} stems", resolved.computed.len()) } else { String::new() }
        ),
        Step::Export => format!("export {} {} outputs", options.format, resolved.outputs.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_learned_from_two_lengths() {
        let mut timings = Timings::default();
        for _ in 0..10 {
            timings.learn("x", 60.0, 8.0);
            timings.learn("x", 300.0, 32.0);
        }
        let line = timings.0["x"];
        assert!((line.seconds(180.0) - 20.0).abs() < 1e-6, "{}", line.seconds(180.0));
        assert_eq!(line.runs, 20);
    }

    #[test]
    fn one_length_gives_a_ratio_and_nothing_is_negative() {
        let mut line = Line::default();
        line.learn(60.0, 6.0);
        assert!((line.seconds(600.0) - 60.0).abs() < 1e-9);
        line.learn(120.0, 3.0);
        assert!(line.seconds(1.0) > 0.0 && line.seconds(10_000.0) > line.seconds(10.0));
    }

    #[test]
    fn what_was_learned_is_stored_and_nonsense_is_not_learned() {
        let mut timings = Timings::default();
        assert_eq!(timings.learn("x", 0.0, 1.0), None);
        assert_eq!(timings.learn("x", 1.0, f64::NAN), None);
        let Some(Write::Put(key, bytes)) = timings.learn("x", 10.0, 1.0) else { panic!() };
        assert_eq!(Timings::load(vec![(key, bytes)]).speeds()[0].realtime, 10.0);
        assert!(Timings::load(vec![("timing/x".into(), b"{}".to_vec())]).speeds().is_empty());
    }

    /// A line as version 1 stored it.
    #[test]
    fn every_version_opens() {
        let stored = br#"{"v":1,"runs":3,"n":2.71,"x":27.1,"y":2.71,"xx":271.0,"xy":27.1}"#.to_vec();
        let timings = Timings::load(vec![("timing/separate spectral auto f32 0 0.05".into(), stored)]);
        assert_eq!(timings.speeds()[0].runs, 3);
    }
}
