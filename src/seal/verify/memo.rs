//! What need not be looked at again: the bulk of a run is that of the run before.

use std::collections::HashMap;

use evidenced_model::Digest;

use crate::tree::Entry;

/// So many places are remembered in each of two generations.
const GENERATION: usize = 1 << 17;

/// Remembers what was found at a place. What was asked for last is kept longest, and memory is bounded whatever the
/// store holds: a place that was forgotten is only checked a second time.
pub(super) struct Memo<V> {
    young: HashMap<u128, V>,
    old: HashMap<u128, V>,
    most: usize,
}

impl<V: Clone> Memo<V> {
    pub(super) fn new() -> Self {
        Self::of(GENERATION)
    }

    fn of(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    pub(super) fn get(&mut self, key: u128) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(super) fn insert(&mut self, key: u128, value: V) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// A short name for what was seen at a place: half a SHA-256.
pub(super) fn key(parts: &[&[u8]]) -> u128 {
    let mut framed: Vec<u8> = Vec::new();
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        framed.extend_from_slice(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(&framed).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// The canonical bytes of entries.
pub(super) fn claim<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Vec<u8> {
    let mut claim = Vec::new();
    entries.into_iter().for_each(|entry| entry.write(&mut claim));
    claim
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_memory_is_bounded() {
        let mut memo = Memo::of(100);
        memo.insert(0, "kept");
        for key in 1..10_000 {
            memo.insert(key, "passing");
            assert_eq!(memo.get(0), Some("kept"));
            assert!(memo.young.len() + memo.old.len() <= 200);
        }
        assert_eq!(memo.get(9_999), Some("passing"));
        assert_eq!(memo.get(1), None);
    }
}
