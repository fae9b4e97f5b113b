//! `harmonixd`, the Harmonix daemon.

fn main() -> std::process::ExitCode {
    harmonixd::run()
}
