//! Writes a synthesised song and its true stems.
#![expect(clippy::print_stderr, reason = "a command-line program")]

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use harmonix_tests::{
    Error, Result,
    fixtures::{SampleFormat, write_wav},
    synth,
};

/// Write a synthesised song as OUT_DIR/song.wav and its stems as OUT_DIR/truth/NAME.wav, 24 bits.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Folder to write to; made if missing.
    out_dir: PathBuf,
    /// Length in seconds.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// The same seed gives the same song.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("harmonix-synth: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    if !(0.0..=3600.0).contains(&args.seconds) {
        return Err(Error::input("--seconds has to be between 0 and 3600"));
    }
    let song = synth::song(args.seconds, args.seed);
    let truth = args.out_dir.join("truth");
    fs::create_dir_all(&truth).map_err(Error::io("make", &truth))?;
    write_wav(&args.out_dir.join("song.wav"), &song.mixture(), SampleFormat::I24)?;
    for stem in &song.stems {
        write_wav(&truth.join(format!("{}.wav", stem.name)), &stem.audio, SampleFormat::I24)?;
    }
    Ok(())
}
