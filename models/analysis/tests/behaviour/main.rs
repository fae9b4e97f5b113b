//! What the analysis says of signals that are known exactly.

mod cuts;
mod harmony;
mod loudness;
mod peaks;
mod rhythm;
mod sections;
mod signals;
