//! Words as people look for them: without case and accents.

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The text without case, accents and compatibility forms (Unicode's NFKD, marks removed, default case folding).
pub(super) fn fold(text: &str) -> String {
    text.nfkd().filter(|char| !is_combining_mark(*char)).default_case_fold().nfkd().collect()
}

/// What is looked for.
#[derive(Debug)]
pub struct Words(Vec<String>);

impl Words {
    /// The words of a text.
    pub fn new(text: &str) -> Self {
        Self(fold(text).split_whitespace().map(str::to_owned).collect())
    }

    /// Whether each word is in one of the texts.
    pub fn are_in<'a>(&self, texts: impl Iterator<Item = &'a str>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let texts: Vec<_> = texts.map(fold).collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}
