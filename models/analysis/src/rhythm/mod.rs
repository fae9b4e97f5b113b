//! Tempo, beats and bars.

mod candidates;
mod evidence;
mod grid;
mod metre;
mod odf;
mod tempogram;
mod track;
mod weights;

use grid::Grid;
use odf::Odf;
use tempogram::Tempogram;

use crate::{
    analysis::{Tempo, TempoCandidate},
    evidence::{CandidateEvidence, RhythmEvidence},
    front::OnsetFrames,
    harmony::Harmony,
    network::softmax,
    options::Options,
};

/// How much later the onset strength peaks than the sound begins, in seconds.
const DELAY: f64 = 0.008;
/// Least unevenness of the rises: below it, what there is of them is noise.
const LIVELY: f32 = 0.55;
/// Least autocorrelation at the period of the beat.
const PERIODIC: f32 = 0.06;
/// Fewest beats that make a tempo.
const FEWEST: usize = 4;
/// Candidates that are given.
const GIVEN: usize = 5;

/// A period that may be the beat, its beats in frames, and what it is given.
struct Candidate {
    period: f64,
    beats: Vec<f64>,
    score: f32,
}

/// The pulse of a track, or `None`; and what it was found by.
pub(crate) fn tempo(
    streams: &[OnsetFrames],
    harmony: &Harmony,
    duration: f64,
    options: &Options,
) -> (Option<Tempo>, RhythmEvidence) {
    let mut seen = RhythmEvidence::default();
    let Some(odf) = Odf::new(streams) else { return (None, seen) };
    let tempogram = Tempogram::new(&odf);
    let mut found: Vec<Candidate> = Vec::new();
    for period in candidates::candidates(&tempogram, options.bpm_range) {
        let beats: Vec<f64> = track::fixed(&odf.all, period).iter().map(|b| refined(&odf.all, *b)).collect();
        if beats.len() < FEWEST {
            continue;
        }
        let features = evidence::octave(&odf, &tempogram, harmony, period, &beats);
        let score = weights::OCTAVE.run::<1>(&features)[0];
        seen.candidates
            .push(CandidateEvidence { bpm: 60.0 * odf.rate / period, features: features.to_vec() });
        found.push(Candidate { period, beats, score });
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    seen.liveliness = odf.liveliness;
    seen.periodicity = found.first().map_or(0.0, |c| tempogram.lag(c.period));
    if seen.liveliness < LIVELY || seen.periodicity < PERIODIC {
        return (None, seen);
    }
    let Some(best) = found.first() else { return (None, seen) };
    let tracked: Vec<f64> = track::following(&odf.all, best.period)
        .iter()
        .map(|b| (refined(&odf.all, *b) / odf.rate - DELAY).max(0.0))
        .collect();
    if tracked.len() < FEWEST {
        return (None, seen);
    }
    let Some(grid) = Grid::new(&tracked, best.period / odf.rate) else { return (None, seen) };
    let beats: Vec<f64> =
        grid.beats.iter().filter(|t| (0.0..duration).contains(*t)).map(|t| (t * 1e4).round() / 1e4).collect();
    let metre = metre::metre(&odf, &tempogram, harmony, &beats);
    seen.beats.clone_from(&beats);
    seen.downbeat_inputs.clone_from(&metre.inputs);
    seen.metre_features = metre.features.to_vec();
    let shares = softmax(&found.iter().map(|c| c.score).collect::<Vec<_>>());
    let candidates: Vec<TempoCandidate> = found
        .iter()
        .zip(&shares)
        .take(GIVEN)
        .enumerate()
        .map(|(i, (c, share))| TempoCandidate {
            bpm: if i == 0 { hundredths(grid.bpm) } else { hundredths(c.bpm(odf.rate)) },
            confidence: thousandths(*share),
        })
        .collect();
    let tempo = Tempo {
        bpm: hundredths(grid.bpm),
        confidence: candidates.first().map_or(0.0, |c| c.confidence),
        candidates,
        downbeats: metre.downbeats.iter().filter_map(|i| beats.get(*i).copied()).collect(),
        beats,
        time_signature: metre.time_signature,
        metre_confidence: thousandths(metre.confidence),
        stable: grid.stable,
        curve: grid.curve,
    };
    (Some(tempo), seen)
}

impl Candidate {
    /// The tempo of its own beats.
    fn bpm(&self, rate: f64) -> f64 {
        let seconds: Vec<f64> = self.beats.iter().map(|b| b / rate).collect();
        Grid::new(&seconds, self.period / rate).map_or(60.0 * rate / self.period, |g| g.bpm)
    }
}

/// The place of the peak near a frame, between the frames.
fn refined(odf: &[f32], beat: usize) -> f64 {
    let reach = beat.saturating_sub(2)..(beat + 3).min(odf.len());
    let Some(top) = reach.max_by(|a, b| odf[*a].total_cmp(&odf[*b])).filter(|t| odf[*t] > 0.0) else {
        return beat as f64;
    };
    let near = |i: Option<usize>| i.and_then(|i| odf.get(i)).copied().unwrap_or_default();
    let (left, centre, right) = (near(top.checked_sub(1)), odf[top], near(Some(top + 1)));
    let bend = left - 2.0 * centre + right;
    let shift = if bend < 0.0 { 0.5 * (left - right) / bend } else { 0.0 };
    top as f64 + f64::from(shift.clamp(-0.5, 0.5))
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn thousandths(value: f32) -> f64 {
    (f64::from(value) * 1000.0).round() / 1000.0
}
