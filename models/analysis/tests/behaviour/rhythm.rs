use harmonix_analysis::{Analyzer, Options, TimeSignature};

use crate::signals::{RATE, analyse, clicks, noise, silence, sine};

#[test]
fn clicks_give_their_tempo_and_their_times() {
    for bpm in [40.0, 53.7, 60.0, 87.5, 100.0, 120.0, 128.0, 143.21, 160.0, 174.0, 200.0, 220.0] {
        let tempo = analyse(&clicks(30.0, bpm, 0.4, 0)).tempo.unwrap_or_else(|| panic!("no tempo at {bpm}"));
        assert!((tempo.bpm / bpm - 1.0).abs() < 0.001, "{bpm}: {:?}", tempo.candidates);
        assert!(tempo.stable, "{bpm}");
        assert!((tempo.candidates[0].bpm - tempo.bpm).abs() < 1e-9);
        for other in [bpm / 2.0, 2.0 * bpm].into_iter().filter(|other| (40.0..222.0).contains(other)) {
            let listed = tempo.candidates.iter().any(|c| (c.bpm / other - 1.0).abs() < 0.02);
            assert!(listed, "{bpm}: {other} is missing in {:?}", tempo.candidates);
        }
        let period = 60.0 / bpm;
        let off: Vec<f64> =
            tempo.beats.iter().map(|b| (b - 0.4) - ((b - 0.4) / period).round() * period).collect();
        assert!(off.iter().all(|o| o.abs() < 0.005), "{bpm}: {off:?}");
    }
}

#[test]
fn a_range_of_tempi_is_kept_to() {
    let mono = clicks(30.0, 160.0, 0.4, 0);
    let mut analyzer =
        Analyzer::new(RATE, 1, Options { bpm_range: [60.0, 110.0], ..Options::default() }).unwrap();
    analyzer.push(&mono);
    let tempo = analyzer.finish().tempo.unwrap();
    assert!((tempo.bpm - 80.0).abs() < 0.1, "{}", tempo.bpm);
}

#[test]
fn what_has_no_pulse_has_no_tempo() {
    let mut step = vec![0.5; 44_100 * 10];
    step[..44_100].fill(0.0);
    let mut two = silence(10.0);
    two[..44_100].copy_from_slice(&clicks(1.0, 30.0, 0.2, 0));
    let cases = [
        ("silence", silence(10.0)),
        ("direct current", vec![0.5; 44_100 * 10]),
        ("a step", step),
        ("noise", noise(20.0, 0.3)),
        ("loud noise", noise(60.0, 1.0)),
        ("a sine", sine(15.0, 440.0, 0.5)),
        ("a fifth of a second", clicks(0.2, 200.0, 0.05, 0)),
        ("one click", two),
        ("nothing", Vec::new()),
        ("not numbers", vec![f32::NAN; 44_100 * 5]),
    ];
    for (name, mono) in cases {
        assert_eq!(analyse(&mono).tempo, None, "{name}");
    }
}

#[test]
fn three_beats_are_not_called_four() {
    for bpm in [90.0, 132.0] {
        let tempo = analyse(&clicks(40.0, bpm, 0.3, 3)).tempo.unwrap();
        assert!((tempo.bpm / bpm - 1.0).abs() < 0.001, "{bpm}: {:?}", tempo.candidates);
        assert_ne!(tempo.time_signature, Some(TimeSignature::FourFour), "{bpm}");
        if tempo.time_signature == Some(TimeSignature::ThreeFour) {
            let bar = 180.0 / bpm;
            for d in &tempo.downbeats {
                let off = (d - 0.3) / bar;
                assert!((off - off.round()).abs() < 0.05, "{bpm}: {d}");
            }
        }
    }
}

#[test]
fn a_tempo_that_changes_is_not_stable() {
    let mut mono = silence(40.0);
    let (mut time, mut beats) = (0.2, Vec::new());
    while time < 40.0 {
        beats.push(time);
        crate::signals::click(&mut mono, time, 1200.0, 0.5);
        time += 60.0 / (110.0 + 15.0 * time / 40.0);
    }
    let tempo = analyse(&mono).tempo.unwrap();
    assert!(!tempo.stable);
    let (first, last) = (tempo.curve[1].bpm, tempo.curve[tempo.curve.len() - 2].bpm);
    assert!((first - 112.0).abs() < 2.5 && (last - 123.5).abs() < 2.5, "{first} {last}");
    let near = |b: &f64| tempo.beats.iter().any(|t| (t - b).abs() < 0.02);
    let found = beats.iter().filter(|b| near(b)).count();
    assert!(found * 100 > beats.len() * 95, "{found} of {}", beats.len());
}

#[test]
fn rates_from_8_to_192_khz_give_the_same_tempo() {
    let at_44 = clicks(20.0, 125.0, 0.3, 4);
    for rate in [8000u32, 16_000, 22_050, 32_000, 48_000, 96_000, 192_000] {
        let count = 20 * rate as usize;
        let resampled: Vec<f32> = (0..count)
            .map(|i| {
                let at = i as f64 * f64::from(RATE) / f64::from(rate);
                let (whole, part) = (at as usize, at.fract() as f32);
                let next = at_44.get(whole + 1).copied().unwrap_or_default();
                at_44.get(whole).copied().unwrap_or_default() * (1.0 - part) + next * part
            })
            .collect();
        let mut analyzer = Analyzer::new(rate, 1, Options::default()).unwrap();
        analyzer.push(&resampled);
        let analysis = analyzer.finish();
        let tempo = analysis.tempo.unwrap();
        assert!((analysis.duration - 20.0).abs() < 1e-9);
        assert!((tempo.bpm / 125.0 - 1.0).abs() < 0.001, "{rate}: {}", tempo.bpm);
        assert!(
            tempo.beats.iter().all(|b| (((b - 0.3) / 0.48).round() * 0.48 + 0.3 - b).abs() < 0.005),
            "{rate}"
        );
    }
    assert!(Analyzer::new(4000, 1, Options::default()).is_err());
    assert!(Analyzer::new(44_100, 3, Options::default()).is_err());
    assert!(Analyzer::new(44_100, 0, Options::default()).is_err());
}
