use harmonix_analysis::{Analysis, Analyzer, Instruments, Method, Options};

use crate::signals::{RATE, chord, click, noise, silence, sine};

fn analyse(mono: &[f32], instruments: Instruments, instrument_threshold: f32) -> Analysis {
    let options = Options { instruments, instrument_threshold, ..Options::default() };
    let mut analyzer = Analyzer::new(RATE, 1, options).unwrap();
    analyzer.push(mono);
    analyzer.finish()
}

/// Ten seconds of strokes of noise, then ten of chords.
fn strokes_then_chords() -> Vec<f32> {
    let mut out = silence(20.0);
    for n in 0..40 {
        let start = (f64::from(n) * 0.25 * f64::from(RATE)) as usize;
        for (i, s) in noise(0.1, 0.5).iter().enumerate() {
            out[start + i] += s * (-(i as f32) / 900.0).exp();
        }
        click(&mut out, 0.25 * f64::from(n), 60.0, 0.8);
    }
    for i in 0..5 {
        chord(&mut out, 10.0 + 2.0 * f64::from(i), 2.0, 55.0, &[0.0, 4.0, 7.0]);
    }
    out
}

#[test]
fn nobody_plays_in_silence() {
    for mono in [silence(8.0), silence(0.3), Vec::new(), vec![0.3; 44_100 * 4], vec![f32::NAN; 44_100]] {
        for by in [Instruments::Classifier, Instruments::Heuristic, Instruments::Off] {
            let found = analyse(&mono, by, 0.0).instruments;
            assert!(found.iter().all(|i| i.confidence < 0.5), "{by:?}: {found:?}");
        }
    }
    assert_eq!(analyse(&silence(8.0), Instruments::Classifier, 0.0).instruments, []);
}

#[test]
fn a_sine_is_no_sure_bass() {
    for frequency in [55.0, 110.0, 440.0] {
        for by in [Instruments::Classifier, Instruments::Heuristic] {
            let found = analyse(&sine(10.0, frequency, 0.5), by, 0.0).instruments;
            let bass = found.iter().find(|i| i.label == "bass").map_or(0.0, |i| i.confidence);
            assert!(bass < 0.95, "{frequency} {by:?}: {found:?}");
        }
    }
}

#[test]
fn drums_are_heard_while_they_play() {
    for (by, method) in
        [(Instruments::Classifier, Method::Classifier), (Instruments::Heuristic, Method::Heuristic)]
    {
        let analysis = analyse(&strokes_then_chords(), by, 0.3);
        let drums = analysis.instruments.iter().find(|i| i.label == "drums");
        let drums = drums.unwrap_or_else(|| panic!("{by:?}: {:?}", analysis.instruments));
        assert_eq!(drums.method, method);
        assert!(drums.segments[0].start < 3.0, "{drums:?}");
        assert!(drums.segments.last().unwrap().end < 14.0, "{drums:?}");
        assert!(drums.segments.iter().all(|s| s.start < s.end && s.end <= analysis.duration));
    }
}

#[test]
fn the_threshold_leaves_out_and_off_is_off() {
    let song = strokes_then_chords();
    let all = analyse(&song, Instruments::Classifier, 0.0).instruments;
    assert_eq!(all.len(), 11);
    assert!(all.windows(2).all(|two| two[0].confidence >= two[1].confidence));
    let some = analyse(&song, Instruments::Classifier, 0.6).instruments;
    assert!(some.len() < all.len() && some.iter().all(|i| i.confidence >= 0.6));
    assert_eq!(analyse(&song, Instruments::Off, 0.0).instruments, []);
}
