//! The cues: what is known of each bin before deciding which source it belongs to.

use harmonix_engine::EngineError;

use crate::{
    math::{exp, ln},
    median::NEPERS_PER_CODE,
    percussive::{Reach, median_over_time, percussive_log_odds},
    pitch::{self, Voice},
    plane::Plane,
    repet::repeating_level,
    short_frames,
    spectrogram::Spectrogram,
    statistics::{Broadband, Usual, broadband, usual},
    stereo::similarity,
    watch::Watch,
};

/// A cue, in the order of the coefficients.
///
/// Log-odds are halved and limited to ±3, so that all cues have a range of a few units.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cue {
    /// Log-odds of percussive in frames of 93 ms, medians over 0.4 s and 500 Hz.
    Percussive,
    /// The same in frames of 23 ms, medians over 0.2 s and 1 kHz.
    PercussiveShort,
    /// The latter averaged over 270 Hz around the bin.
    PercussiveLocal,
    /// Log-odds of percussive of all above 300 Hz in the frame.
    Broadband,
    /// The former, held: a struck drum rings on.
    BroadbandHeld,
    /// Mean rise in nepers above the median of 0.8 s of all above 300 Hz in the frame.
    Onset,
    /// The former, held.
    OnsetHeld,
    /// Natural logarithm of the likeness of both channels, from −2.3.
    Likeness,
    /// Fourth power of the likeness: 1 in the centre and close to 0 a little beside it.
    Centred,
    /// How much louder one side is, 0..=1.
    Lean,
    /// Half the nepers above the median of the most similar frames.
    Unrepeated,
    /// Share of the power that is not in the median of 0.4 s.
    Excess04,
    /// Share of the power that is not in the median of 0.8 s.
    Excess08,
    /// Half the nepers above the median of 0.8 s.
    Rise08,
    /// Half the nepers above the median of 2 s.
    Rise2,
    /// Closeness to a partial of the tracked vocal pitch, 0..=1.
    VocalComb,
    /// Salience of the vocal pitch.
    VocalSalience,
    /// Product of the former two: a comb counts as much as its pitch.
    VocalPartial,
    /// Closeness to a partial of the tracked bass pitch, 0..=1.
    BassComb,
    /// Salience of the bass pitch.
    BassSalience,
    /// Log-odds of percussive in short frames, mean over the segment at this frequency.
    UsualPercussiveShort,
    /// Logarithm of the mean likeness over the segment at this frequency.
    UsualLikeness,
    /// Log-odds of percussive in long frames, mean over the segment at this frequency.
    UsualPercussive,
    /// Always 1: what is to be expected at this frequency without knowing anything.
    One,
}

/// Number of cues.
pub(crate) const CUES: usize = Cue::One as usize + 1;

/// Cues of a segment.
pub(crate) struct Cues {
    percussive: Plane<f32>,
    percussive_short: Plane<f32>,
    percussive_local: Plane<f32>,
    likeness: Plane<f32>,
    lean: Plane<f32>,
    repeating: Plane<u8>,
    median_04: Plane<u8>,
    median_08: Plane<u8>,
    median_2: Plane<u8>,
    vocal: Voice,
    bass: Voice,
    broadband: Vec<Broadband>,
    usual: Vec<Usual>,
}

impl Cues {
    /// Gathers the cues of `mix`, whose channels are `left` and `right`.
    pub(crate) fn new(
        mix: &Spectrogram,
        left: &[f32],
        right: &[f32],
        watch: &mut Watch,
    ) -> Result<Self, EngineError> {
        let median_04 = median_over_time(&mix.codes, Reach { to: 8, step: 1 }, watch)?;
        let median_08 = median_over_time(&mix.codes, Reach { to: 18, step: 2 }, watch)?;
        let percussive = percussive_log_odds(&mix.codes, &median_04, Reach { to: 22, step: 2 }, watch)?;
        let (percussive_short, percussive_local) =
            short_frames::percussive_log_odds(left, right, mix, watch)?;
        let [likeness, lean] = similarity(mix, 2, 1, watch)?;
        Ok(Self {
            repeating: repeating_level(&mix.codes, watch)?,
            median_2: median_over_time(&mix.codes, Reach { to: 44, step: 4 }, watch)?,
            vocal: pitch::vocal(mix, &likeness, watch)?,
            bass: pitch::bass(mix, watch)?,
            broadband: broadband(mix, &percussive_short, &median_08, watch)?,
            usual: usual(mix, [&percussive_short, &percussive], &likeness, watch)?,
            median_04,
            median_08,
            percussive,
            percussive_short,
            percussive_local,
            likeness,
            lean,
        })
    }

    /// Writes the cues of frame `t`, one row of `bins` values each.
    #[inline(always)]
    pub(crate) fn frame(&self, t: usize, mix: &Spectrogram, rows: &mut Plane<f32>) {
        let half = |log_odds: f32| log_odds.clamp(-6.0, 6.0) * 0.5;
        map(rows, Cue::Percussive, self.percussive.row(t), half);
        map(rows, Cue::PercussiveShort, self.percussive_short.row(t), half);
        map(rows, Cue::PercussiveLocal, self.percussive_local.row(t), half);
        let frame = &self.broadband[t];
        rows.row_mut(Cue::Broadband as usize).fill(frame.percussive);
        rows.row_mut(Cue::BroadbandHeld as usize).fill(frame.percussive_held);
        rows.row_mut(Cue::Onset as usize).fill(frame.onset);
        rows.row_mut(Cue::OnsetHeld as usize).fill(frame.onset_held);
        map(rows, Cue::Likeness, self.likeness.row(t), |s| ln(s.max(0.1)));
        map(rows, Cue::Centred, self.likeness.row(t), |s| s.max(0.0).powi(4));
        map(rows, Cue::Lean, self.lean.row(t), f32::abs);
        let half = |rise: f32| rise.clamp(-4.0, 4.0) * 0.5;
        let excess = |rise: f32| 1.0 - exp(-rise.max(0.0));
        let levels = mix.codes.row(t);
        rise(rows, Cue::Unrepeated, levels, self.repeating.row(t), half);
        rise(rows, Cue::Excess04, levels, self.median_04.row(t), excess);
        rise(rows, Cue::Excess08, levels, self.median_08.row(t), excess);
        rise(rows, Cue::Rise08, levels, self.median_08.row(t), half);
        rise(rows, Cue::Rise2, levels, self.median_2.row(t), half);
        let salience = self.vocal.salience[t];
        self.vocal.comb(t, rows.row_mut(Cue::VocalPartial as usize));
        rows.copy_row(Cue::VocalPartial as usize, Cue::VocalComb as usize);
        rows.row_mut(Cue::VocalPartial as usize).iter_mut().for_each(|c| *c *= salience.max(0.0));
        rows.row_mut(Cue::VocalSalience as usize).fill(salience);
        self.bass.comb(t, rows.row_mut(Cue::BassComb as usize));
        rows.row_mut(Cue::BassSalience as usize).fill(self.bass.salience[t]);
        map(rows, Cue::UsualPercussiveShort, &self.usual, |u| u.percussive_short);
        map(rows, Cue::UsualLikeness, &self.usual, |u| u.likeness);
        map(rows, Cue::UsualPercussive, &self.usual, |u| u.percussive);
        rows.row_mut(Cue::One as usize).fill(1.0);
    }
}

/// Writes `f` of each value to the row of a cue.
#[inline(always)]
fn map<T: Copy>(rows: &mut Plane<f32>, cue: Cue, values: &[T], f: impl Fn(T) -> f32) {
    for (row, value) in rows.row_mut(cue as usize).iter_mut().zip(values) {
        *row = f(*value);
    }
}

/// Writes `f` of the nepers by which each level lies above another to the row of a cue.
#[inline(always)]
fn rise(rows: &mut Plane<f32>, cue: Cue, levels: &[u8], above: &[u8], f: impl Fn(f32) -> f32) {
    for ((row, level), above) in rows.row_mut(cue as usize).iter_mut().zip(levels).zip(above) {
        *row = f((f32::from(*level) - f32::from(*above)) * NEPERS_PER_CODE);
    }
}
