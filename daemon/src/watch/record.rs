use harmonix_ipc::{Error, ErrorKind, JobId, Result};
use serde::{Deserialize, Serialize};

use super::rooted::Stamp;
use crate::store::Write;

/// Version of [`Taken`] that this daemon writes. Every older one opens for ever: see the fixtures of the tests.
const VERSION: u32 = 1;

/// A file of a watched folder that was taken, as the store keeps it: so that none is taken twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// Version of this structure.
    pub(crate) v: u32,
    /// Names it in the store, and its unfinished files in the output folder.
    pub(crate) id: String,
    /// The watched folder.
    pub(crate) folder: String,
    /// Its path in the folder; with escapes where that is no UTF-8.
    pub(crate) path: String,
    /// Its file name, for people.
    pub(crate) name: String,
    /// What it was when it was taken.
    pub(crate) stamp: Stamp,
    /// BLAKE3 of its bytes in hexadecimal; none if it was refused unread.
    pub(crate) blake3: Option<String>,
    /// Its job; none if it was refused before there was one.
    pub(crate) job: Option<JobId>,
    /// Why it was refused.
    pub(crate) refused: Option<Error>,
    /// How far its delivery is.
    pub(crate) stage: Stage,
    /// Another content of the same name was taken after it.
    #[serde(default)]
    pub(crate) superseded: bool,
    /// When it was taken, in seconds since the Unix epoch.
    pub(crate) at: f64,
}

/// How far the delivery of a file's outputs is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Its job goes on.
    Taken,
    /// Everything lies durable in the output folder under unfinished names, and gets its names with this number. An
    /// unfinished name that is missing has got its own already.
    Publishing {
        /// Number of the names.
        number: u32,
        /// How it ends.
        fate: Fate,
        /// Stem and extension of each output, in the order of the unfinished names; none for what says why there are none.
        outputs: Vec<(String, String)>,
    },
    /// Nothing more is to be done.
    Done(Fate),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// Its outputs were delivered.
    Delivered,
    /// What was delivered is why there are none.
    Failed,
    /// Somebody cancelled or deleted its job.
    Dropped,
}

impl Taken {
    /// What the keys of all records begin with.
    pub(crate) const PREFIX: &str = "watch/";

    /// A file that is taken now.
    pub(crate) fn new(id: String, folder: String, path: String, name: String, stamp: Stamp) -> Self {
        let at = crate::job::now();
        let (blake3, job, refused) = (None, None, None);
        let stage = Stage::Taken;
        Self { v: VERSION, id, folder, path, name, stamp, blake3, job, refused, stage, superseded: false, at }
    }

    /// Nothing more is to be done for it.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done(_))
    }

    /// The change of the store that keeps it; one that only had to be brought to its end goes.
    pub(crate) fn write(&self) -> Write {
        let key = format!("{}{}", Self::PREFIX, self.id);
        if self.superseded && self.is_done() {
            return Write::Delete(key);
        }
        Write::Put(key, serde_json::to_vec(self).unwrap_or_default())
    }

    /// The change of the store that forgets it.
    pub(crate) fn forget(&self) -> Write {
        Write::Delete(format!("{}{}", Self::PREFIX, self.id))
    }

    /// Reads a stored record of any version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let unread = || Error::new(ErrorKind::Internal, "a record of a watched folder cannot be read");
        let taken: Self = serde_json::from_slice(bytes).map_err(|error| unread().cause(error))?;
        if taken.v > VERSION {
            return Err(unread().cause(format!("it is of version {}", taken.v)));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [LIB-21]
    #[test]
    fn records_of_version_1_open() {
        let fixture = include_str!("fixtures/taken-v1.jsonl");
        let taken: Vec<_> = fixture.lines().map(|line| Taken::from_bytes(line.as_bytes()).unwrap()).collect();
        let stages: Vec<_> = taken.iter().map(|taken| taken.stage.clone()).collect();
        let publishing = Stage::Publishing {
            number: 2,
            fate: Fate::Delivered,
            outputs: vec![("drums".into(), "flac".into()), ("manifest".into(), "json".into())],
        };
        assert_eq!(stages, [Stage::Taken, publishing, Stage::Done(Fate::Failed), Stage::Done(Fate::Dropped)]);
        for (line, taken) in fixture.lines().zip(&taken) {
            let again: serde_json::Value = serde_json::to_value(taken).unwrap();
            assert_eq!(again, serde_json::from_str::<serde_json::Value>(line).unwrap());
        }
        assert!(matches!(taken[0].write(), Write::Put(key, _) if key == "watch/1k3v9c0q2x7e"));
        assert!(matches!(taken[3].write(), Write::Delete(_)));
        let newer = fixture.lines().next().unwrap().replacen("\"v\":1", "\"v\":2", 1);
        assert!(Taken::from_bytes(newer.as_bytes()).is_err());
    }
}
