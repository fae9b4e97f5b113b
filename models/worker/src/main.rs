//! `harmonix-worker`: holds a device for `harmonixd` and dies alone.
//!
//! Started by the daemon with one end of a socket pair as standard input, over which both sides speak
//! [`harmonix_engine::protocol`]. It ends when that socket does, so it never outlives its daemon.

mod control;
#[cfg(debug_assertions)]
mod fault;
mod models;
mod task;

use std::process::ExitCode;

use harmonix_engine::protocol::Ask;

fn main() -> ExitCode {
    let (control, asks) = match control::open() {
        Ok(open) => open,
        Err(error) => {
            control::complain(&format!("not started by harmonixd: {error}"));
            return ExitCode::from(2);
        }
    };
    let mut models = models::Models::default();
    for ask in asks {
        match ask {
            Ask::Load { model, device, precision } => {
                let wanted = models::Wanted { model, sources: Vec::new(), device, precision };
                task::load(&control, &mut models, &wanted);
            }
            Ask::Separate(separate) => task::separate(&control, &mut models, &separate),
            Ask::Cancel { .. } | Ask::Ping {} => {}
        }
    }
    ExitCode::SUCCESS
}
