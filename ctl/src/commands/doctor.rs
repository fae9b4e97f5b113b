//! `harmonixctl doctor`.

use harmonix_ipc::{Check, Doctor, Verdict};

use crate::{context::Context, failure::Failure, text};

/// Check everything that the daemon needs, and name what is missing
///
/// Exits with 1 when jobs would fail.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(ctx: &Context, _: &Args) -> Result<u8, Failure> {
    let report = ctx.call(Doctor {})?;
    ctx.out.json(&report);
    let rows: Vec<_> = report.checks.iter().map(row).collect();
    for (line, check) in text::table(&rows).into_iter().zip(&report.checks) {
        ctx.out.say(line);
        if let Some(remedy) = &check.remedy {
            ctx.out.say(format_args!("         {remedy}"));
        }
    }
    Ok(u8::from(report.checks.iter().any(|check| check.verdict == Verdict::Problem)))
}

fn row(check: &Check) -> [String; 3] {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "warning",
        Verdict::Problem => "problem",
    };
    [format!("{verdict:7}"), check.name.clone(), check.found.clone()]
}
