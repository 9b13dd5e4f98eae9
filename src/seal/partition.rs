//! The partitioner: collected lines go in by arrival and come out sorted, with flat memory.
//!
//! Lines wait in memory; when they exceed the budget, the largest groups are sorted and appended to one
//! anonymous spill file, which is gone when the partitioner is, also after a crash. At the end each group's
//! sorted runs are merged.

mod merge;
mod spill;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use evidenced_model::Digest;

use self::merge::Merge;
use self::spill::{HEADER, Spill, record_bytes};
use crate::SealError;

/// One account, region and kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// [`evidenced_model::Scope::account_key`].
    pub account: String,
    /// The region.
    pub region: String,
    /// The kind.
    pub kind: String,
}

/// Takes lines in any order.
pub struct Partitioner {
    groups: BTreeMap<GroupKey, Buffer>,
    /// What the buffers may hold together.
    budget: usize,
    /// What they have allocated together.
    held: usize,
    spill: Spill,
}

/// The lines of one group, sorted by SHA-256(id), each id once.
pub struct Group<'a> {
    key: GroupKey,
    merge: Merge<'a>,
    duplicates: Duplicates,
}

/// A line as it comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// SHA-256(id).
    pub hash: Digest,
    /// The id.
    pub id: &'a str,
    /// The line, as it went in.
    pub line: &'a [u8],
}

/// Ids that came more than once; only the first line of each is given back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// How many lines were dropped.
    pub count: u64,
    /// The first ids, at most five.
    pub ids: Vec<String>,
}

impl Partitioner {
    /// Spills into `folder`; holds about `memory` bytes at most, while lines go in as well as while they come out.
    pub fn new(folder: &Path, memory: usize) -> Result<Self, SealError> {
        let spill = Spill::new(folder, memory / 4)?;
        Ok(Self { groups: BTreeMap::new(), budget: memory - memory / 4, held: 0, spill })
    }

    /// Takes a line.
    pub fn push(&mut self, group: &GroupKey, id: &str, line: &[u8]) -> Result<(), SealError> {
        let size = HEADER + id.len() + line.len();
        if !self.groups.contains_key(group) {
            self.groups.insert(group.clone(), Buffer::default());
        }
        // A buffer grows by doubling; make room for that before it does.
        let growth = self.groups.get(group).map_or(0, |buffer| buffer.growth(size));
        if growth > 0 && self.held + growth > self.budget {
            self.make_room(growth)?;
        }
        if let Some(buffer) = self.groups.get_mut(group) {
            self.held += buffer.push(id, line, size);
        }
        Ok(())
    }

    /// Ends the taking; the groups come out in order.
    pub fn finish(mut self) -> Result<Partitions, SealError> {
        for buffer in self.groups.values_mut().filter(|buffer| !buffer.runs.is_empty()) {
            buffer.spill(&mut self.spill)?;
        }
        Ok(Partitions { groups: self.groups.into_iter().collect(), spill: self.spill })
    }

    /// Spills the largest groups until half the budget is free.
    fn make_room(&mut self, growth: usize) -> Result<(), SealError> {
        let mut sizes: Vec<(usize, GroupKey)> =
            self.groups.iter().map(|(key, buffer)| (buffer.arena.capacity(), key.clone())).collect();
        sizes.sort_by(|a, b| b.cmp(a));
        for (size, key) in sizes {
            if size == 0 || self.held + growth <= self.budget / 2 {
                break;
            }
            if let Some(buffer) = self.groups.get_mut(&key) {
                buffer.spill(&mut self.spill)?;
                self.held -= size;
            }
        }
        Ok(())
    }
}

/// The groups, in order of account, region and kind.
pub struct Partitions {
    groups: VecDeque<(GroupKey, Buffer)>,
    spill: Spill,
}

impl Partitions {
    /// The keys of the groups that are still to come, in order.
    pub fn keys(&self) -> impl Iterator<Item = &GroupKey> {
        self.groups.iter().map(|(key, _)| key)
    }

    /// The next group.
    pub fn next_group(&mut self) -> Result<Option<Group<'_>>, SealError> {
        let Some((key, buffer)) = self.groups.pop_front() else { return Ok(None) };
        let merge = Merge::new(buffer, &mut self.spill)?;
        Ok(Some(Group { key, merge, duplicates: Duplicates::default() }))
    }
}

impl Group<'_> {
    /// Which group.
    pub fn key(&self) -> &GroupKey {
        &self.key
    }

    /// Ids that came more than once, as far as the group was read.
    pub fn duplicates(&self) -> &Duplicates {
        &self.duplicates
    }

    /// The next line, in the order of SHA-256(id).
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the group, so this is no Iterator")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, SealError> {
        while self.merge.advance()? {
            if !self.merge.repeats {
                return Ok(self.merge.current());
            }
            self.duplicates.count += 1;
            if let Some(record) = self.merge.current().filter(|_| self.duplicates.ids.len() < 5) {
                self.duplicates.ids.push(record.id.to_owned());
            }
        }
        Ok(None)
    }
}

/// The lines of a group that are in memory, and the sorted runs that are not.
#[derive(Default)]
struct Buffer {
    arena: Vec<u8>,
    /// Where each line starts.
    starts: Vec<u32>,
    runs: Vec<(u64, u64)>,
}

impl Buffer {
    /// By how much the arena would have to grow.
    fn growth(&self, size: usize) -> usize {
        let need = self.arena.len() + size;
        if need <= self.arena.capacity() { 0 } else { need.max(2 * self.arena.capacity()) - self.arena.capacity() }
    }

    fn push(&mut self, id: &str, line: &[u8], size: usize) -> usize {
        let growth = self.growth(size);
        self.arena.reserve_exact(self.arena.capacity() + growth - self.arena.len());
        self.starts.push(u32::try_from(self.arena.len()).unwrap_or(u32::MAX));
        self.arena.extend_from_slice(Digest::of(id.as_bytes()).as_bytes());
        for length in [id.len(), line.len()] {
            self.arena.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        }
        self.arena.extend_from_slice(id.as_bytes());
        self.arena.extend_from_slice(line);
        growth
    }

    /// Sorts by hash; of equal ids the first to come stays the first.
    fn sort(&mut self) {
        let arena = &self.arena;
        self.starts.sort_by_key(|start| &arena[*start as usize..][..32]);
    }

    fn spill(&mut self, spill: &mut Spill) -> Result<(), SealError> {
        if self.starts.is_empty() {
            return Ok(());
        }
        self.sort();
        let range = spill.append(self.starts.iter().map(|start| record_bytes(&self.arena[*start as usize..])))?;
        self.runs.push(range);
        self.arena = Vec::new();
        self.starts = Vec::new();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::merge::Run;
    use super::*;

    fn key(name: &str) -> GroupKey {
        GroupKey { account: "aws:123456789012".to_owned(), region: name.to_owned(), kind: "aws.s3.bucket".to_owned() }
    }

    type Lines = Vec<(String, Vec<u8>)>;

    fn drain(partitioner: Partitioner) -> Vec<(GroupKey, Lines, Duplicates)> {
        let mut partitions = partitioner.finish().unwrap();
        let mut groups = Vec::new();
        while let Some(mut group) = partitions.next_group().unwrap() {
            let mut lines = Vec::new();
            while let Some(record) = group.next().unwrap() {
                assert_eq!(record.hash, Digest::of(record.id.as_bytes()));
                lines.push((record.id.to_owned(), record.line.to_vec()));
            }
            groups.push((group.key().clone(), lines, group.duplicates().clone()));
        }
        groups
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_come_out_by_group_and_hash_and_only_the_first_of_each_id(
            lines in prop::collection::vec(("[a-c]", "[a-z]{1,2}", prop::collection::vec(any::<u8>(), 0..400)), 0..300),
            memory in 1_usize..40_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut partitioner = Partitioner::new(folder.path(), memory).unwrap();
            let mut expected: BTreeMap<GroupKey, BTreeMap<Digest, (String, Vec<u8>)>> = BTreeMap::new();
            let mut repeated = 0;
            for (group, id, line) in lines {
                partitioner.push(&key(&group), &id, &line).unwrap();
                let group = expected.entry(key(&group)).or_default();
                let hash = Digest::of(id.as_bytes());
                repeated += u64::from(group.contains_key(&hash));
                group.entry(hash).or_insert((id, line));
            }
            let groups = drain(partitioner);
            prop_assert_eq!(groups.iter().map(|(.., duplicates)| duplicates.count).sum::<u64>(), repeated);
            let expected: Vec<(GroupKey, Lines)> =
                expected.into_iter().map(|(key, lines)| (key, lines.into_values().collect())).collect();
            let found: Vec<(GroupKey, Lines)> = groups.into_iter().map(|(key, lines, _)| (key, lines)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_left_behind() {
        const MEMORY: usize = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let mut partitioner = Partitioner::new(folder.path(), MEMORY).unwrap();
        let line = [b'x'; 2000];
        for number in 0..10_000 {
            partitioner.push(&key(if number % 100 == 0 { "b" } else { "a" }), &format!("id-{number}"), &line).unwrap();
            let allocated: usize = partitioner.groups.values().map(|buffer| buffer.arena.capacity()).sum();
            assert_eq!(allocated, partitioner.held);
            assert!(allocated <= MEMORY, "{allocated}");
        }
        let mut partitions = partitioner.finish().unwrap();
        let mut count = 0;
        while let Some(mut group) = partitions.next_group().unwrap() {
            while group.next().unwrap().is_some() {
                count += 1;
                let held: usize = group.merge.runs.iter().map(Run::held).sum();
                assert!(held <= MEMORY / 2, "{held}");
            }
        }
        assert_eq!(count, 10_000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_line_larger_than_the_memory_goes_through() {
        let folder = tempfile::tempdir().unwrap();
        let mut partitioner = Partitioner::new(folder.path(), 1000).unwrap();
        let large = vec![b'x'; 100_000];
        partitioner.push(&key("a"), "small", b"s").unwrap();
        partitioner.push(&key("a"), "large", &large).unwrap();
        partitioner.push(&key("a"), "other", b"o").unwrap();
        let groups = drain(partitioner);
        let lengths: Vec<usize> = groups[0].1.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 100_002);
    }

    #[test]
    fn duplicates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut partitioner = Partitioner::new(folder.path(), 100_000).unwrap();
        for round in 0..2 {
            for id in 0..7 {
                partitioner.push(&key("a"), &id.to_string(), &[round]).unwrap();
            }
        }
        let groups = drain(partitioner);
        assert!(groups[0].1.iter().all(|(_, line)| line == &[0]));
        assert_eq!(groups[0].2.count, 7);
        assert_eq!(groups[0].2.ids.len(), 5);
    }

    #[test]
    fn an_unusable_folder_is_told_at_once() {
        let error = Partitioner::new(Path::new("/nowhere/at/all"), 1000).err().unwrap();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }

    impl Run {
        fn held(&self) -> usize {
            match self {
                Self::Memory { buffer, .. } => buffer.arena.capacity(),
                Self::Disk { window, .. } => window.capacity(),
            }
        }
    }
}
