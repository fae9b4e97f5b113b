use ebur128::{EbuR128, Mode};
use harmonix_analysis::{Analysis, Analyzer, Options};

use crate::signals::{RATE, noise, samples, silence, sine};

/// Analyses a stereo signal with the same sound on both sides.
fn stereo(mono: &[f32]) -> Analysis {
    let both: Vec<f32> = mono.iter().flat_map(|s| [*s, *s]).collect();
    let mut analyzer = Analyzer::new(RATE, 2, Options::default()).unwrap();
    analyzer.push(&both);
    analyzer.finish()
}

/// Sines of 1 kHz on both sides: seconds and dBFS of each.
fn tones(parts: &[(f64, f32)]) -> Vec<f32> {
    parts.iter().flat_map(|(seconds, level)| sine(*seconds, 1000.0, 10f32.powf(level / 20.0))).collect()
}

#[test]
fn integrated_loudness_is_that_of_ebu_tech_3341() {
    // test cases 1 to 5: expected −23.0 or −33.0 ± 0.1 LUFS
    let cases: [(&[(f64, f32)], f64); 5] = [
        (&[(20.0, -23.0)], -23.0),
        (&[(20.0, -33.0)], -33.0),
        (&[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0),
        (&[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)], -23.0),
        (&[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)], -23.0),
    ];
    for (parts, expected) in cases {
        let loudness = stereo(&tones(parts)).loudness;
        let integrated = loudness.integrated_lufs.unwrap();
        assert!((integrated - expected).abs() <= 0.1, "{parts:?}: {integrated}");
        assert!((loudness.replay_gain_db.unwrap() - (-18.0 - integrated)).abs() < 0.011);
    }
}

#[test]
fn short_and_momentary_loudness_are_those_of_ebu_tech_3341() {
    // test case 9: 1.34 s at −20, 1.66 s at −30 dBFS, five times: short-term −23.0 ± 0.1
    let parts: Vec<(f64, f32)> = [(1.34, -20.0), (1.66, -30.0)].repeat(5);
    let short = stereo(&tones(&parts)).loudness.short_term_max_lufs.unwrap();
    assert!((short + 23.0).abs() <= 0.1, "{short}");
    // test case 12: 0.18 s at −20, 0.22 s at −30 dBFS, 25 times: momentary −23.0 ± 0.1
    let parts: Vec<(f64, f32)> = [(0.18, -20.0), (0.22, -30.0)].repeat(25);
    let momentary = stereo(&tones(&parts)).loudness.momentary_max_lufs.unwrap();
    assert!((momentary + 23.0).abs() <= 0.1, "{momentary}");
}

#[test]
fn loudness_range_is_that_of_ebu_tech_3342() {
    // test cases 1 to 4: 10, 5, 20, 15 ± 1 LU
    let cases: [(&[(f64, f32)], f64); 4] = [
        (&[(20.0, -20.0), (20.0, -30.0)], 10.0),
        (&[(20.0, -20.0), (20.0, -15.0)], 5.0),
        (&[(20.0, -40.0), (20.0, -20.0)], 20.0),
        (&[(20.0, -50.0), (20.0, -35.0), (20.0, -20.0), (20.0, -35.0), (20.0, -50.0)], 15.0),
    ];
    for (parts, expected) in cases {
        let range = stereo(&tones(parts)).loudness.range_lu.unwrap();
        assert!((range - expected).abs() <= 1.0, "{parts:?}: {range}");
    }
}

#[test]
fn true_peak_is_that_of_ebu_tech_3341() {
    // test cases 15 to 18: a sine at a quarter of the rate, 0, 45 degrees off; −6.0 +0.2 −0.4 dBTP
    for degrees in [0.0f32, 45.0, 60.0, 67.5] {
        let mono: Vec<f32> = (0..samples(2.0))
            .map(|i| 0.5 * (std::f32::consts::FRAC_PI_2 * (i % 4) as f32 + degrees.to_radians()).sin())
            .collect();
        let loudness = stereo(&mono).loudness;
        let peak = loudness.true_peak_dbtp.unwrap();
        assert!((-6.4..=-5.8).contains(&peak), "{degrees}: {peak}");
        assert!(loudness.sample_peak_dbfs.unwrap() <= peak + 0.01);
    }
}

#[test]
fn silence_has_no_loudness_and_serialises() {
    let analysis = stereo(&silence(5.0));
    assert_eq!(analysis.loudness.integrated_lufs, None);
    assert_eq!(analysis.loudness.true_peak_dbtp, None);
    assert!(analysis.sections.is_empty());
    let text = serde_json::to_string(&analysis).unwrap();
    assert!(text.contains("\"tempo\":null"), "{text}");
    assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
}

#[test]
fn energy_of_a_sine_is_its_effective_value() {
    let energy = stereo(&sine(5.2, 440.0, 0.5)).energy;
    assert!((energy.window - 0.5).abs() < 1e-9);
    assert_eq!(energy.rms.len(), 11);
    assert!(energy.rms.iter().all(|r| (r / 0.353_55 - 1.0).abs() < 0.01), "{energy:?}");
}

#[test]
fn it_is_that_of_the_reference_implementation() {
    // quiet, loud and clipped parts; tones next to half the rate have their peaks between the samples
    let mut mono = noise(4.0, 0.05);
    mono.extend(noise(2.0, 0.9));
    mono.extend(tones(&[(3.0, -1.0), (2.0, -30.0)]));
    for i in 0..samples(3.0) {
        mono.push(0.8 * (i as f32 * 2.7).sin() * (i as f32 / 9000.0).sin());
    }
    mono.extend(noise(1.0, 4.0).iter().map(|s| s.clamp(-1.0, 1.0)));
    for rate in [8000, 22_050, 44_100, 48_000, 96_000, 192_000] {
        for channels in [1, 2] {
            let audio: Vec<f32> = match channels {
                1 => mono.clone(),
                _ => mono.iter().zip(mono.iter().rev()).flat_map(|(l, r)| [*l, 0.4 * r]).collect(),
            };
            let mut analyzer = Analyzer::new(rate, channels, Options::default()).unwrap();
            analyzer.push(&audio);
            let ours = analyzer.finish().loudness;
            let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK | Mode::SAMPLE_PEAK;
            let mut theirs = EbuR128::new(channels as u32, rate, mode).unwrap();
            theirs.add_frames_f32(&audio).unwrap();
            let close = |ours: Option<f64>, theirs: f64| (ours.unwrap() - theirs).abs() < 0.0051;
            assert!(
                close(ours.integrated_lufs, theirs.loudness_global().unwrap()),
                "{rate} {channels} {ours:?}"
            );
            assert!(close(ours.range_lu, theirs.loudness_range().unwrap()), "{rate} {channels} {ours:?}");
            let peak = (0..channels as u32).map(|c| theirs.true_peak(c).unwrap()).fold(0.0, f64::max);
            assert_eq!(ours.replay_gain_peak, (peak * 1e6).round() / 1e6, "{rate} {channels}");
        }
    }
}
