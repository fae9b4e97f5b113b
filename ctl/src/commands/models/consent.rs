//! Asking whether a licence is accepted.

use std::io::{self, BufRead, IsTerminal};

use harmonix_ipc::{Licence, ModelState, ShowModel};

use crate::{context::Context, failure::Failure};

/// Whether the licence of a model is accepted: by the flag, or by whoever sits at the terminal and is shown it. Nobody is
/// asked who accepted it before, nor where nobody sits: the daemon then says what there is to accept.
pub(super) fn given(ctx: &Context, model: &str, by_flag: bool) -> Result<bool, Failure> {
    if by_flag || !can_ask(ctx) {
        return Ok(by_flag);
    }
    let details = ctx.call(ShowModel { model: model.to_owned() })?;
    if details.consent.is_some() || details.model.state == ModelState::BuiltIn {
        return Ok(false);
    }
    ctx.out.note(format_args!("{}: {}", details.model.id, details.model.title));
    Ok(ask(ctx, Some(&details.terms)))
}

/// True if somebody sits at the terminal.
pub(super) fn can_ask(ctx: &Context) -> bool {
    ctx.out.is_terminal() && io::stdin().is_terminal()
}

/// Shows terms, if they were not shown yet, and takes the answer; anything but yes is no.
pub(super) fn ask(ctx: &Context, terms: Option<&Licence>) -> bool {
    if let Some(terms) = terms {
        ctx.out.note(format_args!("Licence: {} ({})", terms.name, terms.url));
        ctx.out.note(&terms.text);
    }
    ctx.out.note("Do you accept this? [y/N]");
    let mut answer = String::new();
    // who cannot be heard has not accepted
    let _ = io::stdin().lock().read_line(&mut answer);
    is_yes(&answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y\n", "Y", " yes \n"].iter().all(|answer| is_yes(answer)));
        assert!(!["", "\n", "n\n", "yep", "no", "yes?"].iter().any(|answer| is_yes(answer)));
    }
}
