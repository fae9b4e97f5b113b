//! One stream of audio on its way to features: mono, at lower rates.

use super::{attacks::Attacks, chroma::ChromaFrames, decimate::Halver, onsets::OnsetFrames};
use crate::options::Instruments;

/// What is computed of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) onsets: bool,
    pub(crate) chroma: bool,
    pub(crate) instruments: Instruments,
}

/// What rhythm is found from.
pub(crate) struct Rhythm {
    pub(crate) onsets: OnsetFrames,
    pub(crate) attacks: Attacks,
}

/// Halves the rate until it suits each feature, and feeds the features.
pub(crate) struct Stream {
    halvers: Vec<(Halver, Vec<f32>)>,
    /// Halvers before the onsets and before the chroma.
    depth: [usize; 2],
    pub(crate) onsets: Option<Rhythm>,
    pub(crate) chroma: Option<ChromaFrames>,
}

impl Stream {
    pub(crate) fn new(sample_rate: u32, wanted: Wanted) -> Self {
        // onsets at 16..32 kHz, chroma at 8..16 kHz; what comes slower is taken as it is
        let halvings = |top: f32| (sample_rate as f32 / top).log2().floor().max(0.0) as usize;
        let depth = [halvings(16_000.0), halvings(8000.0)];
        let rate = |halvings: usize| sample_rate as f32 / (1u32 << halvings) as f32;
        Self {
            halvers: (0..depth[1]).map(|_| (Halver::new(), Vec::new())).collect(),
            depth,
            onsets: wanted.onsets.then(|| {
                let rate = rate(depth[0]);
                let mut onsets = OnsetFrames::new(rate);
                if wanted.instruments != Instruments::Off {
                    onsets.listen(rate, wanted.instruments == Instruments::Classifier);
                }
                Rhythm { onsets, attacks: Attacks::new(rate) }
            }),
            chroma: wanted.chroma.then(|| ChromaFrames::new(rate(depth[1]))),
        }
    }

    /// Takes a block of mono samples.
    pub(crate) fn push(&mut self, mono: &[f32]) {
        self.run(mono, false);
    }

    /// Takes the end.
    pub(crate) fn finish(&mut self) {
        self.run(&[], true);
    }

    fn run(&mut self, mono: &[f32], last: bool) {
        for step in 0..=self.halvers.len() {
            let (done, rest) = self.halvers.split_at_mut(step);
            let input = done.last().map_or(mono, |(_, out)| out.as_slice());
            if let Some(onsets) = self.onsets.as_mut().filter(|_| step == self.depth[0]) {
                onsets.onsets.push(input);
                onsets.attacks.push(input);
                if last {
                    onsets.onsets.finish();
                }
            }
            if let Some(chroma) = self.chroma.as_mut().filter(|_| step == self.depth[1]) {
                chroma.push(input);
                if last {
                    chroma.finish();
                }
            }
            if let Some((halver, out)) = rest.first_mut() {
                out.clear();
                halver.push(input, out);
                if last {
                    halver.finish(out);
                }
            }
        }
    }
}
