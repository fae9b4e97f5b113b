use crate::rng::Rng;

/// Centre frequencies of the first five formants in Hz.
pub(super) type Formants = [f64; 5];

/// Bandwidths of the formants in Hz (Klatt 1980, table II, rounded).
pub(super) const BANDWIDTHS: Formants = [70.0, 90.0, 140.0, 220.0, 280.0];

/// Vowels as F1, F2, F3 of a woman's voice (Peterson & Barney 1952, table II); F4 and F5 drawn together as singers do
/// (Sundberg 1974).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vowel {
    /// As in "father".
    A,
    /// As in "bed".
    E,
    /// As in "see".
    I,
    /// As in "law".
    O,
    /// As in "boot".
    U,
}

impl Vowel {
    pub(super) fn pick(rng: &mut Rng) -> Self {
        [Self::A, Self::A, Self::E, Self::I, Self::O, Self::O, Self::U][rng.below(7)]
    }

    pub(super) fn formants(self) -> Formants {
        let [f1, f2, f3] = match self {
            Self::A => [850.0, 1220.0, 2810.0],
            Self::E => [610.0, 2330.0, 2990.0],
            Self::I => [310.0, 2790.0, 3310.0],
            Self::O => [590.0, 920.0, 2710.0],
            Self::U => [370.0, 950.0, 2670.0],
        };
        [f1, f2, f3, 3700.0, 4500.0]
    }

    /// Where a long vowel glides to: "ai", "ei", "ou".
    pub(super) fn glide(self) -> Self {
        match self {
            Self::A | Self::E | Self::I => Self::I,
            Self::O | Self::U => Self::U,
        }
    }
}

/// How a syllable begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consonant {
    /// Straight into the vowel.
    None,
    /// A hiss around 7 kHz.
    S,
    /// A hiss around 3.5 kHz.
    Sh,
    /// Closure, then a bright burst.
    T,
    /// Closure, then a duller burst.
    K,
    /// Voiced closure with a soft burst.
    D,
    /// A hum through the nose.
    M,
    /// A liquid.
    L,
}

/// One steady stretch of articulation; the voice moves smoothly from one to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gesture {
    /// In seconds.
    pub(super) length: f64,
    /// Amplitude of the glottal source, 0 to 1.
    pub(super) voicing: f64,
    /// Amplitude of breath through the vocal tract.
    pub(super) breath: f64,
    /// Amplitude of noise made at the teeth or the palate, which the formants do not shape.
    pub(super) hiss: f64,
    /// Its centre frequency in Hz.
    pub(super) colour: f64,
    pub(super) formants: Formants,
}

impl Gesture {
    /// A mouth at rest in the shape of `formants`.
    pub(super) fn rest(length: f64, formants: Formants) -> Self {
        Self { length, voicing: 0.0, breath: 0.0, hiss: 0.0, colour: 5000.0, formants }
    }
}

impl Consonant {
    pub(super) fn pick(rng: &mut Rng) -> Self {
        use Consonant::*;
        [None, S, Sh, T, K, D, M, L, M, L, D, S][rng.below(12)]
    }

    /// The gestures before the vowel whose formants are `vowel`.
    pub(super) fn gestures(self, vowel: Formants) -> Vec<Gesture> {
        let rest = |length| Gesture::rest(length, vowel);
        let nasal = [270.0, 1300.0, 2300.0, 3700.0, 4500.0];
        let liquid = [400.0, 1150.0, 2900.0, 3700.0, 4500.0];
        match self {
            Self::None => vec![],
            Self::S => vec![Gesture { hiss: 0.5, colour: 7200.0, ..rest(0.10) }, rest(0.01)],
            Self::Sh => vec![Gesture { hiss: 0.55, colour: 3400.0, ..rest(0.10) }, rest(0.01)],
            Self::T => vec![
                rest(0.045),
                Gesture { hiss: 0.9, colour: 5200.0, ..rest(0.012) },
                Gesture { breath: 0.5, ..rest(0.03) },
            ],
            Self::K => vec![
                rest(0.05),
                Gesture { hiss: 0.9, colour: 2200.0, ..rest(0.018) },
                Gesture { breath: 0.5, ..rest(0.035) },
            ],
            Self::D => vec![
                Gesture { voicing: 0.12, formants: nasal, ..rest(0.04) },
                Gesture { voicing: 0.3, hiss: 0.4, colour: 4500.0, ..rest(0.010) },
            ],
            Self::M => vec![Gesture { voicing: 0.4, formants: nasal, ..rest(0.08) }],
            Self::L => vec![Gesture { voicing: 0.5, formants: liquid, ..rest(0.06) }],
        }
    }
}
