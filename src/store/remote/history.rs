//! What was done to a file: its versions from the oldest, and marks of deletion, which hide nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use evidenced_model::Remark;

use super::Version;

/// No more than these are kept; a store in which every file was written over says so with its first ones.
const MOST: usize = 1000;

/// The versions of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Ids, from the oldest.
    pub(crate) versions: Vec<Option<String>>,
    /// How often it was deleted.
    pub(crate) deletions: usize,
}

impl History {
    /// The histories in a listing, by key.
    pub(crate) fn of(listed: impl IntoIterator<Item = Version>) -> BTreeMap<String, Self> {
        let mut listed: Vec<Version> = listed.into_iter().collect();
        listed.reverse();
        listed.sort_by_key(|version| version.at);
        let mut histories: BTreeMap<String, Self> = BTreeMap::new();
        let mut current = BTreeMap::new();
        for version in listed {
            let history = histories.entry(version.key.clone()).or_default();
            let there = current.entry(version.key).or_insert(false);
            *there |= !version.superseded;
            if version.marker {
                history.deletions += 1;
            } else {
                history.versions.push(version.id);
            }
        }
        for (key, there) in current {
            // Deleted without a marker.
            if let Some(history) = histories.get_mut(&key).filter(|history| !there && history.deletions == 0) {
                history.deletions = 1;
            }
        }
        histories
    }

    /// Written once, and left alone.
    pub(crate) fn is_plain(&self) -> bool {
        self.versions.len() <= 1 && self.deletions == 0
    }

    /// What somebody should know of it.
    fn remark(&self) -> Option<String> {
        let over = match self.versions.len() {
            0 | 1 => None,
            2 => Some("was written over".to_owned()),
            more => Some(format!("was written over {} times", more - 1)),
        };
        let deleted = match self.deletions {
            0 => None,
            1 => Some("was deleted".to_owned()),
            more => Some(format!("was deleted {more} times")),
        };
        let done: Vec<String> = [over, deleted].into_iter().flatten().collect();
        (!done.is_empty()).then(|| {
            let rest = match self.versions.len() {
                0 => "no version of it is left",
                _ => "the store kept its versions, and the oldest valid one is read",
            };
            format!("it {}; {rest}: find out who may write to this store", done.join(" and "))
        })
    }
}

/// The histories that are worth remembering, by path.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    known: Mutex<BTreeMap<String, History>>,
    remarks: Mutex<BTreeMap<String, String>>,
}

impl Histories {
    /// What is known of a file, if it is more than that it was written once.
    pub(crate) fn known(&self, path: &str) -> Option<History> {
        lock(&self.known).get(path).cloned()
    }

    /// Remembers what was seen of a file.
    pub(crate) fn learn(&self, path: &str, history: History) {
        let Some(what) = history.remark() else { return };
        self.remark(path, what);
        let mut known = lock(&self.known);
        if known.len() < MOST || known.contains_key(path) {
            known.insert(path.to_owned(), history);
        }
    }

    /// Remembers something that somebody should know.
    pub(crate) fn remark(&self, path: &str, what: String) {
        let mut remarks = lock(&self.remarks);
        if remarks.len() < MOST || remarks.contains_key(path) {
            remarks.insert(path.to_owned(), what);
        }
    }

    /// All that somebody should know.
    pub(crate) fn remarks(&self) -> Vec<Remark> {
        lock(&self.remarks).iter().map(|(file, what)| Remark { file: file.clone(), what: what.clone() }).collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(key: &str, id: &str, marker: bool, superseded: bool) -> Version {
        Version { at: 7, key: key.into(), id: Some(id.into()), marker, superseded }
    }

    #[test]
    fn a_history_begins_with_the_oldest_and_counts_deletions() {
        let listed = [
            version("a", "3", true, false),
            version("a", "2", false, true),
            version("a", "1", false, true),
            version("b", "1", false, false),
            version("c", "1", false, true),
        ];
        let histories = History::of(listed);
        let ids = |ids: &[&str]| ids.iter().map(|id| Some((*id).to_owned())).collect::<Vec<_>>();
        assert_eq!(histories["a"], History { versions: ids(&["1", "2"]), deletions: 1 });
        assert!(histories["b"].is_plain());
        let older = Version { at: 6, ..version("a", "0", false, true) };
        let first = History::of([older, version("a", "1", false, false)]).remove("a");
        assert_eq!(first.unwrap().versions, ids(&["0", "1"]));
        assert_eq!(histories["c"], History { versions: ids(&["1"]), deletions: 1 });
        let known = Histories::default();
        for (path, history) in histories {
            known.learn(&path, history);
        }
        let remarks = known.remarks();
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert!(remarks[0].what.contains("written over and was deleted"), "{remarks:?}");
        assert!(known.known("b").is_none());
    }
}
