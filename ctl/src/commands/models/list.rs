//! `harmonixctl models list`.

use harmonix_ipc::{ModelSummary, Models};

use crate::{context::Context, failure::Failure, text};

pub(super) fn run(ctx: &Context) -> Result<u8, Failure> {
    let list = ctx.call(Models {})?;
    ctx.out.json(&list);
    let rows: Vec<_> = list.models.iter().map(row).collect();
    for line in text::table(&rows) {
        ctx.out.say(line);
    }
    Ok(0)
}

fn row(model: &ModelSummary) -> [String; 4] {
    let size = if model.bytes == 0 { "-".to_owned() } else { text::bytes(model.bytes) };
    [
        model.id.clone(),
        model.state.to_string(),
        size,
        format!("{} ({})", model.title, model.sources.join(", ")),
    ]
}
