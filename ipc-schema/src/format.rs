use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Encoding of the outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// WAV, 16-bit integer.
    Wav16,
    /// WAV, 24-bit integer.
    Wav24,
    /// WAV, 32-bit IEEE float: never needs a gain.
    Wav32f,
    /// FLAC, 16 bit.
    Flac16,
    /// FLAC, 24 bit.
    #[default]
    Flac24,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Wav16, Self::Wav24, Self::Wav32f, Self::Flac16, Self::Flac24];

    /// File extension without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav16 | Self::Wav24 | Self::Wav32f => "wav",
            Self::Flac16 | Self::Flac24 => "flac",
        }
    }
}

impl fmt::Display for Format {
    /// The name on the wire, e.g. `flac24`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(ToString::to_string).collect();
            Error::new(ErrorKind::InvalidRequest, format!("no format {name}"))
                .hint(format!("one of {}", names.join(", ")))
        })
    }
}
