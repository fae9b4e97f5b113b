//! Records that survive crashes and power cuts.

mod caught;
mod database;
pub mod dump;
mod reserve;
pub mod salvage;
mod seal;
mod sled_store;

use harmonix_ipc::Result;

pub use sled_store::SledStore;

/// Records with their keys.
pub type Entries = Vec<(String, Vec<u8>)>;

/// What the keys of records begin with that belong to the store itself and to nothing in it: they never travel.
const OWN: &str = "meta/";

/// Whether a record belongs to the store itself.
pub fn is_own(key: &str) -> bool {
    key.starts_with(OWN)
}

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets the record of that key.
    Put(String, Vec<u8>),
    /// Removes the record of that key, if there is one.
    Delete(String),
}

/// A key-value store with durable commits. One thread owns it.
pub trait Store: Send {
    /// Applies all writes or none. What it returned for is on disk: it survives `kill -9` and a power cut.
    fn commit(&mut self, batch: &[Write]) -> Result<()>;

    /// The record of that key.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Every record whose key begins with `prefix`, in order of the keys.
    fn scan(&mut self, prefix: &str) -> Result<Entries>;

    /// Hands every record but the store's own to `each`, in order of the keys, until that fails.
    fn each(&mut self, each: &mut dyn FnMut(&str, &[u8]) -> Result<()>) -> Result<()>;

    /// Reads everything and compares it with what was committed: how many commits there were.
    fn verify(&mut self) -> Result<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_opening_again() {
        let dir = tempfile::tempdir().unwrap();
        let put = |key: &str, value: &str| Write::Put(key.into(), value.into());
        {
            let mut store = SledStore::open(dir.path()).unwrap();
            store.commit(&[put("job/b", "2"), put("job/a", "1"), put("user/a", "3")]).unwrap();
            store.commit(&[put("job/a", "4"), Write::Delete("job/none".into())]).unwrap();
        }
        let mut store = SledStore::open(dir.path()).unwrap();
        assert_eq!(
            store.scan("job/").unwrap(),
            [("job/a".into(), b"4".to_vec()), ("job/b".into(), b"2".to_vec())]
        );
        assert_eq!(store.get("user/a").unwrap(), Some(b"3".to_vec()));
        assert_eq!(store.get("user/b").unwrap(), None);
    }

    #[test]
    fn what_is_missing_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let put = |value: &str| [Write::Put("job/a".into(), value.into())];
        SledStore::open(dir.path()).unwrap().commit(&put("1")).unwrap();
        let older = std::fs::read(dir.path().join("db")).unwrap();
        SledStore::open(dir.path()).unwrap().commit(&put("2")).unwrap();
        std::fs::write(dir.path().join("db"), older).unwrap();
        let error = SledStore::open(dir.path()).map(drop).unwrap_err();
        assert_eq!(error.causes, ["1 of 2 commits are missing"], "{error:?}");
        // whoever says so goes on with what is there
        std::fs::remove_file(dir.path().join("commits")).unwrap();
        let mut store = SledStore::open(dir.path()).unwrap();
        assert_eq!(store.get("job/a").unwrap(), Some(b"1".to_vec()));
        store.commit(&put("3")).unwrap();
        drop(store);
        assert_eq!(SledStore::open(dir.path()).unwrap().get("job/a").unwrap(), Some(b"3".to_vec()));
    }

    #[test]
    fn a_second_opener_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SledStore::open(dir.path()).unwrap();
        let error = SledStore::open(dir.path()).map(drop).unwrap_err();
        assert_eq!(error.kind, harmonix_ipc::ErrorKind::Conflict);
    }
}
