//! The activity log: of each user the last hundred things that were done.

use std::collections::{BTreeMap, VecDeque};

use harmonix_ipc::Activity;

use super::{ACTIVITY, write};
use crate::store::Write;

/// Entries that are kept of each user.
const KEPT: usize = 100;

/// The log of all users.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By owner: number and entry, oldest first.
    entries: BTreeMap<u32, VecDeque<(u64, Activity)>>,
    /// The next number.
    next: u64,
}

fn key(number: u64) -> String {
    format!("{ACTIVITY}{number:020}")
}

impl Log {
    /// Takes an entry that was stored; they come in order of their keys.
    pub(super) fn load(&mut self, key: &str, entry: Activity) {
        let Some(number) = key.strip_prefix(ACTIVITY).and_then(|number| number.parse().ok()) else { return };
        self.next = self.next.max(number + 1);
        self.entries.entry(entry.owner).or_default().push_back((number, entry));
    }

    /// Adds an entry; returns what has to be stored, the removal of entries that are too old with it.
    pub(super) fn add(&mut self, entry: Activity) -> Vec<Write> {
        let number = self.next;
        self.next += 1;
        let mut writes = vec![Write::Put(key(number), write(&entry))];
        let entries = self.entries.entry(entry.owner).or_default();
        entries.push_back((number, entry));
        while entries.len() > KEPT {
            writes.extend(entries.pop_front().map(|(number, _)| Write::Delete(key(number))));
        }
        writes
    }

    /// The newest entries of the owners that `sees` names, newest first.
    pub(super) fn newest(&self, sees: impl Fn(u32) -> bool, limit: usize) -> Vec<Activity> {
        let seen = self.entries.iter().filter(|(owner, _)| sees(**owner)).flat_map(|(_, entries)| entries);
        let mut all: Vec<_> = seen.collect();
        all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        all.into_iter().take(limit).map(|(_, entry)| entry.clone()).collect()
    }
}
