//! Tempo, beats and bars.

mod attack;
mod candidates;
mod evidence;
mod grid;
mod metre;
mod odf;
mod plain;
mod tempogram;
mod track;
mod weights;

use grid::Grid;
use odf::Odf;
use tempogram::Tempogram;

use crate::{
    analysis::{Tempo, TempoCandidate},
    evidence::{CandidateEvidence, RhythmEvidence},
    front::Rhythm,
    harmony::Harmony,
    network::softmax,
    options::Options,
};

/// Least unevenness of the rises: below it, what there is of them is noise.
const LIVELY: f32 = 1.0;
/// Least autocorrelation at the period of a candidate.
const PERIODIC: f32 = 0.05;
/// Fewest beats that make a tempo.
const FEWEST: usize = 4;
/// Where beats may lie between those that were tracked.
const PHASES: [f64; 4] = [0.0, 0.5, 1.0 / 3.0, 2.0 / 3.0];
/// Share of the onset strength that is left far from the beats of the chosen candidate.
const FAR: f32 = 0.3;
/// Candidates that are given.
const GIVEN: usize = 5;

/// A period that may be the beat, its beats in frames, and what it is given.
struct Candidate {
    period: f64,
    beats: Vec<f64>,
    plain: plain::Plain,
    score: f32,
}

/// The pulse of a track, or `None`; and what it was found by.
pub(crate) fn tempo(
    streams: &[Rhythm],
    harmony: &Harmony,
    duration: f64,
    options: &Options,
) -> (Option<Tempo>, RhythmEvidence) {
    let mut seen = RhythmEvidence::default();
    let Some(odf) = Odf::new(streams) else { return (None, seen) };
    let tempogram = Tempogram::new(&odf);
    let mut found: Vec<Candidate> = Vec::new();
    for period in candidates::candidates(&tempogram, options.bpm_range) {
        let tracked = track::fixed(&odf.all, period);
        let first: Vec<f64> = tracked.iter().map(|b| refined(&odf.all, *b)).collect();
        if first.len() < FEWEST {
            continue;
        }
        for phase in PHASES {
            let beats = shifted(&odf.all, &first, phase);
            let features = evidence::octave(&odf, &tempogram, harmony, period, &beats);
            let score = weights::OCTAVE.run::<1>(&features)[0];
            seen.candidates.push(CandidateEvidence {
                bpm: 60.0 * odf.rate / period,
                beats: beats.iter().map(|b| b / odf.rate).collect(),
                features: features.to_vec(),
            });
            found.push(Candidate { period, plain: plain::judge(&odf, period, &beats), beats, score });
        }
    }
    plain::decide(&mut found);
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    seen.liveliness = odf.liveliness;
    seen.periodicity = found.iter().map(|c| tempogram.lag(c.period)).fold(0.0, f32::max);
    if seen.liveliness < LIVELY || seen.periodicity < PERIODIC {
        return (None, seen);
    }
    let tempi = tempi(&found);
    let Some((best, _)) = tempi.first() else { return (None, seen) };
    let tracked: Vec<f64> = track::following(&near(&odf.all, best), best.period)
        .iter()
        .map(|b| refined(&odf.all, *b) / odf.rate)
        .collect();
    if tracked.len() < FEWEST {
        return (None, seen);
    }
    let Some(grid) = Grid::new(&tracked, best.period / odf.rate, odf.extent()) else { return (None, seen) };
    let late = streams.first().map_or(0.0, |s| attack::offset(&s.attacks, &grid.beats));
    let beats = grid.beats.iter().map(|t| ((t + late) * 1e4).round() / 1e4);
    let beats: Vec<f64> = beats.filter(|t| (0.0..duration).contains(t)).collect();
    let metre = metre::metre(&odf, &tempogram, harmony, &beats);
    seen.beats.clone_from(&beats);
    seen.downbeat_inputs.clone_from(&metre.inputs);
    seen.metre_features = metre.features.to_vec();
    let given = |(i, (c, share)): (usize, &(&Candidate, f32))| TempoCandidate {
        bpm: if i == 0 { hundredths(grid.bpm) } else { hundredths(c.bpm(odf.rate)) },
        confidence: thousandths(*share),
    };
    let mut candidates: Vec<TempoCandidate> = tempi.iter().take(GIVEN).enumerate().map(given).collect();
    complete(&mut candidates, options.bpm_range);
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

/// Adds the half and the double of the first candidate where they are missing: nobody else would say so.
fn complete(candidates: &mut Vec<TempoCandidate>, bpm_range: [f64; 2]) {
    let Some(first) = candidates.first().map(|c| c.bpm) else { return };
    for bpm in [0.5 * first, 2.0 * first] {
        let listed = candidates.iter().any(|c| (c.bpm / bpm - 1.0).abs() < 0.02);
        if !listed && (bpm_range[0]..=bpm_range[1]).contains(&bpm) {
            candidates.push(TempoCandidate { bpm: hundredths(bpm), confidence: 0.0 });
        }
    }
}

/// The likeliest phase of each period and the share of the period, the likeliest first: all phases of a period
/// speak for it together. Expects the candidates in order.
fn tempi(found: &[Candidate]) -> Vec<(&Candidate, f32)> {
    let shares = softmax(&found.iter().map(|c| c.score).collect::<Vec<_>>());
    let mut tempi: Vec<(&Candidate, f32)> = Vec::new();
    for (c, share) in found.iter().zip(shares) {
        match tempi.iter_mut().find(|(t, _)| (t.period - c.period).abs() < 1e-9) {
            Some((_, sum)) => *sum += share,
            None => tempi.push((c, share)),
        }
    }
    tempi.sort_by(|a, b| b.1.total_cmp(&a.1));
    tempi
}

impl Candidate {
    /// The tempo of its own beats.
    fn bpm(&self, rate: f64) -> f64 {
        let seconds: Vec<f64> = self.beats.iter().map(|b| b / rate).collect();
        Grid::new(&seconds, self.period / rate, [0.0, 0.0]).map_or(60.0 * rate / self.period, |g| g.bpm)
    }
}

/// Beats moved by a part of the distance to the next, each to the peak there.
fn shifted(odf: &[f32], beats: &[f64], phase: f64) -> Vec<f64> {
    if phase == 0.0 {
        return beats.to_vec();
    }
    let between = beats.windows(2).map(|b| b[0] + phase * (b[1] - b[0]));
    between.map(|b| refined(odf, b.round() as usize)).collect()
}

/// The onset strength near the beats of a candidate, and less of the rest.
fn near(odf: &[f32], candidate: &Candidate) -> Vec<f32> {
    let reach = 0.15 * candidate.period;
    let mut out: Vec<f32> = odf.iter().map(|o| FAR * o).collect();
    for beat in &candidate.beats {
        let range =
            (beat - reach).round().max(0.0) as usize..((beat + reach).round() as usize + 1).min(odf.len());
        if let (Some(to), Some(from)) = (out.get_mut(range.clone()), odf.get(range)) {
            to.copy_from_slice(from);
        }
    }
    out
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
