//! The cues: what is known of each bin before deciding which source it belongs to.

use harmonix_engine::EngineError;

use crate::{
    median::NEPERS_PER_CODE,
    percussive::{Reach, median_over_time, percussive_log_odds},
    pitch::{self, Voice},
    plane::Plane,
    repet::repeating_level,
    short_frames::{self, logit, sigmoid},
    spectrogram::Spectrogram,
    stereo::similarity,
    watch::Watch,
};

/// Number of cues, the constant one included.
pub(crate) const CUES: usize = 24;

/// Bins above which broadband cues look, 300 Hz: below, a held bass hides the strokes.
const BROADBAND_FROM: usize = 28;
/// Fall per frame of what is held after an onset: a drum rings on.
const HELD_FALL: f32 = 0.15;

/// Cues of a segment.
pub(crate) struct Cues {
    percussive: Plane<f32>,
    percussive_short: Plane<f32>,
    percussive_local: Plane<f32>,
    similarity: Plane<f32>,
    lean: Plane<f32>,
    levels: Plane<u8>,
    repeating: Plane<u8>,
    median_04: Plane<u8>,
    median_08: Plane<u8>,
    median_2: Plane<u8>,
    vocal: Voice,
    bass: Voice,
    per_frame: Vec<[f32; 4]>,
    per_bin: Vec<[f32; 3]>,
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
        let percussive = percussive_log_odds(&mix.codes, &median_04, Reach { to: 22, step: 2 }, watch)?;
        let (percussive_short, percussive_local) =
            short_frames::percussive_log_odds(left, right, mix, watch)?;
        let [similarity, lean] = similarity(mix, 2, 1, watch)?;
        let vocal = pitch::vocal(mix, &similarity, watch)?;
        let mut this = Self {
            repeating: repeating_level(&mix.codes, watch)?,
            median_04,
            median_08: median_over_time(&mix.codes, Reach { to: 18, step: 2 }, watch)?,
            median_2: median_over_time(&mix.codes, Reach { to: 44, step: 4 }, watch)?,
            bass: pitch::bass(mix, watch)?,
            levels: mix.codes.clone(),
            percussive,
            percussive_short,
            percussive_local,
            similarity,
            lean,
            vocal,
            per_frame: Vec::new(),
            per_bin: Vec::new(),
        };
        this.per_frame = this.broadband(mix);
        this.per_bin = this.over_segment(mix);
        Ok(this)
    }

    /// Broadband percussiveness and onset strength of each frame, as they are and held.
    fn broadband(&self, mix: &Spectrogram) -> Vec<[f32; 4]> {
        let mut held = [f32::MIN; 2];
        (0..mix.power.frames())
            .map(|t| {
                let mut sums = [1e-12f32; 3];
                for (k, power) in mix.power.row(t).iter().enumerate().skip(BROADBAND_FROM) {
                    sums[0] += power;
                    sums[1] += power * sigmoid(self.percussive_short.row(t)[k]);
                    sums[2] += power * excess(&self.levels, &self.median_08, t, k).clamp(-2.0, 4.0);
                }
                let now = [logit(sums[1] / sums[0]), sums[2] / sums[0]];
                held = [now[0].max(held[0] - HELD_FALL), now[1].max(held[1] - HELD_FALL)];
                [now[0], held[0], now[1], held[1]]
            })
            .collect()
    }

    /// Power-weighted means over the segment of percussiveness (short and long frames) and similarity.
    fn over_segment(&self, mix: &Spectrogram) -> Vec<[f32; 3]> {
        let bins = mix.power.bins();
        let mut sums = vec![[1e-12f32; 4]; bins];
        for t in 0..mix.power.frames() {
            for (k, (sum, power)) in sums.iter_mut().zip(mix.power.row(t)).enumerate() {
                sum[0] += power;
                sum[1] += power * sigmoid(self.percussive_short.row(t)[k]);
                sum[2] += power * self.similarity.row(t)[k];
                sum[3] += power * sigmoid(self.percussive.row(t)[k]);
            }
        }
        (0..bins)
            .map(|k| {
                let near = &sums[k.saturating_sub(4)..(k + 5).min(bins)];
                let mean = |i: usize| near.iter().map(|s| s[i] / s[0]).sum::<f32>() / near.len() as f32;
                [logit(mean(1)), mean(2).clamp(0.05, 1.0).ln(), logit(mean(3))]
            })
            .collect()
    }

    /// Writes the cues of frame `t`, one row of `bins` values each.
    pub(crate) fn frame(&self, t: usize, rows: &mut Plane<f32>) {
        let [bb, hbb, on, hon] = self.per_frame[t];
        for k in 0..rows.bins() {
            let d8 = excess(&self.levels, &self.median_08, t, k);
            let d4 = excess(&self.levels, &self.median_04, t, k);
            let sim = self.similarity.row(t)[k];
            let vc = self.vocal.comb.row(t)[k];
            let vs = self.vocal.salience.row(t)[k];
            let [mps, msim, mpl] = self.per_bin[k];
            let cues: [f32; CUES] = [
                self.percussive.row(t)[k].clamp(-6.0, 6.0) / 2.0,
                self.percussive_short.row(t)[k].clamp(-6.0, 6.0) / 2.0,
                self.percussive_local.row(t)[k].clamp(-6.0, 6.0) / 2.0,
                bb,
                hbb,
                on,
                hon,
                sim.max(0.1).ln(),
                sim.max(0.0).powi(4),
                self.lean.row(t)[k].abs(),
                excess(&self.levels, &self.repeating, t, k).clamp(-4.0, 4.0) / 2.0,
                1.0 - (-d4.max(0.0)).exp(),
                1.0 - (-d8.max(0.0)).exp(),
                d8.clamp(-4.0, 4.0) / 2.0,
                excess(&self.levels, &self.median_2, t, k).clamp(-4.0, 4.0) / 2.0,
                vc,
                vs,
                vc * vs.max(0.0),
                self.bass.comb.row(t)[k],
                self.bass.salience.row(t)[k],
                mps,
                msim,
                mpl,
                1.0,
            ];
            for (i, cue) in cues.iter().enumerate() {
                rows.row_mut(i)[k] = *cue;
            }
        }
    }
}

/// Nepers of power by which a bin lies above `below`.
fn excess(levels: &Plane<u8>, below: &Plane<u8>, t: usize, k: usize) -> f32 {
    (f32::from(levels.row(t)[k]) - f32::from(below.row(t)[k])) * NEPERS_PER_CODE
}
