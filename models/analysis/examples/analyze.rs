//! Analyses WAV files, or raw interleaved 32-bit floats: `analyze [--time] [--evidence] [--bpm LOW HIGH] FILE…`
//!
//! Prints one JSON value per file and line. Raw files (any other ending than `.wav`) are stereo at 44.1 kHz. `--time`
//! prints how long the analysis took, reading included, on standard error.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example that prints")]

use std::{error::Error, fs::File, io::Read, path::Path, time::Instant};

use harmonix_analysis::{Analyzer, Options};

const BLOCK: usize = 1 << 16;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut time, mut evidence, mut options, mut files) = (false, false, everything(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().ok_or("--bpm takes two numbers")?.parse().map_err(Box::<dyn Error>::from);
        match argument.as_str() {
            "--time" => time = true,
            "--evidence" => evidence = true,
            "--bpm" => options.bpm_range = [number()?, number()?],
            _ => files.push(argument),
        }
    }
    for file in &files {
        let begin = Instant::now();
        let analyzer = read(Path::new(file), &options)?;
        let (analysis, seen) = analyzer.finish_with_evidence();
        let seconds = begin.elapsed().as_secs_f64();
        let seen = if evidence { serde_json::to_value(seen)? } else { serde_json::Value::Null };
        println!("{}", serde_json::json!({ "file": file, "analysis": analysis, "evidence": seen }));
        if time {
            eprintln!("{file}: {seconds:.3} s, {:.0} × real time", analysis.duration / seconds);
        }
    }
    Ok(())
}

/// Instruments with whatever confidence they have.
fn everything() -> Options {
    Options { instrument_threshold: 0.0, ..Options::default() }
}

fn read(path: &Path, options: &Options) -> Result<Analyzer, Box<dyn Error>> {
    let mut block: Vec<f32> = Vec::with_capacity(BLOCK);
    if path.extension().is_some_and(|e| e == "wav") {
        let mut wav = hound::WavReader::open(path)?;
        let spec = wav.spec();
        let mut analyzer = Analyzer::new(spec.sample_rate, spec.channels.into(), options.clone())?;
        let mut take = |sample: f32| {
            block.push(sample);
            if block.len() == BLOCK {
                analyzer.push(&block);
                block.clear();
            }
        };
        if spec.sample_format == hound::SampleFormat::Float {
            for sample in wav.samples::<f32>() {
                take(sample?);
            }
        } else {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample - 1)) as f32;
            for sample in wav.samples::<i32>() {
                take(sample? as f32 * scale);
            }
        }
        analyzer.push(&block);
        return Ok(analyzer);
    }
    let mut analyzer = Analyzer::new(44_100, 2, options.clone())?;
    let mut file = File::open(path)?;
    let mut bytes = vec![0; 4 * BLOCK];
    let mut held = 0;
    loop {
        let read = file.read(&mut bytes[held..])?;
        held += read;
        let whole = held / 4 * 4;
        block.clear();
        block.extend(bytes[..whole].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        analyzer.push(&block);
        bytes.copy_within(whole..held, 0);
        held -= whole;
        if read == 0 {
            return Ok(analyzer);
        }
    }
}
