//! Draws a mixture and its stems, and prints their levels.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use harmonix_tests::{
    Error, Result, Signal,
    decode::{decode, decode_as},
    metrics::{Level, Null, level, null, sdr, si_sdr},
    picture::{Row, draw},
};
use serde::Serialize;

/// Draw a mixture and its stems as spectrograms with waveforms, and print levels and, with the truth, SDR.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The mixture, in any format.
    #[arg(long)]
    mixture: PathBuf,
    /// A stem to show; may be given many times.
    #[arg(long = "stem", value_name = "NAME=FILE", value_parser = named)]
    stems: Vec<(String, PathBuf)>,
    /// The true stem of this name.
    #[arg(long = "truth", value_name = "NAME=FILE", value_parser = named)]
    truths: Vec<(String, PathBuf)>,
    /// What to write above the picture; the name of the mixture unless given.
    #[arg(long)]
    title: Option<String>,
    /// The PNG to write.
    #[arg(short, long)]
    output: PathBuf,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn named(text: &str) -> std::result::Result<(String, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), path.into()))
}

/// What is printed. Levels and ratios in dB; infinite ones are `null` in JSON.
#[derive(Serialize)]
struct Report {
    seconds: f64,
    sample_rate: u32,
    mixture: Level,
    stems: Vec<StemReport>,
    /// The sum of the stems less the mixture.
    null: Option<Null>,
}

#[derive(Serialize)]
struct StemReport {
    name: String,
    #[serde(flatten)]
    level: Level,
    /// Frames more (or, negative, fewer) than the mixture has.
    frames_off: i64,
    sdr: Option<f64>,
    si_sdr: Option<f64>,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("harmonix-picture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    let mixture = decode(&args.mixture)?;
    let read = |path: &PathBuf| decode_as(path, mixture.sample_rate, mixture.channels);
    let truths: BTreeMap<String, PathBuf> = args.truths.into_iter().collect();
    let mut stems: Vec<(StemReport, Signal)> = Vec::new();
    for (name, path) in args.stems {
        let audio = read(&path)?;
        let frames_off = audio.frames() as i64 - mixture.frames() as i64;
        let audio = audio.resized(mixture.frames());
        let truth = truths.get(&name).map(read).transpose()?.map(|t| t.resized(mixture.frames()));
        let compare =
            |metric: fn(&[f32], &[f32]) -> f64| truth.as_ref().map(|t| metric(&t.samples, &audio.samples));
        let (sdr, si_sdr) = (compare(sdr), compare(si_sdr));
        stems.push((StemReport { name, level: level(&audio.samples), frames_off, sdr, si_sdr }, audio));
    }

    let mut rows = vec![Row { name: "mixture", audio: &mixture, sdr: None }];
    rows.extend(stems.iter().map(|(report, audio)| Row { name: &report.name, audio, sdr: report.sdr }));
    let file_name = args.mixture.file_name().unwrap_or_default().to_string_lossy();
    let png = draw(args.title.as_deref().unwrap_or(&file_name), &rows)?;
    fs::write(&args.output, png).map_err(Error::io("write", &args.output))?;

    let signals: Vec<&Signal> = stems.iter().map(|(_, audio)| audio).collect();
    let report = Report {
        seconds: mixture.seconds(),
        sample_rate: mixture.sample_rate,
        mixture: level(&mixture.samples),
        null: if signals.is_empty() { None } else { null(&mixture, &signals) },
        stems: stems.into_iter().map(|(report, _)| report).collect(),
    };
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(Error::input)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Report) {
    println!("{:<12} {:>9} {:>9} {:>7} {:>8} {:>8}", "dB", "rms", "peak", "crest", "SDR", "SI-SDR");
    let cell = |value: Option<f64>| value.map_or(String::from("–"), |v| format!("{v:.2}"));
    let line = |name: &str, level: &Level, sdr, si_sdr| {
        let (rms, peak, crest) = (level.rms, level.peak, level.crest());
        println!("{name:<12} {rms:>9.2} {peak:>9.2} {crest:>7.2} {:>8} {:>8}", cell(sdr), cell(si_sdr));
    };
    line("mixture", &report.mixture, None, None);
    for stem in &report.stems {
        line(&stem.name, &stem.level, stem.sdr, stem.si_sdr);
        if stem.frames_off != 0 {
            println!("  {:+} frames against the mixture", stem.frames_off);
        }
    }
    if let Some(null) = report.null {
        println!("sum − mixture: peak {:.1} dBFS, {:.2} LSB of 24 bits", null.peak, null.lsb(24));
    }
}
