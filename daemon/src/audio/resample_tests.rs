use std::f64::consts::TAU;

use super::*;

fn convert(input: &[f32], from: u32, to: u32, channels: usize, block: usize) -> Vec<f32> {
    let total = output_frames((input.len() / channels) as u64, from, to);
    let mut resampler = Resampler::new(from, to, channels, total).unwrap();
    let mut out = Vec::new();
    for chunk in input.chunks(block * channels) {
        resampler.push(chunk, &mut out).unwrap();
    }
    resampler.finish(&mut out).unwrap();
    assert_eq!(out.len() as u64, total * channels as u64, "{from} to {to}");
    out
}

fn sine(rate: u32, hertz: f64, frames: usize) -> Vec<f32> {
    (0..frames).map(|n| (0.5 * (TAU * hertz * n as f64 / f64::from(rate)).sin()) as f32).collect()
}

/// Root mean square in dB, leaving out `edge` samples at both ends.
fn level(samples: &[f32], edge: usize) -> f64 {
    let inner = &samples[edge..samples.len() - edge];
    let power = inner.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / inner.len() as f64;
    10.0 * power.max(1e-30).log10()
}

fn difference(a: &[f32], b: &[f32]) -> Vec<f32> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Noise of all frequencies below `limit` Hz: many sines with pseudo-random frequencies and phases.
fn noise(rate: u32, limit: f64, frames: usize) -> Vec<f32> {
    let mut seed = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let tones: Vec<_> = (0..60).map(|_| (random() * limit, random() * TAU)).collect();
    // A fade at both ends keeps the edges of the recording inside of the band.
    (0..frames)
        .map(|n| {
            let fade = (std::f64::consts::PI * n as f64 / frames as f64).sin().powi(4);
            let t = n as f64 / f64::from(rate);
            (tones.iter().map(|(f, p)| (TAU * f * t + p).sin()).sum::<f64>() * fade / 60.0) as f32
        })
        .collect()
}

#[test]
fn lengths_are_rounded_to_the_nearest_frame() {
    assert_eq!(output_frames(48_000, 48_000, 44_100), 44_100);
    assert_eq!(output_frames(1, 96_000, 44_100), 0);
    assert_eq!(output_frames(1, 88_200, 44_100), 1, "halves go up");
    assert_eq!(output_frames(u64::from(u32::MAX) * 1_000, 44_100, 768_000), 74_796_709_355_102);
}

#[test]
fn equal_rates_copy_and_the_length_is_kept() {
    let input = [0.25, -0.25, 1.0, f32::MIN_POSITIVE, 3.0, -4.0];
    assert_eq!(convert(&input, 44_100, 44_100, 2, 2), input);
    let mut longer = Resampler::new(8_000, 8_000, 2, 5).unwrap();
    let mut out = Vec::new();
    longer.push(&input, &mut out).unwrap();
    longer.finish(&mut out).unwrap();
    assert_eq!((out.len(), &out[..6], &out[6..]), (10, &input[..], &[0.0; 4][..]));
}

#[test]
fn sines_keep_phase_and_level_at_any_pair_of_rates() {
    for (from, to) in [
        (48_000, 44_100),
        (44_100, 48_000),
        (8_000, 44_100),
        (96_000, 44_100),
        (44_101, 44_100),
        (11_025, 44_100),
        (44_100, 11_025),
        (1_000, 44_100),
        (192_000, 44_100),
        (768_000, 44_100),
        (44_100, 768_000),
    ] {
        let low = from.min(to);
        for part in [0.045, 0.45] {
            let hertz = f64::from(low) * part;
            // These two have a filter of two seconds, all the others one under a tenth.
            let seconds = if matches!(from, 44_101 | 1_000) { 8 } else { 1 };
            let output = convert(&sine(from, hertz, seconds * from as usize), from, to, 1, 5_000);
            let error = difference(&output, &sine(to, hertz, output.len()));
            // A fifth at each end belongs to the sudden start and stop of the sine.
            let error = level(&error, output.len() / 5);
            assert!(error < -100.0, "{from} to {to}, {hertz} Hz: {error:.1} dB");
        }
    }
}

#[test]
fn a_kilohertz_stays_a_kilohertz() {
    let output = convert(&sine(48_000, 1_000.0, 48_000), 48_000, 44_100, 1, 1_024);
    let crossings = output.windows(2).filter(|w| w[0] < 0.0 && w[1] >= 0.0).count();
    assert!((999..=1_000).contains(&crossings), "{crossings}");
}

#[test]
fn what_lies_above_the_new_nyquist_frequency_vanishes() {
    for (from, to, hertz) in
        [(96_000, 44_100, 22_500.0), (96_000, 44_100, 40_000.0), (48_000, 8_000, 4_100.0)]
    {
        let output = convert(&sine(from, hertz, from as usize), from, to, 1, 4_096);
        let rest = level(&output, output.len() / 5);
        assert!(rest < -106.0, "{hertz} Hz from {from} to {to}: {rest:.1} dB");
    }
}

#[test]
fn a_round_trip_has_no_lag_and_returns_the_band() {
    for (high, low) in [(96_000, 44_100), (48_000, 44_100), (44_101, 44_100)] {
        let input = noise(high, 19_000.0, 2 * high as usize);
        let there = convert(&input, high, low, 1, 777);
        let back = convert(&there, low, high, 1, 12_345);
        let frames = input.len().min(back.len());
        let error = level(&difference(&input[..frames], &back[..frames]), 0) - level(&input, 0);
        assert!(error < -100.0, "{high} by way of {low}: {error:.1} dB");
        let correlation = |lag: i64| -> f64 {
            (1_000..frames as i64 - 1_000)
                .map(|n| f64::from(input[n as usize]) * f64::from(back[(n + lag) as usize]))
                .sum()
        };
        let best = (-20..=20).max_by(|a, b| correlation(*a).total_cmp(&correlation(*b)));
        assert_eq!(best, Some(0));
    }
}

#[test]
fn blocks_do_not_matter_and_channels_do_not_mix() {
    let left = noise(48_000, 20_000.0, 20_000);
    let stereo: Vec<f32> = left.iter().flat_map(|&s| [s, -0.5]).collect();
    let whole = convert(&stereo, 48_000, 44_100, 2, usize::MAX / 2);
    assert_eq!(whole, convert(&stereo, 48_000, 44_100, 2, 1));
    let mono = convert(&left, 48_000, 44_100, 1, 999);
    assert!(whole.chunks(2).zip(&mono).all(|(frame, &sample)| frame[0] == sample));
}

#[test]
fn rates_with_a_huge_block_are_interpolated_in_place() {
    for (from, to, channels) in [(767_999, 768_000, 2), (700_001, 44_100, 1), (44_100, 700_001, 1)] {
        assert_eq!(fft_block(from, to), None);
        let frames = from as usize / 20;
        let input: Vec<f32> = sine(from, 1_000.0, frames).iter().flat_map(|&s| vec![s; channels]).collect();
        let output = convert(&input, from, to, channels, 10_000);
        let left: Vec<f32> = output.iter().step_by(channels).copied().collect();
        let error = level(&difference(&left, &sine(to, 1_000.0, left.len())), left.len() / 5);
        assert!(error < -80.0, "{from} to {to}: {error:.1} dB");
    }
}

#[test]
fn short_inputs_have_the_right_length_too() {
    for (from, to) in [(48_000, 44_100), (8_000, 44_100), (192_000, 44_100)] {
        for frames in [0, 1, 2, 3, 100, 1_023] {
            convert(&vec![0.5; frames], from, to, 1, 7);
        }
    }
}

#[test]
fn impossible_rates_are_refused() {
    for (from, to, channels) in [(0, 44_100, 1), (44_100, 999, 1), (768_001, 44_100, 2), (44_100, 48_000, 0)]
    {
        let error = Resampler::new(from, to, channels, 1).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
    }
}
