use clap::Parser;
use harmonix_ipc::{Analyze, Device, Format, JobOptions, Mode, Precision, Priority, Quality};

use super::Args;
use crate::cli::{Cli, Verb};

fn parse(words: &[&str]) -> Result<Args, clap::Error> {
    let words = ["harmonixctl", "separate", "song.flac"].iter().chain(words);
    match Cli::try_parse_from(words)?.verb {
        Verb::Separate(args) => Ok(args),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flag_changes_the_request() {
    let default = JobOptions::default;
    let stems = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    let table: &[(&[&str], JobOptions)] = &[
        (&[], default()),
        (&["-q", "draft"], JobOptions { quality: Quality::Draft, ..default() }),
        (&["--quality", "fast"], JobOptions { quality: Quality::Fast, ..default() }),
        (&["--quality=studio"], JobOptions { quality: Quality::Studio, ..default() }),
        (&["-m", "karaoke"], JobOptions { mode: Mode::Karaoke, ..default() }),
        (&["--mode", "per_instrument"], JobOptions { mode: Mode::PerInstrument, ..default() }),
        (&["--mode", "per-instrument"], JobOptions { mode: Mode::PerInstrument, ..default() }),
        (&["-i", "vocals,drums"], JobOptions { stems: stems(&["vocals", "drums"]), ..default() }),
        (&["-i", "vocals", "--stems", "bass"], JobOptions { stems: stems(&["vocals", "bass"]), ..default() }),
        (&["-i", "vocals, drums"], JobOptions { stems: stems(&["vocals", "drums"]), ..default() }),
        (&["--format", "wav16"], JobOptions { format: Format::Wav16, ..default() }),
        (&["--format", "wav24"], JobOptions { format: Format::Wav24, ..default() }),
        (&["--format", "wav32f"], JobOptions { format: Format::Wav32f, ..default() }),
        (&["--format", "flac16"], JobOptions { format: Format::Flac16, ..default() }),
        (&["--device", "cuda"], JobOptions { device: Device::Cuda, ..default() }),
        (&["--device", "cpu"], JobOptions { device: Device::Cpu, ..default() }),
        (&["--cpu-only"], JobOptions { device: Device::Cpu, ..default() }),
        (&["--raw"], JobOptions { raw: true, ..default() }),
        (&["--normalize"], JobOptions { normalize: true, ..default() }),
        (&["--preview"], JobOptions { preview: true, ..default() }),
        (&["--no-auto-route"], default()),
        (&["--model", "htdemucs"], JobOptions { model: Some("htdemucs".into()), ..default() }),
        (&["--shifts", "3"], JobOptions { shifts: Some(3), ..default() }),
        (&["--overlap", "0.5"], JobOptions { overlap: Some(0.5), ..default() }),
        (&["--seed", "7"], JobOptions { seed: 7, ..default() }),
        (&["--priority", "high"], JobOptions { priority: Priority::High, ..default() }),
        (&["--skip-analysis"], JobOptions { analysis: Analyze::Without, ..default() }),
        (&["--fresh"], JobOptions { fresh: true, ..default() }),
        (&["--precision", "fast"], JobOptions { precision: Precision::Fast, ..default() }),
    ];
    for (words, expected) in table {
        assert_eq!(parse(words).unwrap().options(), *expected, "{words:?}");
    }
}

#[test]
fn flags_for_this_side() {
    let args = parse(&[]).unwrap();
    assert_eq!((args.output.to_str(), args.name.as_str()), (Some("."), "stdin"));
    assert!(!(args.detach || args.rm || args.force || args.verbose));
    let args = parse(&["-o", "out", "--rm", "-f", "-v", "--name", "n.ogg"]).unwrap();
    assert_eq!((args.output.to_str(), args.name.as_str()), (Some("out"), "n.ogg"));
    assert!(args.rm && args.force && args.verbose);
    assert!(parse(&["--detach"]).unwrap().detach);
    let alias = Cli::try_parse_from(["harmonixctl", "split", "-", "b.mp3"]).unwrap();
    assert!(matches!(alias.verb, Verb::Separate(args) if args.files.len() == 2));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for words in [
        &["-q", "best"][..],
        &["-m", "solo"],
        &["--format", "mp3"],
        &["--device", "tpu"],
        &["-i", ""],
        &["-i", "vocals,"],
        &["--name", ""],
        &["--device", "cuda", "--cpu-only"],
        &["--detach", "--rm"],
        &["--bogus"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
    assert!(Cli::try_parse_from(["harmonixctl", "separate"]).is_err());
}
