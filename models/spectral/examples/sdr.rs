//! Separates the sum of stems that lie in folders and prints how well each came back.
//!
//! `cargo run --release -p harmonix-spectral --example sdr -- FOLDER…`
//!
//! A folder holds headerless interleaved stereo `f32` files at 44.1 kHz: `drums.f32`, `bass.f32`, `other.f32`,
//! `vocals.f32`, and `bd.f32` where drums and bass are only known together. What is missing is silent.
//! One row per folder: the signal-to-distortion ratios in decibels of drums, bass, other, vocals and of
//! drums and bass together, the level of what appears in the vocal stem relative to the mixture where there
//! are no vocals, the seconds taken per second of audio.

use std::{fs, io, path::Path, time::Instant};

use harmonix_engine::{EngineError, Segments, Separator, Unwatched};
use harmonix_spectral::Spectral;

/// Share of a segment that the next one overlaps.
const OVERLAP: f64 = 0.1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = Spectral::new();
    for folder in std::env::args().skip(1) {
        let row = evaluate(&mut engine, Path::new(&folder))?;
        println_row(&folder, &row)?;
    }
    Ok(())
}

fn println_row(folder: &str, row: &[f64]) -> io::Result<()> {
    use io::Write;
    let cells: String = row.iter().map(|v| format!(" {v:7.2}")).collect();
    writeln!(io::stdout(), "{:12}{cells}", folder.rsplit('/').next().unwrap_or(folder))
}

fn evaluate(engine: &mut Spectral, folder: &Path) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let [drums, bass, other, vocals, both] =
        ["drums", "bass", "other", "vocals", "bd"].map(|name| load(&folder.join(format!("{name}.f32"))));
    let together = sum(&[&drums, &bass, &both]);
    let mix = sum(&[&together, &other, &vocals]);
    let start = Instant::now();
    let stems = separate(engine, &mix)?;
    let speed = start.elapsed().as_secs_f64() * 44_100.0 * 2.0 / mix.len() as f64;
    let mut row: Vec<f64> =
        [&drums, &bass, &other, &vocals].iter().zip(&stems).map(|(s, e)| sdr(s, e)).collect();
    row.push(sdr(&together, &sum(&[&stems[0], &stems[1]])));
    let silent = energy(&vocals) < 1e-6 * energy(&mix);
    row.push(if silent { 10.0 * (energy(&stems[3]) / energy(&mix)).log10() } else { f64::NAN });
    row.push(1.0 / speed);
    Ok(row)
}

/// Overlap-add of segments, as the driver of the engines does it.
fn separate(engine: &mut Spectral, mix: &[f32]) -> Result<Vec<Vec<f32>>, EngineError> {
    let segment = engine.info().segment;
    let stride = (segment as f64 * (1.0 - OVERLAP)) as usize;
    let mut stems = vec![vec![0.0; mix.len()]; 4];
    let mut weights = vec![0.0; mix.len() / 2];
    let mut chunk = vec![0.0; segment * 2];
    let mut out = vec![0.0; segment * 2 * 4];
    let mut start = 0;
    while start < weights.len() {
        let length = segment.min(weights.len() - start);
        chunk.fill(0.0);
        chunk[..length * 2].copy_from_slice(&mix[start * 2..(start + length) * 2]);
        engine.separate(&Segments { mix: &chunk, inside: &[] }, &mut out, &Unwatched)?;
        let window = engine.window();
        for (weight, w) in weights[start..].iter_mut().zip(window) {
            *weight += w;
        }
        for (stem, part) in stems.iter_mut().zip(out.chunks_exact(segment * 2)) {
            for (i, (s, p)) in stem[start * 2..].iter_mut().zip(part).enumerate() {
                *s += p * window[i / 2];
            }
        }
        start += stride;
    }
    for stem in &mut stems {
        for (i, s) in stem.iter_mut().enumerate() {
            *s /= weights[i / 2];
        }
    }
    Ok(stems)
}

/// Samples of a file, none if there is no such file.
fn load(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Sum of signals, as long as the longest.
fn sum(signals: &[&Vec<f32>]) -> Vec<f32> {
    let length = signals.iter().map(|s| s.len()).max().unwrap_or(0);
    (0..length).map(|i| signals.iter().map(|s| s.get(i).unwrap_or(&0.0)).sum()).collect()
}

fn energy(signal: &[f32]) -> f64 {
    signal.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() + 1e-20
}

fn sdr(truth: &[f32], estimate: &[f32]) -> f64 {
    let error = truth.iter().zip(estimate).map(|(s, e)| f64::from(s - e).powi(2)).sum::<f64>();
    if energy(truth) < 1e-9 { f64::NAN } else { 10.0 * (energy(truth) / error).log10() }
}
