use std::{collections::BTreeSet, fmt, str::FromStr};

/// What every song is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Drums and percussion.
    Drums,
    /// Bass.
    Bass,
    /// Everything else.
    Other,
    /// Voices.
    Vocals,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Drums, Self::Bass, Self::Other, Self::Vocals];

    /// Its name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Drums => "drums",
            Self::Bass => "bass",
            Self::Other => "other",
            Self::Vocals => "vocals",
        }
    }
}

/// One or more sources that a stem file holds together, e.g. `drums+bass`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(BTreeSet<Source>);

impl Part {
    /// What a file of this name (without its extension) probably holds; `None` for a mixture.
    #[must_use]
    pub fn guess(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        if name == "mix" || name.contains("mixture") {
            return None;
        }
        let hints = [(Source::Drums, "drum"), (Source::Bass, "bass"), (Source::Vocals, "voc")];
        let found: BTreeSet<Source> =
            hints.into_iter().filter(|(_, hint)| name.contains(hint)).map(|(source, _)| source).collect();
        Some(Self(if found.is_empty() { [Source::Other].into() } else { found }))
    }

    /// The sources in it.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.0.iter().copied()
    }

    /// True when the two share a source, so that neither can be judged alone.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// Both together.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).copied().collect())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sources().map(Source::name).collect::<Vec<_>>().join("+"))
    }
}

impl FromStr for Part {
    type Err = String;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, String> {
        text.split('+')
            .map(|name| {
                let source = Source::ALL.into_iter().find(|source| source.name() == name.trim());
                source.ok_or_else(|| {
                    format!("unknown stem {name:?}: expected drums, bass, vocals, other or a sum with +")
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_from_names() {
        let guess = |name| Part::guess(name).map(|part| part.to_string());
        for (name, part) in [
            ("Drums", "drums"),
            ("bassguitar", "bass"),
            ("lead_vocals", "vocals"),
            ("BassDrums30", "drums+bass"),
            ("violins", "other"),
        ] {
            assert_eq!(guess(name).as_deref(), Some(part), "{name}");
        }
        assert_eq!((guess("mixture"), guess("Mix")), (None, None));
    }

    #[test]
    fn reads_what_it_writes() {
        let part: Part = "vocals + drums".parse().unwrap();
        assert_eq!(part.to_string(), "drums+vocals");
        assert!("drums+cowbell".parse::<Part>().is_err());
        assert!(part.overlaps(&"vocals".parse().unwrap()) && !part.overlaps(&"bass".parse().unwrap()));
    }
}
