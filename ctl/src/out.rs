//! The one way out: results to standard output, words to standard error.
//!
//! A reader that leaves early (`| head`) is no error; a result that could not be written for another reason is.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use harmonix_ipc::ErrorKind;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{failure::Failure, text};

/// Standard output and standard error.
pub(crate) struct Out {
    json: bool,
    terminal: bool,
    colour: bool,
    /// Why results cannot be written any more.
    broken: Mutex<Option<io::Error>>,
    /// Progress bars; hidden when nobody would see them.
    pub(crate) bars: MultiProgress,
}

impl Out {
    pub(crate) fn new(json: bool) -> Self {
        let set = |key| std::env::var_os(key).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = io::stderr().is_terminal() && !dumb;
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            json,
            terminal,
            colour: terminal && !set("NO_COLOR"),
            broken: Mutex::new(None),
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// True when programs read the results.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// True when a person sees the progress.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line of a result for people; nothing with `--json`.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.json {
            self.bytes(format!("{}\n", text::clean(&line.to_string())).as_bytes());
        }
    }

    /// A result for programs; nothing without `--json`.
    pub(crate) fn json(&self, value: &impl Serialize) {
        if self.json {
            match serde_json::to_value(value) {
                Ok(value) => self.bytes(format!("{}\n", complete(value)).as_bytes()),
                Err(error) => *self.broken() = Some(error.into()),
            }
        }
    }

    /// Bytes of a result as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut broken = self.broken();
        if broken.is_none() {
            let mut stdout = io::stdout().lock();
            *broken = self.bars.suspend(|| stdout.write_all(bytes).and_then(|()| stdout.flush())).err();
        }
    }

    /// A line beside the results.
    pub(crate) fn note(&self, line: impl Display) {
        self.words(&text::clean(&line.to_string()));
    }

    /// A failure, with what lies beneath it and what to do.
    pub(crate) fn error(&self, failure: &Failure) {
        let (red, bold, plain) =
            if self.colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        self.words(&format!("{red}error:{plain} {}", text::clean(&failure.to_string())));
        for cause in &failure.error().causes {
            self.words(&format!("  caused by: {}", text::clean(cause)));
        }
        if let Some(hint) = &failure.error().hint {
            self.words(&format!("{bold}hint:{plain} {}", text::clean(hint)));
        }
    }

    /// True when whoever read the results has left.
    pub(crate) fn is_closed(&self) -> bool {
        self.broken().is_some()
    }

    /// The exit status, which is not 0 if results were lost.
    pub(crate) fn finish(&self, code: u8) -> u8 {
        let lost = self.broken().take().filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
        match lost {
            Some(error) if code == 0 => {
                let failure = Failure::file("cannot write the result to standard output", &error);
                self.error(&failure);
                failure.code()
            }
            _ => code,
        }
    }

    fn words(&self, line: &str) {
        // when standard error is gone, nobody is left to be told
        let _ = self.bars.suspend(|| writeln!(io::stderr().lock(), "{line}"));
    }

    fn broken(&self) -> MutexGuard<'_, Option<io::Error>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what the wire leaves out of errors, so that programs find every field.
fn complete(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                *field = complete(field.take());
                if let (true, Some(error)) = (name == "error", field.as_object_mut()) {
                    error.entry("hint").or_insert(Value::Null);
                    error.entry("causes").or_insert_with(|| json!([]));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = complete(item.take())),
        _ => {}
    }
    value
}

/// What a person sees of an interruption.
pub(crate) fn interrupted() -> Failure {
    Failure::here(ErrorKind::Cancelled, "interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_every_field() {
        let job = json!([{ "id": "a", "error": { "kind": "busy", "message": "m" } }, { "error": null }]);
        let full = json!({ "kind": "busy", "message": "m", "hint": null, "causes": [] });
        assert_eq!(complete(job), json!([{ "id": "a", "error": full }, { "error": null }]));
    }
}
