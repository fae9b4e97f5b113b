/// What one column of a waveform shows, as fractions of full scale.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Column {
    pub(super) low: f32,
    pub(super) high: f32,
    pub(super) rms: f32,
}

/// Extremes and RMS of `width` equal stretches of samples of any interleaving.
pub(super) fn columns(samples: &[f32], width: usize) -> Vec<Column> {
    (0..width)
        .map(|x| {
            let stretch = &samples[x * samples.len() / width..(x + 1) * samples.len() / width];
            let energy: f64 = stretch.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
            Column {
                low: stretch.iter().copied().fold(0.0, f32::min),
                high: stretch.iter().copied().fold(0.0, f32::max),
                rms: (energy / stretch.len().max(1) as f64).sqrt() as f32,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_both_sides() {
        let found = columns(&[0.5, -0.5, 1.0, 1.0], 2);
        assert_eq!(found[0], Column { low: -0.5, high: 0.5, rms: 0.5 });
        assert_eq!(found[1], Column { low: 0.0, high: 1.0, rms: 1.0 });
    }
}
