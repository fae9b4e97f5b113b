//! `harmonixctl models pull`.

use harmonix_ipc::{ModelDetails, ModelPull, Pulling};
use indicatif::{ProgressBar, ProgressStyle};

use super::consent;
use crate::{context::Context, failure::Failure, out::Out, text};

const TEMPLATE: &str =
    "{prefix:28!} [{bar:30}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";

/// Download a model, or what is missing of it
///
/// A download that breaks off goes on where it was when it is asked for again; so does one that you interrupt.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harmonixctl models pull htdemucs_ft")]
pub(crate) struct Args {
    /// Its id; `harmonixctl models list` has them
    #[arg(value_name = "MODEL")]
    model: String,
    /// You have read the model's licence and accept it; needed once
    #[arg(long, visible_alias = "accept-license")]
    accept_licence: bool,
}

pub(super) fn run(ctx: &Context, args: &Args) -> Result<u8, Failure> {
    let accept_licence = consent::given(ctx, &args.model, args.accept_licence)?;
    let mut progress = Progress { out: &ctx.out, bar: None, told: None };
    let pulled = ctx.connect()?.pull(ModelPull { model: args.model.clone(), accept_licence }, |pulling| {
        progress.show(&pulling);
        true
    });
    progress.end();
    let details = pulled?;
    ctx.out.json(&details);
    finished(ctx, &details);
    Ok(0)
}

/// Says what a pull or an import came to.
pub(super) fn finished(ctx: &Context, details: &ModelDetails) {
    for note in &details.notes {
        ctx.out.note(format_args!("note: {note}"));
    }
    let model = &details.model;
    ctx.out.say(format_args!("{}: {}, {}", model.id, model.state, text::bytes(model.bytes)));
}

/// A bar on a terminal, elsewhere a line for each tenth.
struct Progress<'a> {
    out: &'a Out,
    bar: Option<(String, ProgressBar)>,
    told: Option<(usize, u64)>,
}

impl Progress<'_> {
    fn show(&mut self, pulling: &Pulling) {
        let Pulling { file, number, files, bytes, total, note } = pulling;
        if let Some(note) = note {
            return self.out.note(format_args!("{file}: {note}"));
        }
        if self.out.is_terminal() {
            if self.bar.as_ref().is_none_or(|(of, _)| of != file) {
                self.end();
                self.bar = Some((file.clone(), self.out.bars.add(bar(&format!("{file} {number}/{files}")))));
            }
            if let Some((_, bar)) = &self.bar {
                bar.set_length(total.unwrap_or(*bytes));
                bar.set_position(*bytes);
            }
            return;
        }
        let tenth = total.filter(|total| *total > 0).map_or(0, |total| bytes.saturating_mul(10) / total);
        if self.told != Some((*number, tenth)) {
            self.told = Some((*number, tenth));
            self.out.note(format_args!("{file} ({number} of {files}): {} %", tenth * 10));
        }
    }

    fn end(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
            self.out.bars.remove(&bar);
        }
    }
}

fn bar(label: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style.progress_chars("##-")).with_prefix(text::clean(label))
}
