//! Profiles of keys, tonic first: how much each pitch class belongs to a major and to a minor key.

use crate::options::KeyProfile;

type Profile = [f32; 12];

/// Major and minor profile.
pub(crate) fn profile(which: KeyProfile) -> [Profile; 2] {
    match which {
        KeyProfile::Shaath => [
            [6.6, 2.0, 3.5, 2.3, 4.6, 4.0, 2.5, 5.2, 2.4, 3.7, 2.3, 3.4],
            [6.5, 2.7, 3.5, 5.4, 2.6, 3.5, 2.5, 5.2, 4.0, 2.7, 4.3, 3.2],
        ],
        KeyProfile::Edma => [
            [1.0, 0.2875, 0.502, 0.4048, 0.605, 0.5614, 0.3205, 0.7966, 0.3159, 0.4506, 0.4202, 0.3889],
            [1.0, 0.3096, 0.4415, 0.5827, 0.3262, 0.4948, 0.2889, 0.7804, 0.4328, 0.2903, 0.5331, 0.3217],
        ],
        KeyProfile::Bgate => [
            [1.0, 0.0, 0.42, 0.0, 0.53, 0.37, 0.0, 0.77, 0.0, 0.38, 0.21, 0.30],
            [1.0, 0.0, 0.36, 0.39, 0.0, 0.38, 0.0, 0.74, 0.27, 0.0, 0.42, 0.23],
        ],
        KeyProfile::Krumhansl => [
            [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
            [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
        ],
        KeyProfile::Temperley => [
            [5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0],
            [5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0],
        ],
    }
}

/// Pearson correlation of the pitch classes with all keys: 12 major, then 12 minor, from C on.
pub(crate) fn correlations(pcs: &[f32; 12], which: KeyProfile) -> [f32; 24] {
    let profiles = profile(which);
    std::array::from_fn(|key| {
        let rotated: Profile = std::array::from_fn(|pc| profiles[key / 12][(pc + 12 - key % 12) % 12]);
        pearson(pcs, &rotated)
    })
}

/// Pearson correlation; 0 where one of both is constant.
fn pearson(a: &Profile, b: &Profile) -> f32 {
    let mean = |x: &Profile| x.iter().sum::<f32>() / 12.0;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma).powi(2);
        bb += (y - mb).powi(2);
    }
    if aa * bb > 1e-12 { ab / (aa * bb).sqrt() } else { 0.0 }
}
