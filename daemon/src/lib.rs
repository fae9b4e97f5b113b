//! `harmonixd`: a daemon that takes songs and gives back stems.
//!
//! The map of this crate is `ARCHITECTURE.md`. Imports run one way:
//! `transport → router → actors → {job, store, audio, models}`.

pub mod actors;
pub mod audio;
pub mod cache;
pub mod caller;
mod cli;
pub mod config;
mod doctor;
mod fault;
pub mod folders;
pub mod job;
pub mod library;
pub mod listen;
pub mod manifest;
pub mod models;
mod reuse;
pub mod router;
mod serve;
pub mod store;
mod systemd;
mod telemetry;
pub mod transport;
pub mod upkeep;
pub mod upload;
mod watch;

pub use cli::{command, run};
pub use serve::serve;
