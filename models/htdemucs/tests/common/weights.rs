//! Weights that this crate's tests, the end-to-end tests and `reference/reference.py` make alike, so that none are kept.

/// FNV-1a of the name, then SplitMix64 (Steele, Lea, Flood 2014): values in -1..1, the same for the same name.
pub(crate) fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let seed = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    (1..=count as u64).map(move |step| {
        let mut z = seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// Trained-like values of a weight of that name and shape: norms away from one, layer scales that hide nothing, gains
/// that keep the signal's size. Networks of different `prefix` differ.
pub(crate) fn values(prefix: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product::<usize>();
    let fan = count as f64 / shape.first().map_or(1.0, |n| *n as f64);
    let norm = name.ends_with("weight") && (name.contains(".norm") || name.contains(".dconv."));
    let value = |u: f64| match shape.len() {
        _ if name.ends_with(".scale") => 0.55 + 0.45 * u,
        1 if norm => 1.0 + 0.3 * u,
        1 => 0.1 * u,
        _ => u * (3.0 / fan).sqrt(),
    };
    uniform(&format!("{prefix}{name}"), count).map(|u| value(u) as f32).collect()
}
