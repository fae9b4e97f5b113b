//! Which files are complete. Pure: looks and notices in, songs out.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::rooted::Stamp;

/// What the kernel tells of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Somebody writes to it.
    Written,
    /// It was closed after writing, or moved here.
    Complete,
}

/// A file that was not taken yet.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// As the last look found it; none before the first.
    stamp: Option<Stamp>,
    /// What was told of it last.
    told: Option<Told>,
}

/// The files of a folder that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Looks(HashMap<PathBuf, Seen>);

impl Looks {
    /// The kernel tells of a file.
    pub(crate) fn tell(&mut self, path: PathBuf, told: Told) {
        self.0.entry(path).or_insert(Seen { stamp: None, told: None }).told = Some(told);
    }

    /// Notices were lost: whoever was said to write may have ended.
    pub(crate) fn forget_told(&mut self) {
        self.0.values_mut().for_each(|seen| seen.told = None);
    }

    /// All files that are there and are to be taken some time. Gives those that are complete: nobody writes to them, and
    /// either that was told or they are as the last look found them. Empty files wait for their content.
    pub(crate) fn look(&mut self, files: Vec<(PathBuf, Stamp)>) -> Vec<(PathBuf, Stamp)> {
        let mut before = std::mem::take(&mut self.0);
        let mut complete = Vec::new();
        for (path, stamp) in files {
            let seen = before.remove(&path).unwrap_or(Seen { stamp: None, told: None });
            let is_complete = match seen.told {
                Some(Told::Written) => false,
                Some(Told::Complete) => true,
                None => seen.stamp == Some(stamp),
            };
            if is_complete && stamp.size > 0 {
                complete.push((path.clone(), stamp));
            }
            self.0.insert(path, Seen { stamp: Some(stamp), ..seen });
        }
        complete
    }

    /// It was taken, or changed while it was: it begins anew.
    pub(crate) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.values().filter(|seen| seen.stamp.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(size: u64) -> Stamp {
        Stamp { inode: 1, size, changed: (size as i64, 0) }
    }

    fn ready(looks: &mut Looks, size: u64) -> bool {
        !looks.look(vec![("a.wav".into(), stamp(size))]).is_empty()
    }

    #[test]
    fn a_file_is_complete_when_two_looks_find_the_same() {
        let mut looks = Looks::default();
        let sizes = [(1, false), (2, false), (3, false), (3, true)];
        for (size, complete) in sizes {
            assert_eq!(ready(&mut looks, size), complete, "{size}");
        }
        looks.forget(Path::new("a.wav"));
        assert!(!ready(&mut looks, 3));
        assert!(looks.look(Vec::new()).is_empty() && looks.len() == 0);
        assert!(!ready(&mut looks, 3), "it went and came back");
    }

    #[test]
    fn who_writes_is_waited_for_and_who_closed_is_believed() {
        let mut looks = Looks::default();
        looks.tell("a.wav".into(), Told::Written);
        for _ in 0..3 {
            assert!(!ready(&mut looks, 5), "a copy that stalls");
        }
        looks.tell("a.wav".into(), Told::Complete);
        assert!(ready(&mut looks, 9));
        looks.tell("a.wav".into(), Told::Written);
        assert!(!ready(&mut looks, 9));
        looks.forget_told();
        assert!(ready(&mut looks, 9), "notices were lost, but nothing changes any more");
        looks.tell("empty.wav".into(), Told::Complete);
        assert!(looks.look(vec![("empty.wav".into(), stamp(0))]).is_empty());
    }
}
