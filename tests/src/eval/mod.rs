//! How well a separation program does against true stems.
//!
//! The material is a folder of songs, each a folder of stem files. Stems are summed to the mixture, the program
//! separates it, and what it made is compared with the stems, beside three figures that need no program:
//! the mixture itself as the estimate, a quarter of it, and the ideal ratio mask.

mod material;
mod score;
mod separator;
mod source;
mod table;

pub use material::{Reference, Truth, load, songs};
pub use score::{Phantom, SongScore, StemScore, score};
pub use separator::{Separation, separate};
pub use source::{Part, Source};
pub use table::table;
