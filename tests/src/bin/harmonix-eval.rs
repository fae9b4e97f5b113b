//! Evaluates a separation program over songs with known stems.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use harmonix_tests::{
    Error, Result,
    eval::{self, SongScore},
};

/// Separate songs whose stems are known, and print how close the result is.
///
/// DATA holds a folder per song, each with the song's stems in any format. File names say what they hold (drum, bass, voc;
/// both of two is their sum; anything else is "other"), or a file stems.toml does:
///
///     [stems]
///     "take 3.wav" = "vocals"
///     "rhythm.wav" = "drums+bass"
///     "click.wav" = "ignore"
///
/// Columns: SDR and scale-invariant SDR of the separated stem; SDR of the mixture as the estimate, of a quarter of it, and of
/// the ideal ratio mask (all in dB). Of stems that a song does not have, the level is shown.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    /// Folder of songs, or one song.
    data: PathBuf,
    /// Separation program, a line for sh; {input} and {output} stand for a WAV file and a folder, unquoted. It writes
    /// NAME.wav or <anything>_NAME.wav for drums, bass, other and vocals.
    #[arg(long, default_value = "harmonixctl separate {input} -o {output} --format wav32f")]
    command: String,
    /// Run no program; print only the figures that need none.
    #[arg(long)]
    baselines: bool,
    /// Use N seconds of each song.
    #[arg(long, value_name = "N", default_value_t = f64::INFINITY)]
    limit_seconds: f64,
    /// Begin N seconds into each song.
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    skip_seconds: f64,
    /// Evaluate only songs whose name contains this.
    #[arg(long, value_name = "TEXT")]
    song: Option<String>,
    /// Sample rate at which stems are read and compared.
    #[arg(long, default_value_t = 44_100)]
    rate: u32,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("harmonix-eval: {error}");
            ExitCode::FAILURE
        }
    }
}

/// True when every song was separated.
fn run(args: &Args) -> Result<bool> {
    let mut scores: Vec<SongScore> = Vec::new();
    for folder in eval::songs(&args.data)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if args.song.as_ref().is_some_and(|text| !name.contains(text)) {
            continue;
        }
        eprintln!("{name}");
        scores.push(song(args, &folder)?);
    }
    if args.json {
        println!("{}", serde_json::to_string(&scores).map_err(Error::input)?);
    } else {
        print!("{}", eval::table(&scores));
    }
    Ok(scores.iter().all(|s| s.error.is_none()))
}

/// A separator that fails on one song does not spare the others.
fn song(args: &Args, folder: &std::path::Path) -> Result<SongScore> {
    let span = args.skip_seconds..args.skip_seconds + args.limit_seconds;
    let truth = eval::load(folder, args.rate, &span)?;
    if args.baselines {
        return Ok(eval::score(&truth, None));
    }
    Ok(match eval::separate(&args.command, &truth.mixture) {
        Ok(separation) => eval::score(&truth, Some(&separation)),
        Err(error) => SongScore { error: Some(error.to_string()), ..eval::score(&truth, None) },
    })
}
