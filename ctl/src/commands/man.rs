//! `harmonixctl man`.

use std::{fs, io, path::PathBuf};

use serde_json::json;

use crate::{cli, context::Context, failure::Failure};

/// Write the manual pages to a folder, one for each verb
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let pages = write(&args.folder)
        .map_err(|error| Failure::file(format!("cannot write to {}", args.folder.display()), &error))?;
    for page in &pages {
        ctx.out.say(page.display());
    }
    ctx.out.json(&json!({ "pages": pages.iter().map(|page| page.to_string_lossy()).collect::<Vec<_>>() }));
    Ok(0)
}

fn write(folder: &PathBuf) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(cli::command(), folder)?;
    let mut pages: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "1"));
    pages.sort();
    Ok(pages)
}
