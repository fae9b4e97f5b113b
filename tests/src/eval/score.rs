use serde::Serialize;

use super::{Separation, Truth};
use crate::{
    Signal,
    metrics::{level, null, sdr, si_sdr},
    oracle::ideal_ratio_mask,
};

/// Figures of one song. Ratios in dB; infinite ones are `null` in JSON.
#[derive(Debug, Clone, Serialize)]
pub struct SongScore {
    /// The name of its folder.
    pub song: String,
    /// Length in seconds.
    pub seconds: f64,
    /// Stems that the song has.
    pub stems: Vec<StemScore>,
    /// Stems that it does not have.
    pub phantoms: Vec<Phantom>,
    /// Seconds of music per second of separation.
    pub times_real_time: Option<f64>,
    /// Peak of the sum of the separated stems less the mixture, dBFS.
    pub null_peak: Option<f64>,
    /// Frames that the separated stems are too long or, negative, too short.
    pub frames_off: i64,
    /// Why there is no separation.
    pub error: Option<String>,
}

/// Figures of one stem.
#[derive(Debug, Clone, Serialize)]
pub struct StemScore {
    /// Its sources, e.g. `drums`, `drums+bass`.
    pub stem: String,
    /// SDR of the separated stem.
    pub sdr: Option<f64>,
    /// Its scale-invariant SDR.
    pub si_sdr: Option<f64>,
    /// SDR of the mixture as the estimate.
    pub mixture: f64,
    /// SDR of a quarter of the mixture.
    pub quarter: f64,
    /// SDR of the ideal ratio mask, the ceiling of masks.
    pub oracle: f64,
}

/// What was separated of a stem that is not in the song.
#[derive(Debug, Clone, Serialize)]
pub struct Phantom {
    /// Its name.
    pub stem: String,
    /// RMS relative to the mixture's, the lower the better.
    pub level: f64,
}

/// Compares a separation, if there is one, with the truth.
#[must_use]
pub fn score(truth: &Truth, separation: Option<&Separation>) -> SongScore {
    let mixture = &truth.mixture;
    let references: Vec<Signal> = truth.references.iter().map(|r| r.audio.clone()).collect();
    let quarter = mixture.clone().scaled(0.25);
    let stems = truth.references.iter().zip(ideal_ratio_mask(&references)).map(|(reference, oracle)| {
        let truth = &reference.audio.samples;
        let estimate =
            separation.and_then(|s| Signal::sum(reference.part.sources().map(|source| &s.stems[&source])));
        StemScore {
            stem: reference.part.to_string(),
            sdr: estimate.as_ref().map(|e| sdr(truth, &e.samples)),
            si_sdr: estimate.as_ref().map(|e| si_sdr(truth, &e.samples)),
            mixture: sdr(truth, &mixture.samples),
            quarter: sdr(truth, &quarter.samples),
            oracle: sdr(truth, &oracle.samples),
        }
    });
    let phantoms = separation.into_iter().flat_map(|s| {
        let loudness = level(&mixture.samples).rms;
        truth.absent().map(move |source| Phantom {
            stem: source.name().into(),
            level: level(&s.stems[&source].samples).rms - loudness,
        })
    });
    SongScore {
        song: truth.name.clone(),
        seconds: mixture.seconds(),
        stems: stems.collect(),
        phantoms: phantoms.collect(),
        times_real_time: separation.map(|s| mixture.seconds() / s.seconds),
        null_peak: separation
            .and_then(|s| null(mixture, &s.stems.values().collect::<Vec<_>>()))
            .map(|found| found.peak),
        frames_off: separation.map_or(0, |s| s.frames_off),
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eval::{Reference, Source},
        synth,
    };

    #[test]
    fn the_truth_scores_without_limit_and_silence_scores_zero() {
        let song = synth::song(4.0, 1);
        let of = |name: &str| song.stems.iter().find(|s| s.name == name).unwrap().audio.clone();
        let references: Vec<Reference> = ["drums", "bass", "vocals"]
            .map(|name| Reference { part: name.parse().unwrap(), audio: of(name) })
            .into();
        let mixture = Signal::sum(references.iter().map(|r| &r.audio)).unwrap();
        let truth = Truth { name: "song".into(), mixture: mixture.clone(), references };
        let silence = Signal::silent(44_100, 2, mixture.frames());
        let stems = [
            (Source::Drums, of("drums")),
            (Source::Bass, silence),
            (Source::Other, mixture.clone().scaled(0.1)),
            (Source::Vocals, of("vocals")),
        ];
        let separation = Separation { seconds: 2.0, stems: stems.into(), frames_off: 0 };
        let found = score(&truth, Some(&separation));
        assert_eq!(found.times_real_time, Some(2.0));
        assert_eq!(found.stems[0].sdr, Some(f64::INFINITY));
        assert_eq!(found.stems[1].sdr, Some(0.0));
        assert!((found.phantoms[0].level + 20.0).abs() < 1e-4, "{:?}", found.phantoms);
        for stem in &found.stems {
            assert!(stem.oracle > stem.quarter && stem.quarter > stem.mixture, "{stem:?}");
        }
    }
}
