//! Models: the catalogue, what of it is installed, and how files get there.
//!
//! Files lie in `$CACHE/models/<id>/` beside their [record](record::Record). Whoever changes a model [holds](Hold) it, so
//! that no two do at once; reading what is installed waits for nobody and for no disk. The network is used by a pull
//! and by nothing else.

mod catalogue;
mod digest;
mod download;
mod import;
mod pull;
mod record;
mod store;
mod verify;
mod view;

pub use catalogue::{Catalogue, Entry, Member};
pub(crate) use download::proxy;
pub use import::Import;
pub(crate) use store::not_installed;
pub use store::{Hold, ModelStore, digests};
