use harmonix_analysis::{Scale, camelot, open_key, tonic_name};

use crate::signals::{analyse, chord, clicks, noise, silence};

const MAJOR: [f32; 3] = [0.0, 4.0, 7.0];
const MINOR: [f32; 3] = [0.0, 3.0, 7.0];

/// I–IV–V–I, two seconds each, twice; `cents` above standard tuning.
fn cadence(tonic: usize, scale: Scale, cents: f32) -> Vec<f32> {
    let mut out = silence(16.0);
    let third = if scale == Scale::Major { MAJOR } else { MINOR };
    for (i, (degree, tones)) in
        [(0.0, third), (5.0, third), (7.0, MAJOR), (0.0, third)].iter().cycle().take(8).enumerate()
    {
        let root = 53.0 + ((tonic + 7) % 12) as f32 + degree + cents / 100.0;
        chord(&mut out, 2.0 * i as f64, 2.0, root, tones);
    }
    out
}

#[test]
fn cadences_give_their_key_and_their_tuning() {
    let mut wrong = Vec::new();
    for tonic in 0..12 {
        for scale in [Scale::Major, Scale::Minor] {
            let cents = [0.0, 30.0, -40.0][tonic % 3];
            let key = analyse(&cadence(tonic, scale, cents)).key.unwrap();
            if key.tonic != tonic_name(tonic) || key.scale != scale {
                wrong.push((tonic_name(tonic), scale, key.tonic.clone(), key.scale));
            }
            assert!((key.tuning_cents - f64::from(cents)).abs() < 5.0, "{cents}: {}", key.tuning_cents);
            assert_eq!(key.alternatives.len(), 3);
            let shares = key.alternatives.iter().map(|a| a.confidence).chain([key.confidence]);
            assert!(shares.sum::<f64>() <= 1.001);
            assert_eq!(Some(key.camelot), camelot(&key.tonic, key.scale));
            assert_eq!(key.modulations.len(), 1);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_is_not_tonal_has_no_key() {
    let cases = [
        ("silence", silence(10.0)),
        ("direct current", vec![0.4; 44_100 * 5]),
        ("noise", noise(20.0, 0.5)),
        ("quiet noise", noise(10.0, 0.01)),
        ("clicks", clicks(20.0, 120.0, 0.1, 0)),
        ("nothing", Vec::new()),
    ];
    for (name, mono) in cases {
        assert_eq!(analyse(&mono).key, None, "{name}");
    }
}

#[test]
fn chords_are_named() {
    let mut out = silence(17.0);
    let progression = [(48.0, MAJOR, "C"), (57.0, MINOR, "Am"), (53.0, MAJOR, "F"), (55.0, MAJOR, "G")];
    for i in 0..8 {
        let (root, tones, _) = progression[i % 4];
        chord(&mut out, 2.0 * i as f64, 2.0, root, &tones);
    }
    let analysis = analyse(&out);
    for i in 0..8 {
        let middle = 2.0 * i as f64 + 1.0;
        let found = analysis.chords.iter().find(|c| c.start <= middle && middle < c.end).unwrap();
        assert_eq!(found.label, progression[i % 4].2, "{i}: {:?}", analysis.chords);
    }
    assert_eq!(analysis.chords.first().unwrap().start, 0.0);
    assert!((analysis.chords.last().unwrap().end - analysis.duration).abs() < 1e-9);
    assert!(analysis.chords.windows(2).all(|c| c[0].end == c[1].start && c[0].label != c[1].label));
    let quiet = analyse(&silence(5.0)).chords;
    assert!(quiet.iter().all(|c| c.label == "N"), "{quiet:?}");
}

#[test]
fn a_change_of_key_is_found() {
    let mut out = cadence(0, Scale::Major, 0.0);
    out.extend(cadence(0, Scale::Major, 0.0));
    out.extend(cadence(0, Scale::Major, 0.0));
    for _ in 0..3 {
        out.extend(cadence(6, Scale::Major, 0.0));
    }
    let key = analyse(&out).key.unwrap();
    let names: Vec<&str> = key.modulations.iter().map(|m| m.tonic.as_str()).collect();
    assert_eq!(names, ["C", "F#"], "{:?}", key.modulations);
    assert!((key.modulations[1].start - 48.0).abs() < 8.0, "{:?}", key.modulations);
}

#[test]
fn both_wheels_are_right_for_all_keys() {
    let table = [
        ("C", "8B", "1d", "5A", "10m"),
        ("Db", "3B", "8d", "12A", "5m"),
        ("D", "10B", "3d", "7A", "12m"),
        ("Eb", "5B", "10d", "2A", "7m"),
        ("E", "12B", "5d", "9A", "2m"),
        ("F", "7B", "12d", "4A", "9m"),
        ("F#", "2B", "7d", "11A", "4m"),
        ("G", "9B", "2d", "6A", "11m"),
        ("Ab", "4B", "9d", "1A", "6m"),
        ("A", "11B", "4d", "8A", "1m"),
        ("Bb", "6B", "11d", "3A", "8m"),
        ("B", "1B", "6d", "10A", "3m"),
    ];
    for (tonic, major, major_open, minor, minor_open) in table {
        assert_eq!(camelot(tonic, Scale::Major).as_deref(), Some(major), "{tonic}");
        assert_eq!(open_key(tonic, Scale::Major).as_deref(), Some(major_open), "{tonic}");
        assert_eq!(camelot(tonic, Scale::Minor).as_deref(), Some(minor), "{tonic}");
        assert_eq!(open_key(tonic, Scale::Minor).as_deref(), Some(minor_open), "{tonic}");
    }
    assert_eq!(camelot("C#", Scale::Major), camelot("Db", Scale::Major));
    assert_eq!(camelot("H", Scale::Major), None);
    assert_eq!(open_key("", Scale::Minor), None);
}
