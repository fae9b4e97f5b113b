use crate::signals::{analyse, chord, click, silence};

/// A part: chords on each beat, with or without drums.
fn part(out: &mut [f32], start: f64, length: f64, roots: [f32; 2], drums: bool, tones: &[f32]) {
    let beats = (length / 0.5) as usize;
    for n in 0..beats {
        let time = start + 0.5 * n as f64;
        chord(out, time, 0.5, roots[n / 4 % 2], tones);
        if drums {
            click(out, time, if n % 2 == 0 { 80.0 } else { 3000.0 }, 0.6);
            click(out, time + 0.25, 7000.0, 0.3);
        }
    }
}

#[test]
fn parts_begin_where_the_music_changes_and_repeated_ones_share_a_letter() {
    let mut out = silence(60.0);
    part(&mut out, 0.0, 20.0, [48.0, 53.0], false, &[0.0, 4.0, 7.0]);
    part(&mut out, 20.0, 20.0, [56.0, 51.0], true, &[12.0, 15.0, 19.0]);
    part(&mut out, 40.0, 20.0, [48.0, 53.0], false, &[0.0, 4.0, 7.0]);
    let sections = analyse(&out).sections;
    let labels: Vec<&str> = sections.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(labels, ["A", "B", "A"], "{sections:?}");
    assert!((sections[0].end - 20.0).abs() < 1.0 && (sections[1].end - 40.0).abs() < 1.0, "{sections:?}");
    assert_eq!(sections[0].start, 0.0);
    assert!((sections[2].end - 60.0).abs() < 1e-9);
}

#[test]
fn no_part_is_shorter_than_a_second() {
    for seconds in [0.6, 1.0, 2.5, 7.0, 31.0] {
        let mut out = silence(seconds);
        part(&mut out, 0.0, seconds, [48.0, 55.0], true, &[0.0, 4.0, 7.0]);
        let sections = analyse(&out).sections;
        assert!(!sections.is_empty(), "{seconds}");
        assert!(sections.iter().all(|s| s.end - s.start >= 1.0 || sections.len() == 1), "{sections:?}");
        assert!(sections.windows(2).all(|s| s[0].end == s[1].start));
    }
}
