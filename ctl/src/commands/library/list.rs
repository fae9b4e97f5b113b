use clap::builder::NonEmptyStringValueParser;
use harmonix_ipc::{ListTracks, Track};

use crate::{context::Context, failure::Failure, text};

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Only songs whose name, file name or tags hold each of these words; case and accents do not matter
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Only songs with all of these tags
    #[arg(long = "tag", value_name = "TAG", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    tags: Vec<String>,
    /// Only favourites
    #[arg(long)]
    favourites: bool,
    /// Archived songs instead of the others
    #[arg(long)]
    archived: bool,
    /// Songs on a page; 100 when not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: Option<u16>,
    /// Which page, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    page: Option<u32>,
}

impl Args {
    fn request(&self) -> ListTracks {
        ListTracks {
            text: Some(self.words.join(" ")).filter(|text| !text.is_empty()),
            tags: self.tags.clone(),
            favourite: self.favourites,
            archived: self.archived,
            limit: self.limit.map(usize::from),
            page: self.page.map(|page| page as usize),
        }
    }
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let list = ctx.call(args.request())?;
    ctx.out.json(&list);
    if list.tracks.is_empty() {
        ctx.out.note("no songs");
        return Ok(0);
    }
    let head = ["ID", "LENGTH", "BPM", "KEY", "JOBS", "USED", "TAGS", "NAME"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(list.tracks.iter().map(row)).collect();
    for line in text::table(&rows) {
        ctx.out.say(line);
    }
    if list.tracks.len() < list.total {
        ctx.out.note(format_args!("{} of {} songs", list.tracks.len(), list.total));
    }
    Ok(0)
}

fn row(track: &Track) -> [String; 8] {
    let seconds = track.input.duration.round() as u64;
    [
        track.id.to_string(),
        format!("{}:{:02}", seconds / 60, seconds % 60),
        track.bpm.map_or_else(|| "–".into(), |bpm| format!("{bpm:.1}")),
        track.camelot.clone().unwrap_or_else(|| "–".into()),
        track.jobs.len().to_string(),
        text::ago(track.used_at),
        if track.tags.is_empty() { "–".into() } else { track.tags.join(",") },
        format!("{}{}", if track.favourite { "★ " } else { "" }, track.name),
    ]
}
