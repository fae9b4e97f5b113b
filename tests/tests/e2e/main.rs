//! End-to-end tests: real daemons, real workers, the real client. Names in brackets are features of the catalogue.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod access;
mod again;
mod analysis;
mod cache;
mod cancel;
mod config;
mod crash;
mod damage;
mod dbus;
mod dbus_page;
mod faults;
mod feed;
mod inputs;
mod library;
mod listen;
mod load;
mod memory;
mod models;
mod networks;
mod outputs;
mod protocol;
mod queue;
mod service;
mod shape;
mod stall;
mod store;
mod support;
mod system;
mod torture;
