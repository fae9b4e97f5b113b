use super::db_power;

/// Signal to distortion ratio of `estimate` against `reference`, in dB:
/// `10·log10(Σ s² / Σ (s − ŝ)²)` over all channels and samples of the track.
///
/// This is the global SDR of the music demixing challenges (Mitsufuji et al. 2021, "Music Demixing Challenge
/// 2021", eq. 1): the SDR of Vincent, Gribonval, Févotte 2006 ("Performance measurement in blind audio source
/// separation") with no distortion allowed, so neither a gain nor a filter is forgiven. It is not the
/// median over one-second windows with a 512-tap filter of SiSEC (Stöter, Liutkus, Ito 2018).
///
/// +∞ for equal signals, −∞ for a silent reference and an estimate that is not silent.
#[must_use]
pub fn sdr(reference: &[f32], estimate: &[f32]) -> f64 {
    assert_same_length(reference, estimate);
    let error = energy(reference.iter().zip(estimate).map(|(s, e)| f64::from(*s) - f64::from(*e)));
    db_power(ratio(energy_of(reference), error))
}

/// Scale-invariant SDR in dB (Le Roux et al. 2019, "SDR – half-baked or well done?", eq. 4): the
/// reference is scaled by `α = ⟨ŝ, s⟩ / ⟨s, s⟩` first, so a wrong gain costs nothing.
#[must_use]
pub fn si_sdr(reference: &[f32], estimate: &[f32]) -> f64 {
    assert_same_length(reference, estimate);
    let dot: f64 = reference.iter().zip(estimate).map(|(s, e)| f64::from(*s) * f64::from(*e)).sum();
    let alpha = ratio(dot, energy_of(reference));
    let error = energy(reference.iter().zip(estimate).map(|(s, e)| alpha * f64::from(*s) - f64::from(*e)));
    db_power(ratio(alpha * alpha * energy_of(reference), error))
}

/// Ratio of the energies of a signal and of a noise, in dB.
#[must_use]
pub fn snr(signal: &[f32], noise: &[f32]) -> f64 {
    db_power(ratio(energy_of(signal), energy_of(noise)))
}

fn energy_of(samples: &[f32]) -> f64 {
    energy(samples.iter().map(|&s| f64::from(s)))
}

fn energy(samples: impl Iterator<Item = f64>) -> f64 {
    samples.map(|s| s * s).sum()
}

/// `above / below`, with ∞ over nothing: no error is perfect even where there is no signal.
fn ratio(above: f64, below: f64) -> f64 {
    if below == 0.0 { f64::INFINITY } else { above / below }
}

fn assert_same_length(reference: &[f32], estimate: &[f32]) {
    assert_eq!(reference.len(), estimate.len(), "a reference and its estimate have one length");
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: [f32; 4] = [1.0, -1.0, 1.0, -1.0];

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-4, "{value} is not {expected}");
    }

    #[test]
    fn known_answers() {
        close(sdr(&S, &S.map(|s| s * 0.9)), 20.0);
        close(sdr(&S, &[0.0; 4]), 0.0);
        close(snr(&S, &[0.1; 4]), 20.0);
        // An error orthogonal to the signal with a tenth of its amplitude.
        close(si_sdr(&S, &[1.1, -0.9, 1.1, -0.9]), 20.0);
    }

    #[test]
    fn a_gain_costs_sdr_but_not_si_sdr() {
        let louder = [2.2, -1.8, 2.2, -1.8];
        close(si_sdr(&S, &louder), 20.0);
        assert!(sdr(&S, &louder) < 0.0);
    }

    #[test]
    fn limits() {
        assert_eq!(sdr(&S, &S), f64::INFINITY);
        assert_eq!(sdr(&[0.0; 4], &S), f64::NEG_INFINITY);
    }
}
