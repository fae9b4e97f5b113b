//! `harmonixctl models show`.

use harmonix_ipc::{ModelDetails, ModelFile, ShowModel};

use crate::{context::Context, failure::Failure, text};

/// Show one model: its licence, its files and their digests
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl models show htdemucs_ft")]
pub(crate) struct Args {
    /// Its id
    #[arg(value_name = "MODEL")]
    model: String,
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let details = ctx.call(ShowModel { model: args.model.clone() })?;
    ctx.out.json(&details);
    print(ctx, &details);
    Ok(0)
}

fn print(ctx: &Context, details: &ModelDetails) {
    let ModelDetails { model, terms, consent, files, .. } = details;
    let accepted = consent.as_ref().map_or_else(
        || "not accepted".to_owned(),
        |consent| format!("accepted by user {} {}", consent.uid, text::ago(consent.at)),
    );
    for (name, value) in [
        ("model", model.id.as_str()),
        ("title", &model.title),
        ("state", &model.state.to_string()),
        ("stems", &model.sources.join(", ")),
        ("licence", &format!("{}, {}", terms.name, terms.url)),
        ("", &accepted),
        ("", &terms.text),
    ] {
        ctx.out.say(format_args!("{name:8} {value}"));
    }
    for file in files {
        let size = file.bytes.map_or_else(|| "size unknown".to_owned(), text::bytes);
        ctx.out.say(format_args!("file     {}  {}  {size}", file.name, file.state));
        ctx.out.say(format_args!("         sha256 {}", digest(file)));
        for url in &file.urls {
            ctx.out.say(format_args!("         {url}"));
        }
    }
}

fn digest(file: &ModelFile) -> String {
    match (&file.sha256, &file.sha256_prefix) {
        (Some(digest), _) if file.pinned => format!("{digest}, pinned when it came"),
        (Some(digest), _) => digest.clone(),
        (None, Some(prefix)) => format!("{prefix}…, the rest is pinned when it comes"),
        (None, None) => "unknown, pinned when it comes".to_owned(),
    }
}
