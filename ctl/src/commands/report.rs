//! `harmonixctl report`.

use harmonix_ipc::{JobId, JobReport, ShowReport};

use super::analyze;
use crate::{context::Context, failure::Failure, text};

/// Show everything that can be counted about a job: sizes, formats, levels, times, analysis
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl report 1k3v9c0q2x7e")]
pub(crate) struct Args {
    /// The job's id
    #[arg(value_name = "JOB")]
    job: String,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let report = ctx.call(ShowReport { job: JobId(args.job.clone()) })?;
    ctx.out.json(&report);
    for line in text::table(&facts(&report)) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn facts(report: &JobReport) -> Vec<[String; 2]> {
    let job = &report.job;
    let mut facts = vec![
        ["job".into(), job.id.to_string()],
        ["name".into(), job.name.clone()],
        ["state".into(), job.state.to_string()],
    ];
    let mut add = |label: &str, fact: String| facts.push([label.to_owned(), fact]);
    report.track.iter().for_each(|track| add("song", track.to_string()));
    report.duration.iter().for_each(|duration| add("length", format!("{duration:.2} s")));
    for (stage, seconds) in &job.times {
        add("time", format!("{stage} {seconds:.1} s"));
    }
    report.speed.iter().for_each(|speed| add("speed", format!("{speed:.1} times as fast as it plays")));
    analyze::facts(job).into_iter().for_each(|[label, fact]| add(&label, fact));
    if report.beats > 0 {
        add("beats", report.beats.to_string());
    }
    if report.lines > 0 {
        add("lyrics", format!("{} lines, {} words", report.lines, report.words));
    }
    for file in &job.files {
        let seconds = file.frames as f64 / f64::from(file.sample_rate);
        let audio =
            format!("{}, {} Hz, {} channels, {seconds:.2} s", file.format, file.sample_rate, file.channels);
        let levels = format!("peak {}, rms {}", text::level(file.peak_dbfs), text::level(file.rms_dbfs));
        add(&file.stem, format!("{audio}, {}, {levels}", text::bytes(file.bytes)));
    }
    add("outputs", text::bytes(report.output_bytes));
    add("on disk", text::bytes(report.disk_bytes));
    facts
}
