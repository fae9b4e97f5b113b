//! Ctrl-C: the jobs of this call are cancelled and unfinished files removed; a second one leaves at once.

use std::{fs, process, sync::Arc, thread};

use harmonix_ipc::{Cancel, Client};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{context::Context, failure::Failure, out};

/// Watches for signals from now on.
pub(crate) fn guard(ctx: &Arc<Context>) -> Result<(), Failure> {
    let failed = |error| Failure::file("cannot watch for signals", &error);
    let mut wanted = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).map_err(failed)?;
    let ctx = Arc::clone(ctx);
    let watch = move || {
        for (count, _) in signals.forever().enumerate() {
            let ctx = Arc::clone(&ctx);
            if count > 0 || thread::Builder::new().spawn(move || leave(&ctx)).is_err() {
                process::exit(i32::from(out::interrupted().code()));
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch).map(drop).map_err(failed)
}

fn leave(ctx: &Context) {
    let failure = out::interrupted();
    let jobs = ctx.ours.stop();
    let mut left = Vec::new();
    if !jobs.is_empty() {
        let mut client = Client::connect(&ctx.socket).ok();
        for job in jobs {
            let cancelled = client.as_mut().map(|client| client.call(Cancel { job: job.clone() }));
            if !matches!(cancelled, Some(Ok(_))) {
                left.push(job.to_string());
            }
        }
    }
    // a bar that cannot be cleared is no reason to stay
    let _ = ctx.out.bars.clear();
    ctx.out.error(&failure);
    ctx.out.json(&failure.json());
    if !left.is_empty() {
        ctx.out.note(format_args!("not cancelled: {}", left.join(" ")));
    }
    process::exit(i32::from(failure.code()));
}

/// True when whoever started this program wants it to survive the signal, as `nohup` does.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
