//! What a caller may choose.

/// Settings of an analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Lowest and highest tempo that is given, in beats per minute. Beats are counted in halves, doubles or thirds to
    /// lie within; a range of less than an octave may leave nothing to choose.
    pub bpm_range: [f64; 2],
    /// What a key is compared with.
    pub key_profile: KeyProfile,
    /// What instruments are told by.
    pub instruments: Instruments,
    /// Least confidence of an instrument that is given, 0 to 1.
    pub instrument_threshold: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bpm_range: [40.0, 222.0],
            key_profile: KeyProfile::default(),
            instruments: Instruments::default(),
            instrument_threshold: 0.5,
        }
    }
}

/// How much each pitch class belongs to a key, as published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyProfile {
    /// Sha'ath 2011, made for electronic and popular music.
    #[default]
    Shaath,
    /// Faraldo et al. 2016, from electronic dance music.
    Edma,
    /// Faraldo et al. 2017, gated.
    Bgate,
    /// Krumhansl & Kessler 1982, from listeners.
    Krumhansl,
    /// Temperley 1999, for classical music.
    Temperley,
}

/// What instruments are told by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Instruments {
    /// The classifier that is part of the program.
    #[default]
    Classifier,
    /// The shape of the spectrum alone: drums and bass, with little confidence.
    Heuristic,
    /// Nothing: none are given.
    Off,
}
