use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The file format in which stems are handed back.
///
/// On the wire and on the command line each is its lower-case name: `wav16`, `wav24`, `wav32f`, `flac16`,
/// `flac24`. Every format keeps the source's sample rate, channels and number of frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// WAV with 16-bit integers; RF64 (EBU Tech 3306) beyond 4 GiB.
    Wav16,
    /// WAV with 24-bit integers; RF64 beyond 4 GiB.
    Wav24,
    /// WAV with 32-bit IEEE floats, which never clip; RF64 beyond 4 GiB.
    Wav32f,
    /// FLAC (RFC 9639) with 16 bits.
    Flac16,
    /// FLAC (RFC 9639) with 24 bits: lossless for every integer source of up to 24 bits.
    #[default]
    Flac24,
}

impl Format {
    /// Every format, in the order of this enum.
    pub const ALL: [Self; 5] = [Self::Wav16, Self::Wav24, Self::Wav32f, Self::Flac16, Self::Flac24];

    /// The name on the wire, e.g. `flac24`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav16 => "wav16",
            Self::Wav24 => "wav24",
            Self::Wav32f => "wav32f",
            Self::Flac16 => "flac16",
            Self::Flac24 => "flac24",
        }
    }

    /// The extension of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav16 | Self::Wav24 | Self::Wav32f => "wav",
            Self::Flac16 | Self::Flac24 => "flac",
        }
    }

    /// Bits per sample: 16, 24 or 32.
    pub fn bits(self) -> u32 {
        match self {
            Self::Wav16 | Self::Flac16 => 16,
            Self::Wav24 | Self::Flac24 => 24,
            Self::Wav32f => 32,
        }
    }

    /// True if samples are IEEE floats, which have no full scale to clip at.
    pub fn is_float(self) -> bool {
        self == Self::Wav32f
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, format!("unknown format {name:?}"))
                .hint(format!("one of: {}", Self::ALL.map(Self::name).join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_name_everywhere() {
        for format in Format::ALL {
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        assert_eq!(Format::default(), Format::Flac24);
    }

    #[test]
    fn an_unknown_name_is_told_what_exists() {
        let error = "aiff".parse::<Format>().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        assert!(error.hint.unwrap().contains("flac24"));
    }
}
