//! One request for each of several jobs.

use harmonix_ipc::{Command, JobId};
use serde_json::Value;

use crate::{context::Context, failure::Failure, several::Several};

/// Sends what `request` makes of each id. `tell` has the word for people and the value for scripts.
pub(crate) fn each<C: Command>(
    ctx: &Context,
    jobs: &[String],
    request: impl Fn(JobId) -> C,
    tell: impl Fn(&str, C::Reply) -> (String, Value),
) -> Result<u8, Failure> {
    ctx.connect()?;
    let mut several = Several::new(jobs.len());
    for id in jobs {
        match ctx.call(request(JobId(id.clone()))) {
            Ok(reply) => {
                let (word, value) = tell(id, reply);
                ctx.out.say(format_args!("{id}: {word}"));
                several.push(value, None);
            }
            Err(failure) => several.fail(ctx, id, failure),
        }
    }
    Ok(several.finish(&ctx.out))
}
