//! `harmonixctl again`.

use clap::builder::NonEmptyStringValueParser;
use harmonix_ipc::{Again, Device, Format, JobId, JobOptions, Mode, Priority, Quality, Show};

use crate::{context::Context, failure::Failure, values};

/// Run a job's song once more, with the same options or with others
///
/// The daemon has kept the song, so that nothing is sent. Prints the new job's id; `harmonixctl watch` follows it and
/// `harmonixctl export` fetches its stems. A failed job is worth it once the cause was mended.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl again 1k3v9c0q2x7e --quality studio --format wav24")]
pub(crate) struct Args {
    /// Id of a job that has ended or still runs
    #[arg(value_name = "JOB")]
    job: String,
    /// Another quality
    #[arg(short, long, value_parser = values::quality())]
    quality: Option<Quality>,
    /// Other outputs
    #[arg(short, long, value_parser = values::mode())]
    mode: Option<Mode>,
    /// Only these stems; all: every one
    #[arg(short = 'i', long, value_name = "STEM", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    stems: Vec<String>,
    /// Another encoding
    #[arg(long, value_parser = values::format())]
    format: Option<Format>,
    /// Another device
    #[arg(long, value_parser = values::device())]
    device: Option<Device>,
    /// Another model
    #[arg(long, value_name = "MODEL", value_parser = NonEmptyStringValueParser::new())]
    model: Option<String>,
    /// Another place among the jobs that wait
    #[arg(long, value_parser = values::priority())]
    priority: Option<Priority>,
    /// Compute anew, even what was computed before and is still there
    #[arg(long)]
    fresh: bool,
}

impl Args {
    fn change(&self, before: JobOptions) -> JobOptions {
        let stems: Vec<_> = self.stems.iter().map(|stem| stem.trim().to_owned()).collect();
        JobOptions {
            quality: self.quality.unwrap_or(before.quality),
            mode: self.mode.unwrap_or(before.mode),
            stems: match stems.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                [] => before.stems,
                ["all"] => None,
                _ => Some(stems),
            },
            format: self.format.unwrap_or(before.format),
            device: self.device.unwrap_or(before.device),
            model: self.model.clone().or(before.model),
            priority: self.priority.unwrap_or(before.priority),
            fresh: self.fresh,
            ..before
        }
    }
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let job = JobId(args.job.clone());
    let before = ctx.call(Show { job: job.clone() })?;
    let again = ctx.call(Again { job, options: Some(args.change(before.options)) })?;
    ctx.out.json(&again);
    ctx.out.say(&again.id);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn changed(words: &[&str], before: JobOptions) -> JobOptions {
        let words = ["harmonixctl", "again", "1k3v9c0q2x7e"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().verb {
            Verb::Again(args) => args.change(before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_is_given_changes() {
        let before = JobOptions {
            quality: Quality::Studio,
            mode: Mode::Karaoke,
            stems: Some(vec!["vocals".into()]),
            raw: true,
            seed: 7,
            ..JobOptions::default()
        };
        assert_eq!(changed(&[], before.clone()), before);
        assert_eq!(
            changed(&["-q", "draft", "--format", "wav16", "-i", "all", "--fresh"], before.clone()),
            JobOptions {
                quality: Quality::Draft,
                format: Format::Wav16,
                stems: None,
                fresh: true,
                ..before.clone()
            }
        );
        assert_eq!(
            changed(&["-i", "drums, bass", "--model", "spectral", "--priority", "high"], before.clone()),
            JobOptions {
                stems: Some(vec!["drums".into(), "bass".into()]),
                model: Some("spectral".into()),
                priority: Priority::High,
                ..before
            }
        );
    }
}
