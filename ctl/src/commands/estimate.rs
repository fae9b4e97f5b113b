//! `harmonixctl estimate`.

use harmonix_ipc::{AskEstimate, JobOptions, Quality};

use crate::{context::Context, failure::Failure, text, values};

/// Say how long a song would take, as far as the jobs before it tell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl estimate 3:35 -q studio")]
pub(crate) struct Args {
    /// Length of the song: seconds, or minutes:seconds
    #[arg(value_parser = length)]
    length: f64,
    /// Preset of model, shifts and overlap
    #[arg(short, long, value_parser = values::quality(), default_value = "balanced")]
    quality: Quality,
    /// The model of that id instead of the preset's
    #[arg(long, value_name = "ID")]
    model: Option<String>,
}

fn length(text: &str) -> Result<f64, String> {
    let parts: Vec<f64> =
        text.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| "not a length")?;
    let seconds = parts.iter().fold(0.0, |sum, part| sum * 60.0 + part);
    let fits =
        parts.len() <= 3 && parts.iter().all(|part| *part >= 0.0) && seconds > 0.0 && seconds.is_finite();
    fits.then_some(seconds).ok_or_else(|| "not a length above 0".into())
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let options = JobOptions { quality: args.quality, model: args.model.clone(), ..JobOptions::default() };
    let estimate = ctx.call(AskEstimate { duration: args.length, options })?;
    ctx.out.json(&estimate);
    let basis = match estimate.runs {
        0 => "a rule of thumb: nothing like it ran here yet".to_owned(),
        runs => format!("learned from {runs} runs"),
    };
    ctx.out.say(format_args!("{} with {}, {basis}", text::span(estimate.seconds.max(1.0)), estimate.model));
    if estimate.ahead > 0 {
        ctx.out.note(format_args!("{} jobs are before it", estimate.ahead));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lengths_are_read_as_people_write_them() {
        let read = |text| super::length(text).ok();
        assert_eq!([read("215"), read("3:35"), read("1:00:00.5")], [Some(215.0), Some(215.0), Some(3600.5)]);
        for wrong in ["", "0", "-3", "1:-2", "a", "1:2:3:4", "inf", "nan"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
