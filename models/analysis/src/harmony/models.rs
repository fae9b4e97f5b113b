//! Weights of the chord model.

/// Qualities of a chord: major, minor, dominant seventh.
pub(super) const QUALITIES: usize = 3;

/// Weights of treble and bass, both from the root on.
pub(super) const CHORD_WEIGHTS: [[f32; 24]; QUALITIES] = [
    [
        3.0, -1.5, 0.0, -2.0, 3.0, -1.0, -1.5, 2.5, -1.5, -0.5, -1.0, -1.0, 2.0, -0.5, -0.5, -0.5, 0.5, -0.5,
        -0.5, 0.5, -0.5, -0.5, -0.5, -0.5,
    ],
    [
        3.0, -1.5, 0.0, 3.0, -2.0, -1.0, -1.5, 2.5, -1.0, -1.5, -0.5, -1.0, 2.0, -0.5, -0.5, 0.5, -0.5, -0.5,
        -0.5, 0.5, -0.5, -0.5, -0.5, -0.5,
    ],
    [
        2.5, -1.5, 0.0, -2.0, 2.5, -1.0, -1.5, 2.0, -1.5, -0.5, 2.0, -1.5, 2.0, -0.5, -0.5, -0.5, 0.5, -0.5,
        -0.5, 0.5, -0.5, -0.5, 0.0, -0.5,
    ],
];
/// Bias of each quality.
pub(super) const CHORD_BIAS: [f32; QUALITIES] = [0.0, 0.0, -0.5];
/// Score of no chord.
pub(super) const NONE_BIAS: f32 = 1.0;
