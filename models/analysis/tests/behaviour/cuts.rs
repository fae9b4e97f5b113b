use harmonix_analysis::{Analysis, Analyzer, Options, Stem};

use crate::signals::{RATE, chord, click, clicks, silence};

/// Chords over clicks, 12 s of stereo.
fn song() -> Vec<f32> {
    let mut mono = clicks(12.0, 120.0, 0.25, 4);
    for i in 0..6 {
        chord(
            &mut mono,
            0.25 + 2.0 * f64::from(i),
            2.0,
            [48.0, 53.0, 55.0][i as usize % 3],
            &[0.0, 4.0, 7.0],
        );
    }
    mono.iter().flat_map(|s| [*s, 0.7 * s]).collect()
}

fn cut(audio: &[f32], mut block: impl FnMut() -> usize) -> Analysis {
    let mut analyzer = Analyzer::new(RATE, 2, Options::default()).unwrap();
    let mut at = 0;
    while at < audio.len() {
        let end = (at + block()).min(audio.len());
        analyzer.push(&audio[at..end]);
        at = end;
    }
    analyzer.finish()
}

#[test]
fn the_result_does_not_depend_on_the_blocks() {
    let audio = song();
    let whole = cut(&audio, || usize::MAX / 2);
    assert!(whole.tempo.is_some() && whole.key.is_some());
    for block in [2, 1000, 4410, 65_537] {
        assert_eq!(cut(&audio, || block), whole, "blocks of {block}");
    }
    let mut state = 1u32;
    let odd = cut(&audio, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 18) as usize
    });
    assert_eq!(odd, whole);
}

#[test]
fn half_a_frame_at_the_end_is_left_out() {
    let mut audio = song();
    let whole = cut(&audio, || 4096);
    audio.push(0.5);
    assert_eq!(cut(&audio, || 4096), whole);
}

#[test]
fn stems_are_listened_to() {
    // a mix whose pulse is hidden, with the drums that make it
    let mut drums = silence(20.0);
    for n in 0..40 {
        click(&mut drums, 0.1 + 0.5 * f64::from(n), 100.0, 0.5);
    }
    let mut held = silence(20.0);
    chord(&mut held, 0.0, 20.0, 50.0, &[0.0, 4.0, 7.0]);
    let mut analyzer = Analyzer::new(RATE, 1, Options::default()).unwrap();
    analyzer.push(&silence(20.0));
    drums.chunks(777).for_each(|b| analyzer.push_stem(Stem::Drums, b));
    held.chunks(5000).for_each(|b| analyzer.push_stem(Stem::Pitched, b));
    let analysis = analyzer.finish();
    assert!((analysis.tempo.unwrap().bpm - 120.0).abs() < 0.1);
    assert_eq!(analysis.chords.iter().filter(|c| c.label == "D").count(), 1, "{:?}", analysis.chords);
}
