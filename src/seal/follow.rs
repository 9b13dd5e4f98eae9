//! From run to run: what changed in findings and coverage, with each object read once and nothing read that did not
//! change. Its cost grows with the changes, not with runs times resources.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use evidenced_model::{AccountCoverage, CheckId, Digest, Finding};

use crate::object::{Format, ObjectReader, Shown, object_path, unpack};
use crate::read::parse_at;
use crate::statement::subject;
use crate::tree::{Entry, Tree};
use crate::withheld::Slot;
use crate::{RunReader, SealError};

/// Chunks as they are stored, kept while a run that is followed holds them: the next run's are compared with them.
///
/// What has no room is read again when it is compared.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Rc<RefCell<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    room: usize,
    chunks: BTreeMap<Digest, (Vec<u8>, u32)>,
}

impl Shelf {
    /// With room for so many bytes.
    pub fn new(room: usize) -> Self {
        Self(Rc::new(RefCell::new(Kept { room, chunks: BTreeMap::new() })))
    }

    /// One more follower holds a chunk, if it is here.
    fn hold(&self, digest: &Digest) {
        if let Some((_, holders)) = self.0.borrow_mut().chunks.get_mut(digest) {
            *holders += 1;
        }
    }

    /// One follower less holds it.
    fn drop(&self, digest: &Digest) {
        let mut kept = self.0.borrow_mut();
        if let Some((bytes, holders)) = kept.chunks.get_mut(digest) {
            *holders -= 1;
            if *holders == 0 {
                let freed = bytes.len();
                kept.chunks.remove(digest);
                kept.room += freed;
            }
        }
    }

    /// Keeps a chunk for one follower, if there is room.
    fn put(&self, digest: Digest, stored: Vec<u8>) {
        let mut kept = self.0.borrow_mut();
        if kept.room >= stored.len() {
            kept.room -= stored.len();
            kept.chunks.insert(digest, (stored, 1));
        }
    }

    /// The content of a kept chunk.
    fn content(&self, chunk: &Entry) -> Result<Option<Vec<u8>>, SealError> {
        let kept = self.0.borrow();
        let stored = kept.chunks.get(&chunk.digest).map(|(stored, _)| stored);
        stored.map(|stored| unpack(stored, &chunk.digest, Format::Lines, chunk.bytes, &chunk.name)).transpose()
    }
}

/// A finding, and the file that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The finding.
    pub finding: Finding,
    /// The chunk.
    pub file: String,
}

/// Follows the runs of one agent or schedule, in their order.
pub struct Follower<'a> {
    objects: ObjectReader<'a>,
    shelf: Shelf,
    findings: BTreeMap<String, Account>,
    coverage: BTreeMap<String, (Digest, AccountCoverage)>,
    roots: BTreeMap<&'static str, Digest>,
    withheld: u64,
}

/// The findings of one account as the last run left them.
#[derive(Debug, Default)]
struct Account {
    content: Option<Digest>,
    /// By `region/kind`: the digest of the group's content, and its chunks.
    groups: BTreeMap<String, (Digest, Vec<Entry>)>,
}

/// What changed in a group, line by line.
#[derive(Default)]
struct Changed {
    lines: BTreeMap<(String, CheckId), (Option<Seen>, Option<Seen>)>,
}

impl<'a> Follower<'a> {
    /// Begins before the first run.
    pub fn new(objects: ObjectReader<'a>, shelf: Shelf) -> Self {
        let (findings, coverage, roots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { objects, shelf, findings, coverage, roots, withheld: 0 }
    }

    /// The coverage of each account in the last run that was followed.
    pub fn coverage(&self) -> impl Iterator<Item = &AccountCoverage> {
        self.coverage.values().map(|(_, coverage)| coverage)
    }

    /// Lines that a pack withholds, as far as they were come to.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Takes in the coverage of the next run, and tells of each account in which it is another.
    pub fn step_coverage(
        &mut self,
        run: &RunReader<'a>,
        emit: &mut dyn FnMut(Option<&AccountCoverage>, Option<&AccountCoverage>),
    ) -> Result<(), SealError> {
        if !self.is_new(run, subject::COVERAGE)? {
            return Ok(());
        }
        let tree = run.root(subject::COVERAGE)?;
        let named: BTreeSet<&str> = tree.entries.iter().map(|entry| entry.name.as_str()).collect();
        let gone: Vec<String> = self.coverage.keys().filter(|name| !named.contains(name.as_str())).cloned().collect();
        for name in gone {
            if let Some((_, old)) = self.coverage.remove(&name) {
                emit(Some(&old), None);
            }
        }
        for entry in &tree.entries {
            if self.coverage.get(&entry.name).is_some_and(|(content, _)| *content == entry.content) {
                continue;
            }
            let new: AccountCoverage = match self.objects.document(&entry.digest, "the coverage tree") {
                Err(SealError::Withheld { .. }) => continue,
                read => read?,
            };
            let old = self.coverage.get(&entry.name).map(|(_, old)| old);
            emit(old, Some(&new));
            self.coverage.insert(entry.name.clone(), (entry.content, new));
        }
        Ok(())
    }

    /// Takes in the findings of the next run, and tells of each line that is another: what stood there, and what does.
    /// Groups (an account's name, and `region/kind`) that the run did not look at stay as they were.
    pub fn step_findings(
        &mut self,
        run: &RunReader<'a>,
        looked: &dyn Fn(&str, &str) -> bool,
        emit: &mut dyn FnMut(Option<Seen>, Option<Seen>),
    ) -> Result<(), SealError> {
        if !self.is_new(run, subject::FINDINGS)? {
            return Ok(());
        }
        let tree = run.root(subject::FINDINGS)?;
        let named: BTreeSet<&str> = tree.entries.iter().map(|entry| entry.name.as_str()).collect();
        let gone: Vec<String> = self.findings.keys().filter(|name| !named.contains(name.as_str())).cloned().collect();
        for name in gone {
            self.step_account(&name, None, looked, emit)?;
        }
        for entry in &tree.entries {
            self.step_account(&entry.name, Some(entry), looked, emit)?;
        }
        Ok(())
    }

    fn is_new(&mut self, run: &RunReader<'a>, subject: &'static str) -> Result<bool, SealError> {
        let digest = run.subject(subject)?;
        Ok(self.roots.insert(subject, digest) != Some(digest))
    }

    fn step_account(
        &mut self,
        name: &str,
        entry: Option<&Entry>,
        looked: &dyn Fn(&str, &str) -> bool,
        emit: &mut dyn FnMut(Option<Seen>, Option<Seen>),
    ) -> Result<(), SealError> {
        let mut account = self.findings.remove(name).unwrap_or_default();
        if entry.is_some_and(|entry| account.content == Some(entry.content)) {
            self.findings.insert(name.to_owned(), account);
            return Ok(());
        }
        let tree = match entry {
            None => Tree::default(),
            Some(entry) => match Tree::read(self.objects, &entry.digest, name) {
                Err(SealError::Withheld { .. }) => {
                    self.withheld += entry.count;
                    Tree::default()
                }
                read => read?,
            },
        };
        account.content = entry.map(|entry| entry.content);
        let named: BTreeSet<&str> = tree.entries.iter().map(|entry| entry.name.as_str()).collect();
        let gone = account.groups.keys().filter(|group| !named.contains(group.as_str()) && looked(name, group));
        for group in gone.cloned().collect::<Vec<_>>() {
            if let Some((_, old)) = account.groups.remove(&group) {
                self.step_group(old, &[], emit)?;
            }
        }
        for group in &tree.entries {
            let old = match account.groups.get(&group.name) {
                Some((content, _)) if *content == group.content => continue,
                Some((_, chunks)) => chunks.clone(),
                None => Vec::new(),
            };
            let chunks = match Tree::read(self.objects, &group.digest, &group.name) {
                Err(SealError::Withheld { .. }) => {
                    self.withheld += group.count;
                    Vec::new()
                }
                read => read?.entries,
            };
            self.step_group(old, &chunks, emit)?;
            account.groups.insert(group.name.clone(), (group.content, chunks));
        }
        if entry.is_some() || !account.groups.is_empty() {
            self.findings.insert(name.to_owned(), account);
        }
        Ok(())
    }

    fn step_group(
        &mut self,
        old: Vec<Entry>,
        new: &[Entry],
        emit: &mut dyn FnMut(Option<Seen>, Option<Seen>),
    ) -> Result<(), SealError> {
        let mut before: BTreeMap<String, Entry> = old.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        let mut changed = Changed::default();
        let first = before.is_empty();
        for chunk in new {
            let old = before.remove(&chunk.name);
            if old.as_ref().is_some_and(|old| old.content == chunk.content) {
                continue;
            }
            // The new one is kept before the old one goes: both may be the same object.
            let content = self.take(chunk)?;
            let was = old.as_ref().map(|old| self.give_back(old)).transpose()?.unwrap_or_default();
            let (gone, come) = differing(&was, &content);
            changed.add(&gone, old.as_ref(), false)?;
            changed.add(&come, Some(chunk), true)?;
            if first {
                // Nothing stood here: nothing can pair.
                changed.tell(emit);
            }
        }
        for old in before.values() {
            let was = self.give_back(old)?;
            changed.add(&lines(&was), Some(old), false)?;
        }
        changed.tell(emit);
        Ok(())
    }

    /// The content of a chunk that is new; the chunk is kept for the next run.
    fn take(&mut self, chunk: &Entry) -> Result<Vec<u8>, SealError> {
        if let Some(content) = self.shelf.content(chunk)? {
            self.shelf.hold(&chunk.digest);
            return Ok(content);
        }
        match self.objects.packed(&chunk.digest, Format::Lines, &chunk.name) {
            Ok(stored) => {
                let content = unpack(&stored, &chunk.digest, Format::Lines, chunk.bytes, &chunk.name)?;
                self.shelf.put(chunk.digest, stored);
                Ok(content)
            }
            Err(SealError::Missing { .. } | SealError::Withheld { .. }) => self.shown(chunk),
            Err(error) => Err(error),
        }
    }

    /// The content of a chunk that stands in the last run, and in no later one any more.
    fn give_back(&mut self, chunk: &Entry) -> Result<Vec<u8>, SealError> {
        if let Some(content) = self.shelf.content(chunk)? {
            self.shelf.drop(&chunk.digest);
            return Ok(content);
        }
        self.shown(chunk)
    }

    fn shown(&mut self, chunk: &Entry) -> Result<Vec<u8>, SealError> {
        Ok(match self.objects.chunk(chunk, &chunk.name)? {
            Shown::Whole(loaded) => loaded.content,
            Shown::Partly(lines) => lines,
            Shown::Nothing => {
                self.withheld += chunk.count;
                Vec::new()
            }
        })
    }
}

impl Changed {
    fn add(&mut self, lines: &[&[u8]], chunk: Option<&Entry>, new: bool) -> Result<(), SealError> {
        let Some(chunk) = chunk else { return Ok(()) };
        for line in lines {
            if let Slot::Withheld(_) = Slot::parse(line) {
                continue;
            }
            let file = object_path(&chunk.digest, Format::Lines);
            let finding: Finding = parse_at(line, &file)?;
            let key = (finding.resource.clone(), finding.check.clone());
            let sides = self.lines.entry(key).or_default();
            *(if new { &mut sides.1 } else { &mut sides.0 }) = Some(Seen { finding, file });
        }
        Ok(())
    }

    fn tell(&mut self, emit: &mut dyn FnMut(Option<Seen>, Option<Seen>)) {
        for (_, (old, new)) in std::mem::take(&mut self.lines) {
            emit(old, new);
        }
    }
}

fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The lines that are only in one of two contents, in their order. Equal beginnings and ends are passed over as bytes.
fn differing<'b>(old: &'b [u8], new: &'b [u8]) -> (Vec<&'b [u8]>, Vec<&'b [u8]>) {
    let same = equal_bytes(old, new);
    let start = old[..same].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (old, new) = (&old[start..], &new[start..]);
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(one, other)| one == other).count();
    // What is equal at the end begins with the first line that is equal as a whole.
    let end = |side: &[u8]| {
        let tail = side.len() - same;
        side[tail..].iter().position(|byte| *byte == b'\n').map_or(side.len(), |at| tail + at + 1)
    };
    let (old, new) = (lines(&old[..end(old)]), lines(&new[..end(new)]));
    let before: HashSet<&[u8]> = old.iter().copied().collect();
    let after: HashSet<&[u8]> = new.iter().copied().collect();
    let gone = old.into_iter().filter(|line| !after.contains(line)).collect();
    (gone, new.into_iter().filter(|line| !before.contains(line)).collect())
}

/// How many bytes are equal from the beginning on.
fn equal_bytes(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 1024;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK)).take_while(|(one, other)| one == other).count();
    let start = blocks * BLOCK;
    start + one[start..].iter().zip(&other[start..]).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_left_whatever_surrounds_it() {
        for (old, new, gone, come) in [
            ("", "a\nb\n", vec![], vec!["a\n", "b\n"]),
            ("a\nb\n", "", vec!["a\n", "b\n"], vec![]),
            ("a\nb\nc\n", "a\nb\nc\n", vec![], vec![]),
            ("a\nb\nc\n", "a\nB\nc\n", vec!["b\n"], vec!["B\n"]),
            ("a\nb\nc\n", "a\nc\n", vec!["b\n"], vec![]),
            ("a\nc\n", "a\nb\nc\n", vec![], vec!["b\n"]),
            ("ab\nb\n", "b\n", vec!["ab\n"], vec![]),
            ("b\n", "ab\nb\n", vec![], vec!["ab\n"]),
            ("xa\n", "ya\n", vec!["xa\n"], vec!["ya\n"]),
            ("a\nx\nc\ny\ne\n", "a\nX\nc\nY\ne\n", vec!["x\n", "y\n"], vec!["X\n", "Y\n"]),
        ] {
            let text = |lines: Vec<&[u8]>| -> Vec<String> {
                lines.into_iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
            };
            let (left, right) = differing(old.as_bytes(), new.as_bytes());
            assert_eq!(
                (text(left), text(right)),
                (gone.iter().map(|s| (*s).to_owned()).collect(), come.iter().map(|s| (*s).to_owned()).collect()),
                "{old:?} {new:?}"
            );
        }
    }

    #[test]
    fn a_chunk_stays_while_somebody_holds_it_and_there_is_room() {
        let shelf = Shelf::new(3);
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        shelf.put(one, vec![0; 2]);
        shelf.put(two, vec![0; 2]);
        let here = |digest: &Digest| shelf.0.borrow().chunks.contains_key(digest);
        assert!(here(&one) && !here(&two));
        shelf.hold(&one);
        shelf.drop(&one);
        assert!(here(&one));
        shelf.drop(&one);
        assert!(!here(&one) && shelf.0.borrow().room == 3);
    }
}
