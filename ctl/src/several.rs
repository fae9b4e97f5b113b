//! Verbs that are given several things: one failure does not stop the others.

use serde_json::{Value, json};

use crate::{context::Context, failure::Failure, out::Out};

/// Exit status when one of several things failed.
const PARTIAL: u8 = 5;

/// What became of each thing.
pub(crate) struct Several {
    given: usize,
    values: Vec<Value>,
    code: u8,
}

impl Several {
    /// So many things were given.
    pub(crate) fn new(given: usize) -> Self {
        Self { given, values: Vec::with_capacity(given), code: 0 }
    }

    /// The next one's result.
    pub(crate) fn push(&mut self, value: Value, failure: Option<&Failure>) {
        self.values.push(value);
        if let Some(failure) = failure {
            self.code = if self.given == 1 { failure.code() } else { PARTIAL };
        }
    }

    /// The next one failed, the job of that id.
    pub(crate) fn fail(&mut self, ctx: &Context, id: &str, failure: Failure) {
        let failure = if self.given == 1 { failure } else { failure.about(id) };
        ctx.out.error(&failure);
        let mut value = failure.json();
        value["id"] = json!(id);
        self.push(value, Some(&failure));
    }

    /// Prints the results for programs: the one, or an array of all. Returns the exit status.
    pub(crate) fn finish(self, out: &Out) -> u8 {
        match <[Value; 1]>::try_from(self.values) {
            Ok([value]) => out.json(&value),
            Err(values) => out.json(&values),
        }
        self.code
    }
}
