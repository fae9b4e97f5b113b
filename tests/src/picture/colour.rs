use std::f64::consts::TAU;

use super::canvas::Colour;

pub(super) const BACKGROUND: Colour = [13, 15, 20];
pub(super) const PANEL: Colour = [20, 23, 30];
pub(super) const GRID: Colour = [120, 130, 150];
pub(super) const TEXT: Colour = [222, 226, 234];
pub(super) const DIM: Colour = [134, 142, 158];

/// The colour that a stem has in every picture; the mixture and strangers are light grey.
pub(super) fn accent(name: &str) -> Colour {
    match name {
        "drums" => [255, 158, 84],
        "bass" => [96, 165, 250],
        "vocals" => [244, 114, 182],
        "other" => [110, 214, 160],
        "guitar" => [250, 210, 90],
        "piano" => [170, 150, 255],
        "drums+bass" => [180, 165, 190],
        _ => [205, 210, 220],
    }
}

/// A colour whose perceived brightness rises evenly from black at 0 to white at 1 while its hue goes from violet over rose
/// and amber: the cube helix of Green 2011, "A colour scheme for the display of astronomical intensity images", eq. 2.
pub(super) fn cubehelix(level: f64) -> Colour {
    const START: f64 = 0.3;
    const ROTATIONS: f64 = 0.38;
    const HUE: f64 = 1.45;
    const GAMMA: f64 = 0.95;
    let level = level.clamp(0.0, 1.0);
    let angle = TAU * (START / 3.0 + ROTATIONS * level);
    let grey = level.powf(GAMMA);
    let amplitude = HUE * grey * (1.0 - grey) / 2.0;
    let (sin, cos) = angle.sin_cos();
    [-0.14861 * cos + 1.78277 * sin, -0.29227 * cos - 0.90649 * sin, 1.97294 * cos]
        .map(|deviation| (255.0 * (grey + amplitude * deviation).clamp(0.0, 1.0)).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_from_black_to_white_and_never_darker() {
        assert_eq!((cubehelix(0.0), cubehelix(1.0)), ([0; 3], [255; 3]));
        let luma = |c: Colour| 0.30 * f64::from(c[0]) + 0.59 * f64::from(c[1]) + 0.11 * f64::from(c[2]);
        let levels: Vec<f64> = (0..=50).map(|i| luma(cubehelix(f64::from(i) / 50.0))).collect();
        assert!(levels.windows(2).all(|pair| pair[1] > pair[0] - 0.5), "{levels:?}");
    }
}
