//! Which sums of the model's stems become files.

use std::collections::BTreeSet;

use harmonix_ipc::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// One file to be made: the sum of one or more of the model's stems.
///
/// Karaoke, for example, has two outputs: `vocals`, and `instrumental` as the sum of all other stems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the stem and, with the extension, of the file: ASCII letters, digits, `_` and `-`.
    pub name: String,
    /// Indices into the model's stems, none twice.
    pub parts: Vec<usize>,
}

impl Output {
    /// An output called `name` that is the sum of `parts`.
    pub fn new(name: impl Into<String>, parts: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), parts: parts.into() }
    }

    /// Replaces `sum` with the sum of this output's parts, added in `f32` in the order of the parts.
    pub(super) fn mix(&self, stems: &[Vec<f32>], sum: &mut Vec<f32>) {
        sum.clear();
        let mut parts = self.parts.iter();
        if let Some(&first) = parts.next() {
            sum.extend_from_slice(&stems[first]);
        }
        for &part in parts {
            sum.iter_mut().zip(&stems[part]).for_each(|(sum, sample)| *sum += sample);
        }
    }
}

/// Refuses outputs that cannot be files or sums of `stems` stems, or of which two are the same.
pub(super) fn check(outputs: &[Output], stems: usize) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
    if outputs.is_empty() {
        return invalid("no output is requested".into());
    }
    let (mut names, mut sums) = (BTreeSet::new(), BTreeSet::new());
    for Output { name, parts } in outputs {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return invalid(format!("{name:?} cannot be the name of an output"));
        }
        let set: BTreeSet<usize> = parts.iter().copied().collect();
        if set.is_empty() || set.len() != parts.len() || set.last().is_some_and(|&last| last >= stems) {
            return invalid(format!("output {name} does not name one or more stems of the model, each once"));
        }
        if !names.insert(name) {
            return invalid(format!("two outputs are called {name}"));
        }
        if !sums.insert(set) {
            return invalid(format!("output {name} is the same as another one"));
        }
    }
    Ok(())
}

/// True if every one of `stems` stems is in exactly one output, so that the outputs sum to the mixture.
pub(super) fn is_partition(outputs: &[Output], stems: usize) -> bool {
    let mut parts: Vec<usize> = outputs.iter().flat_map(|output| output.parts.iter().copied()).collect();
    parts.sort_unstable();
    parts.iter().copied().eq(0..stems)
}

/// The outputs that the common gain has to keep below full scale: the requested ones, and each stem that no
/// requested output contains by itself. So a filter that leaves out some stems does not change the level of the
/// others, and files of two exports with different filters still fit together.
pub(super) fn gain_relevant(outputs: &[Output], stems: usize) -> Vec<Output> {
    let used: BTreeSet<usize> = outputs.iter().flat_map(|output| output.parts.iter().copied()).collect();
    let unused = (0..stems).filter(|stem| !used.contains(stem));
    outputs.iter().cloned().chain(unused.map(|stem| Output::new(format!("stem{stem}"), [stem]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_every_stem_once() {
        let karaoke = [Output::new("vocals", [3]), Output::new("instrumental", [0, 1, 2])];
        assert!(is_partition(&karaoke, 4));
        assert!(!is_partition(&karaoke[..1], 4));
        assert!(!is_partition(&[karaoke[0].clone(), Output::new("all", [0, 1, 2, 3])], 4));
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let refused = |outputs: &[Output]| check(outputs, 2).unwrap_err().kind == ErrorKind::InvalidRequest;
        assert!(refused(&[]));
        assert!(refused(&[Output::new("../x", [0])]));
        assert!(refused(&[Output::new("", [0])]));
        assert!(refused(&[Output::new("a", [])]));
        assert!(refused(&[Output::new("a", [2])]));
        assert!(refused(&[Output::new("a", [1, 1])]));
        assert!(refused(&[Output::new("a", [0]), Output::new("a", [1])]));
        assert!(refused(&[Output::new("a", [0, 1]), Output::new("b", [1, 0])]));
        check(&[Output::new("a", [0]), Output::new("b", [0, 1])], 2).unwrap();
    }

    #[test]
    fn the_gain_sees_stems_that_a_filter_left_out() {
        let seen = gain_relevant(&[Output::new("rest", [0, 2])], 4);
        assert_eq!(seen.iter().map(|o| o.parts.clone()).collect::<Vec<_>>(), [vec![0, 2], vec![1], vec![3]]);
    }
}
