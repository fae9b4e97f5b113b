//! `harmonixctl jobs`.

use harmonix_ipc::{Job, JobState, ListJobs};

use crate::{context::Context, failure::Failure, text, values};

/// List jobs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl jobs --state queued,separating")]
pub(crate) struct Args {
    /// Only jobs in these states
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = values::state())]
    states: Vec<JobState>,
    /// Only jobs whose name holds each of these words; case and accents do not matter
    #[arg(long, value_name = "WORDS")]
    name: Option<String>,
    /// Jobs on a page; 100 when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
    /// Which page, from 1, the one with the newest jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
}

impl Args {
    fn request(&self) -> ListJobs {
        ListJobs {
            states: self.states.clone(),
            text: self.name.clone(),
            limit: self.limit.map(usize::from),
            page: self.page.map(|page| page as usize),
        }
    }
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let list = ctx.call(args.request())?;
    ctx.out.json(&list);
    if list.jobs.is_empty() {
        ctx.out.note("no jobs");
        return Ok(0);
    }
    let head = ["ID", "STATE", "DONE", "QUALITY", "MODE", "SUBMITTED", "NAME"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(list.jobs.iter().map(row)).collect();
    for line in text::table(&rows) {
        ctx.out.say(line);
    }
    if list.jobs.len() < list.total {
        ctx.out.note(format_args!("{} of {} jobs", list.jobs.len(), list.total));
    }
    Ok(0)
}

fn row(job: &Job) -> [String; 7] {
    [
        job.id.to_string(),
        job.state.to_string(),
        format!("{:.0} %", job.progress * 100.0),
        job.quality.to_string(),
        job.mode.to_string(),
        text::ago(job.created_at),
        job.name.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Verb};

    #[test]
    fn every_flag_changes_the_request() {
        let request = |words: &[&str]| {
            let words = ["harmonixctl", "jobs"].iter().chain(words);
            let Verb::Jobs(args) = Cli::try_parse_from(words).unwrap().verb else { panic!("another verb") };
            args.request()
        };
        assert_eq!(request(&[]), ListJobs::default());
        assert_eq!(request(&["--limit", "7"]), ListJobs { limit: Some(7), ..ListJobs::default() });
        assert_eq!(request(&["--page", "2"]), ListJobs { page: Some(2), ..ListJobs::default() });
        assert_eq!(request(&["--name", "sea"]), ListJobs { text: Some("sea".into()), ..ListJobs::default() });
        let states = vec![JobState::Queued, JobState::Failed];
        let only = ListJobs { states, ..ListJobs::default() };
        assert_eq!(request(&["--state", "queued,failed"]), only);
        assert_eq!(request(&["--state", "queued", "--state", "failed"]), only);
        assert!(Cli::try_parse_from(["harmonixctl", "jobs", "--state", "lost"]).is_err());
        assert!(Cli::try_parse_from(["harmonixctl", "jobs", "--limit", "0"]).is_err());
        assert!(Cli::try_parse_from(["harmonixctl", "jobs", "--page", "0"]).is_err());
    }
}
