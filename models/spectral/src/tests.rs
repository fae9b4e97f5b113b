//! Properties of whole segments.

use std::{cell::Cell, f32::consts::TAU};

use harmonix_engine::{EngineError, Monitor, Segments, Separator, Unwatched};

use crate::Spectral;

const SEGMENT: usize = 3 * 44_100;
const RATE: f32 = 44_100.0;

fn segments(mix: &[f32]) -> Segments<'_> {
    Segments { mix, inside: &[] }
}

fn separate(mix: &[f32]) -> Vec<Vec<f32>> {
    let mut stems = vec![9.0; mix.len() * 4];
    Spectral::with_segment(mix.len() / 2).separate(&segments(mix), &mut stems, &Unwatched).unwrap();
    stems.chunks(mix.len()).map(<[f32]>::to_vec).collect()
}

/// Interleaved stereo of a function of time in seconds.
fn stereo(at: impl Fn(f32) -> [f32; 2]) -> Vec<f32> {
    (0..SEGMENT).flat_map(|i| at(i as f32 / RATE)).collect()
}

/// Full-scale white noise, the channels independent.
fn noise() -> Vec<f32> {
    let mut state = 1u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(step).take(SEGMENT * 2).collect()
}

fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Signal-to-distortion ratio in decibels.
fn sdr(truth: &[f32], estimate: &[f32]) -> f32 {
    let signal: f32 = truth.iter().map(|s| s * s).sum();
    let error: f32 = truth.iter().zip(estimate).map(|(s, e)| (s - e) * (s - e)).sum();
    10.0 * (signal / error).log10()
}

/// Strokes of noise, twice a second, that die away within 50 ms.
fn clicks() -> Vec<f32> {
    let noise = noise();
    let decay = |i: usize| (-((i / 2 % 22_050) as f32) / 500.0).exp();
    noise.iter().enumerate().map(|(i, n)| 0.6 * n * decay(i)).collect()
}

fn low_note() -> Vec<f32> {
    stereo(|t| [0.3 * (TAU * 82.4 * t).sin(); 2])
}

/// A chord spread over both sides.
fn chord() -> Vec<f32> {
    stereo(|t| {
        let note = |hertz: f32| 0.08 * (TAU * hertz * t).sin();
        let [low, middle, high] = [440.0, 554.4, 659.3].map(note);
        [low + middle * 0.3, high + middle * 0.7]
    })
}

#[test]
fn stems_add_up_to_the_mixture() {
    let mix = add(&add(&clicks(), &low_note()), &chord());
    let stems = separate(&mix);
    let worst = (0..mix.len())
        .map(|i| (stems.iter().map(|s| f64::from(s[i])).sum::<f64>() - f64::from(mix[i])).abs())
        .fold(0.0, f64::max);
    assert!(worst < 1e-6, "{worst} is above −120 dBFS");
}

#[test]
fn silence_stays_exact() {
    for stem in separate(&vec![0.0; SEGMENT * 2]) {
        assert!(stem.iter().all(|s| *s == 0.0));
    }
}

#[test]
fn a_mono_mixture_has_mono_stems() {
    let mix: Vec<f32> = add(&clicks(), &chord()).chunks(2).flat_map(|c| [c[0] + c[1]; 2]).collect();
    for stem in separate(&mix) {
        assert!(stem.as_chunks::<2>().0.iter().all(|[l, r]| (l - r).abs() < 1e-6));
    }
}

#[test]
fn any_finite_input_gives_finite_stems() {
    let noise = noise();
    let scaled = |factor: f32| noise.iter().map(|n| n * factor).collect::<Vec<f32>>();
    let mut lone = vec![0.0; SEGMENT * 2];
    lone[0] = 1.0;
    let mut uneven = scaled(1e-20);
    uneven[SEGMENT] = -1e30;
    let cases = [
        ("full scale", scaled(1.0)),
        ("huge", scaled(1e30)),
        ("largest", scaled(f32::MAX)),
        ("denormal", scaled(1e-40)),
        ("constant", vec![1.0; SEGMENT * 2]),
        ("one sample", lone),
        ("uneven", uneven),
        ("one side", stereo(|t| [(TAU * 300.0 * t).sin(), 0.0])),
        ("opposite", stereo(|t| [(TAU * 300.0 * t).sin(), -(TAU * 300.0 * t).sin()])),
    ];
    for (name, mix) in cases {
        for stem in separate(&mix) {
            assert!(stem.iter().all(|s| s.is_finite()), "{name}");
        }
    }
}

#[test]
fn the_same_segment_gives_the_same_bits_at_any_level() {
    let mix = add(&clicks(), &chord());
    let quiet: Vec<f32> = mix.iter().map(|s| s / 1024.0).collect();
    let mut engine = Spectral::with_segment(SEGMENT);
    let [mut first, mut again, mut low] = std::array::from_fn(|_| vec![0.0; mix.len() * 4]);
    engine.separate(&segments(&mix), &mut first, &Unwatched).unwrap();
    engine.separate(&segments(&quiet), &mut low, &Unwatched).unwrap();
    engine.separate(&segments(&mix), &mut again, &Unwatched).unwrap();
    assert!(first == again);
    assert!(first.iter().zip(&low).all(|(a, b)| *a == b * 1024.0));
}

#[test]
fn the_window_is_positive_and_as_long_as_the_segment() {
    let engine = Spectral::new();
    assert_eq!(engine.window().len(), engine.info().segment);
    assert!(engine.window().iter().all(|w| *w > 0.0 && *w <= 1.0));
}

#[test]
fn a_buffer_of_the_wrong_length_is_refused() {
    let mut engine = Spectral::with_segment(SEGMENT);
    let answer = engine.separate(&segments(&[0.0; 2]), &mut [0.0; 8], &Unwatched);
    assert!(matches!(answer, Err(EngineError::Model(_))));
}

/// Cancels at the n-th question.
struct Impatient {
    questions: Cell<usize>,
    progress: Cell<f64>,
}

impl Monitor for Impatient {
    fn progress(&self, done: f64) {
        assert!((self.progress.get()..=1.0).contains(&done));
        self.progress.set(done);
    }
    fn cancelled(&self) -> bool {
        self.questions.set(self.questions.get().saturating_sub(1));
        self.questions.get() == 0
    }
}

#[test]
fn cancels_wherever_it_is_and_reports_progress() {
    let mix = noise();
    let mut engine = Spectral::with_segment(SEGMENT);
    let mut stems = vec![0.0; mix.len() * 4];
    let mut run = |questions: usize| {
        let monitor = Impatient { questions: Cell::new(questions), progress: Cell::default() };
        (
            engine.separate(&segments(&mix), &mut stems, &monitor),
            monitor.questions.get(),
            monitor.progress.get(),
        )
    };
    let (answer, left, progress) = run(usize::MAX);
    assert!(answer.is_ok());
    assert_eq!(progress, 1.0);
    let asked = usize::MAX - left;
    for questions in [1, asked / 2, asked] {
        assert!(
            matches!(run(questions).0, Err(EngineError::Cancelled)),
            "at question {questions} of {asked}"
        );
    }
}

#[test]
fn separates_strokes_a_low_note_and_a_chord() {
    let (drums, bass, other) = (clicks(), low_note(), chord());
    let stems = separate(&add(&add(&drums, &bass), &other));
    let mix_energy: f32 = add(&add(&drums, &bass), &other).iter().map(|s| s * s).sum();
    let vocals: f32 = stems[3].iter().map(|s| s * s).sum();
    let reached = [sdr(&drums, &stems[0]), sdr(&bass, &stems[1]), sdr(&other, &stems[2])];
    assert!(reached[0] > 3.0 && reached[1] > 10.0 && reached[2] > 6.0, "{reached:?}");
    assert!(10.0 * (vocals / mix_energy).log10() < -12.0);
}
