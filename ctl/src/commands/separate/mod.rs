//! `harmonixctl separate`.

pub(crate) mod input;
mod report;
mod session;
pub(crate) mod submit;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::builder::NonEmptyStringValueParser;
use harmonix_ipc::{Analyze, Device, ErrorKind, Format, JobOptions, Mode, Precision, Priority, Quality};

use crate::{context::Context, failure::Failure, handover, values};

/// Separate songs into stems
///
/// Streams each song to the daemon, follows its job, and writes the stems to a folder as {name}_{stem}.{ext}, with
/// {name}_manifest.json beside them. Nothing is overwritten unless --force is given: a name that is taken gets a number.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "split", after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Songs; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Folder for the stems; made if it is not there
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// How much work a separation may take
    #[arg(short, long, default_value = "balanced", value_parser = values::quality())]
    quality: Quality,
    /// Which outputs are made
    #[arg(short, long, default_value = "grouped", value_parser = values::mode())]
    mode: Mode,
    /// Only these stems, e.g. vocals,drums
    #[arg(short = 'i', long, value_name = "STEM", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    stems: Vec<String>,
    /// Encoding of the stems
    #[arg(long, default_value = "flac24", value_parser = values::format())]
    format: Format,
    /// Where the model computes
    #[arg(long, default_value = "auto", value_parser = values::device())]
    device: Device,
    /// The same as --device cpu
    #[arg(long, conflicts_with = "device")]
    cpu_only: bool,
    /// This model instead of the quality's own; `harmonixctl models list` has them
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    /// Shifted passes that are averaged, 0 to 20, instead of the quality's own
    #[arg(long, value_name = "N")]
    shifts: Option<u32>,
    /// Fraction of a segment that it shares with the next, 0 to 0.95, instead of the quality's own
    #[arg(long, value_name = "FRACTION")]
    overlap: Option<f64>,
    /// Seed of the shifts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Arithmetic of a neural model
    #[arg(long, default_value = "f32", value_parser = values::precision())]
    precision: Precision,
    /// Which of the waiting jobs goes first
    #[arg(long, default_value = "normal", value_parser = values::priority())]
    priority: Priority,
    /// Do not look for tempo, key and the rest
    #[arg(long)]
    skip_analysis: bool,
    /// Compute anew, even what was computed before and is still there
    #[arg(long)]
    fresh: bool,
    /// Leave the model's own output: the stems need not sum to the song
    #[arg(long)]
    raw: bool,
    /// Bring the song's peak to -3 dBFS first
    #[arg(long)]
    normalize: bool,
    /// Only the first 30 s, at quality draft
    #[arg(long)]
    preview: bool,
    /// Name of the song on standard input
    #[arg(long, value_name = "NAME", default_value = "stdin", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Print the jobs' ids and leave once the daemon has the songs
    #[arg(long)]
    detach: bool,
    /// Delete each job from the daemon once its stems are here; else it stays until `harmonixctl delete`
    #[arg(long, conflicts_with = "detach")]
    rm: bool,
    /// Overwrite files of the same names instead of choosing other names
    #[arg(short, long)]
    force: bool,
    /// Use mode and quality as they are given; always so in this version
    #[arg(long)]
    no_auto_route: bool,
    /// Tell more: job ids, inputs, and events as they happen
    #[arg(short, long)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  harmonixctl separate song.flac -o stems/
  harmonixctl separate *.mp3 -q studio -i vocals,drums --format wav24
  curl -s https://example.org/song.ogg | harmonixctl separate - --name song.ogg";

impl Args {
    /// What is asked of the daemon.
    fn options(&self) -> JobOptions {
        JobOptions {
            quality: self.quality,
            mode: self.mode,
            stems: Some(self.stems.iter().map(|stem| stem.trim().to_owned()).collect())
                .filter(|stems: &Vec<_>| !stems.is_empty()),
            format: self.format,
            device: if self.cpu_only { Device::Cpu } else { self.device },
            raw: self.raw,
            normalize: self.normalize,
            preview: self.preview,
            model: self.model.clone(),
            shifts: self.shifts,
            overlap: self.overlap,
            seed: self.seed,
            precision: self.precision,
            analysis: if self.skip_analysis { Analyze::Without } else { Analyze::With },
            fresh: self.fresh,
            priority: self.priority,
        }
    }
}

pub(crate) fn run(ctx: &Arc<Context>, args: &Args) -> Result<u8, Failure> {
    if args.files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
        return Err(Failure::here(ErrorKind::InvalidRequest, "standard input can be only one of the songs"));
    }
    // nobody waits for a song to be separated to learn that it cannot be written
    let client = ctx.connect()?;
    let folder = if args.detach { None } else { Some(handover::folder(&args.output)?) };
    session::run(ctx, args, client, folder)
}
