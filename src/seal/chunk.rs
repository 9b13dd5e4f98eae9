//! Chunks: lines cut by the leading bits of SHA-256(id), so that one more resource rewrites one small file.
//!
//! A prefix splits exactly when its lines exceed [`LIMIT`] and belong to more than one id. That makes
//! chunking a pure function of the population: neither order nor history changes it.

use std::ops::Range;

use evidenced_model::Digest;

use crate::SealError;

/// A prefix splits when its lines exceed so many bytes, uncompressed.
pub const LIMIT: usize = 256 * 1024;

/// The first bits of a digest; `b` and the bits in names: `b`, `b0`, `b01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    bits: [u8; 32],
    len: usize,
}

impl Prefix {
    /// No bit: everything.
    pub const ROOT: Self = Self { bits: [0; 32], len: 0 };

    /// Parses a chunk's name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut prefix = Self::ROOT;
        for bit in name.strip_prefix('b')?.bytes() {
            prefix = match bit {
                b'0' | b'1' if prefix.len < 256 => prefix.child(bit == b'1'),
                _ => return None,
            };
        }
        Some(prefix)
    }

    /// How many bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether this is [`Prefix::ROOT`].
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One bit longer.
    #[must_use]
    pub fn child(mut self, bit: bool) -> Self {
        if bit {
            self.bits[self.len / 8] |= 0x80 >> (self.len % 8);
        }
        self.len += 1;
        self
    }

    /// One bit shorter; `None` for the root.
    pub fn parent(self) -> Option<Self> {
        self.len.checked_sub(1).map(|len| self.cut(len))
    }

    /// Whether the digest starts with these bits.
    pub fn contains(&self, hash: &Digest) -> bool {
        self.common(hash.as_bytes()) == self.len
    }

    /// Whether the other prefix is this one or starts with it.
    pub fn covers(&self, other: &Self) -> bool {
        other.len >= self.len && self.common(&other.bits) == self.len
    }

    /// The leading bits that are the same, at most its own length.
    fn common(&self, bytes: &[u8; 32]) -> usize {
        let differing = self.bits.iter().zip(bytes).position(|(a, b)| a != b);
        let same = differing.map_or(256, |at| 8 * at + (self.bits[at] ^ bytes[at]).leading_zeros() as usize);
        same.min(self.len)
    }

    fn cut(mut self, len: usize) -> Self {
        self.len = len;
        for at in len..256 {
            self.bits[at / 8] &= !(0x80 >> (at % 8));
        }
        self
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = (0..self.len).map(|at| if bit(&self.bits, at) { '1' } else { '0' });
        f.pad(&std::iter::once('b').chain(bits).collect::<String>())
    }
}

fn bit(bytes: &[u8; 32], at: usize) -> bool {
    bytes[at / 8] & (0x80 >> (at % 8)) != 0
}

/// A chunk that is decided.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// Its place.
    pub prefix: Prefix,
    /// Its lines, sorted by id, for findings then by check.
    pub lines: &'a [u8],
    /// How many.
    pub count: u64,
}

/// Takes chunks as they are decided.
pub type Emit<'e> = dyn FnMut(Chunk<'_>) -> Result<(), SealError> + 'e;

/// Cuts a stream of lines that arrives in the order of SHA-256(id). It holds no more than one chunk's
/// worth of lines: the lines of the one prefix that is not yet decided.
#[derive(Debug)]
pub struct Chunker {
    limit: usize,
    open: Prefix,
    lines: Vec<Line>,
    /// What the lines hold: id, check, line, one after another.
    arena: Vec<u8>,
    /// How much of the arena is lines.
    bytes: usize,
    sorted: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Line {
    hash: Digest,
    id: Range<usize>,
    check: Range<usize>,
    text: Range<usize>,
}

impl Default for Chunker {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Chunker {
    /// With another limit than the format's, for tests.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit, open: Prefix::ROOT, lines: Vec::new(), arena: Vec::new(), bytes: 0, sorted: Vec::new() }
    }

    /// Takes the next line (it ends in LF). `hash` is SHA-256(id) and never smaller than the last one;
    /// `check` is empty for resources.
    pub fn push(
        &mut self,
        hash: &Digest,
        id: &str,
        check: &str,
        line: &[u8],
        emit: &mut Emit<'_>,
    ) -> Result<(), SealError> {
        if self.lines.last().is_some_and(|last| last.hash > *hash) {
            return Err(SealError::order(format!("{id:?} came after an id with a larger SHA-256")));
        }
        if !self.open.contains(hash) {
            // Everything above the open prefix has split, so the new line's prefix parts from it by one bit.
            let common = self.open.common(hash.as_bytes());
            if bit(&self.open.bits, common) {
                return Err(SealError::order(format!("{id:?} came after an id with a larger SHA-256")));
            }
            self.close(emit)?;
            self.open = self.open.cut(common).child(true);
        }
        let mut store = |bytes: &[u8]| {
            let start = self.arena.len();
            self.arena.extend_from_slice(bytes);
            start..self.arena.len()
        };
        let entry = Line { hash: *hash, id: store(id.as_bytes()), check: store(check.as_bytes()), text: store(line) };
        self.lines.push(entry);
        self.bytes += line.len();
        while self.splits() {
            self.split(emit)?;
        }
        Ok(())
    }

    /// Ends the population, ready for the next one.
    pub fn finish(&mut self, emit: &mut Emit<'_>) -> Result<(), SealError> {
        self.close(emit)?;
        self.open = Prefix::ROOT;
        Ok(())
    }

    fn splits(&self) -> bool {
        let ids_differ = self.lines.first().map(|line| line.hash) != self.lines.last().map(|line| line.hash);
        self.bytes > self.limit && ids_differ && self.open.len < 256
    }

    /// The open prefix is too large: its left half is complete as soon as a line of the right half is there.
    fn split(&mut self, emit: &mut Emit<'_>) -> Result<(), SealError> {
        let at = self.open.len;
        let middle = self.lines.partition_point(|line| !bit(line.hash.as_bytes(), at));
        if middle == self.lines.len() {
            self.open = self.open.child(false);
            return Ok(());
        }
        let left = self.open.child(false);
        self.open = self.open.child(true);
        if middle == 0 {
            return Ok(());
        }
        self.emit_complete(left, 0..middle, emit)?;
        let cut = self.lines[middle].id.start;
        self.arena.drain(..cut);
        self.lines.drain(..middle);
        for line in &mut self.lines {
            for range in [&mut line.id, &mut line.check, &mut line.text] {
                *range = range.start - cut..range.end - cut;
            }
        }
        self.bytes = self.lines.iter().map(|line| line.text.len()).sum();
        Ok(())
    }

    fn close(&mut self, emit: &mut Emit<'_>) -> Result<(), SealError> {
        self.emit_complete(self.open, 0..self.lines.len(), emit)?;
        self.lines.clear();
        self.arena.clear();
        // One enormous line does not keep its memory for the rest of the run.
        self.arena.shrink_to(2 * self.limit);
        self.sorted.shrink_to(2 * self.limit);
        self.bytes = 0;
        Ok(())
    }

    /// Emits the lines of a prefix of which nothing more will come.
    fn emit_complete(&mut self, prefix: Prefix, range: Range<usize>, emit: &mut Emit<'_>) -> Result<(), SealError> {
        let lines = &self.lines[range.clone()];
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Ok(()) };
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        if bytes > self.limit && first.hash != last.hash && prefix.len < 256 {
            let middle = range.start + lines.partition_point(|line| !bit(line.hash.as_bytes(), prefix.len));
            self.emit_complete(prefix.child(false), range.start..middle, emit)?;
            return self.emit_complete(prefix.child(true), middle..range.end, emit);
        }
        let key = |line: &Line| (&self.arena[line.id.clone()], &self.arena[line.check.clone()]);
        let mut order: Vec<&Line> = lines.iter().collect();
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        if let Some(twice) = order.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
            let id = String::from_utf8_lossy(&self.arena[twice[0].id.clone()]).into_owned();
            return Err(SealError::order(format!("there are two lines for {id:?}")));
        }
        self.sorted.clear();
        for line in &order {
            self.sorted.extend_from_slice(&self.arena[line.text.clone()]);
        }
        emit(Chunk { prefix, lines: &self.sorted, count: order.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Cut = BTreeMap<String, Vec<u8>>;

    /// Straight from the format: count the lines below a prefix, and split it if they are too many.
    fn by_definition(population: &BTreeMap<String, Vec<u8>>, limit: usize, at: Prefix, cut: &mut Cut) {
        let below: BTreeMap<_, _> =
            population.iter().filter(|(id, _)| at.contains(&Digest::of(id.as_bytes()))).collect();
        let bytes: usize = below.values().map(|line| line.len()).sum();
        if bytes > limit && below.len() > 1 {
            by_definition(population, limit, at.child(false), cut);
            by_definition(population, limit, at.child(true), cut);
        } else if !below.is_empty() {
            cut.insert(at.to_string(), below.into_values().flatten().copied().collect());
        }
    }

    fn by_stream(population: &BTreeMap<String, Vec<u8>>, limit: usize) -> Cut {
        let mut sorted: Vec<_> = population.iter().map(|(id, line)| (Digest::of(id.as_bytes()), id, line)).collect();
        sorted.sort();
        let mut cut = Cut::new();
        let mut chunker = Chunker::with_limit(limit);
        let mut emit = |chunk: Chunk<'_>| {
            assert!(cut.insert(chunk.prefix.to_string(), chunk.lines.to_vec()).is_none());
            assert_eq!(chunk.count, chunk.lines.split_inclusive(|byte| *byte == b'\n').count() as u64);
            Ok(())
        };
        for (hash, id, line) in sorted {
            chunker.push(&hash, id, "", line, &mut emit).unwrap();
        }
        chunker.finish(&mut emit).unwrap();
        cut
    }

    fn population() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
        let line = (0..60_usize).prop_map(|length| [vec![b'x'; length], vec![b'\n']].concat());
        prop::collection::btree_map("[a-z]{1,6}", line, 0..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn chunking_is_a_pure_function_of_the_population(population in population(), limit in 1..2000_usize) {
            let mut expected = Cut::new();
            by_definition(&population, limit, Prefix::ROOT, &mut expected);
            prop_assert_eq!(by_stream(&population, limit), expected);
        }

        #[test]
        fn names_are_prefixes(bits in prop::collection::vec(any::<bool>(), 0..=256)) {
            let prefix = bits.iter().fold(Prefix::ROOT, |prefix, bit| prefix.child(*bit));
            prop_assert_eq!(Prefix::parse(&prefix.to_string()), Some(prefix));
            prop_assert_eq!(prefix.len(), bits.len());
            prop_assert!(prefix.covers(&prefix));
            if let Some(parent) = prefix.parent() {
                prop_assert!(parent.covers(&prefix) && !prefix.covers(&parent));
                prop_assert_eq!(parent.child(*bits.last().unwrap()), prefix);
            }
        }
    }

    #[test]
    fn a_line_longer_than_the_limit_stands_alone() {
        let large = [vec![b'x'; 500], vec![b'\n']].concat();
        let one = BTreeMap::from([("a".to_owned(), large.clone())]);
        assert_eq!(by_stream(&one, 100), Cut::from([("b".to_owned(), large.clone())]));
        // SHA-256 of "a" begins with 1100, of "b" with 0011.
        let two = BTreeMap::from([("a".to_owned(), large.clone()), ("b".to_owned(), b"\n".to_vec())]);
        assert_eq!(by_stream(&two, 100), Cut::from([("b0".to_owned(), b"\n".to_vec()), ("b1".to_owned(), large)]));
    }

    #[test]
    fn many_findings_of_one_resource_stay_together() {
        let mut chunker = Chunker::with_limit(10);
        let mut chunks = Vec::new();
        let mut emit = |chunk: Chunk<'_>| {
            chunks.push((chunk.prefix.to_string(), chunk.lines.to_vec(), chunk.count));
            Ok(())
        };
        let hash = Digest::of(b"a");
        for check in ["z", "y", "x"] {
            chunker.push(&hash, "a", check, format!("{check}-----\n").as_bytes(), &mut emit).unwrap();
        }
        chunker.finish(&mut emit).unwrap();
        assert_eq!(chunks, [("b".to_owned(), b"x-----\ny-----\nz-----\n".to_vec(), 3)]);
    }

    #[test]
    fn disorder_and_repetition_are_refused() {
        let (low, high) = (Digest::of(b"b"), Digest::of(b"a"));
        let mut emit = |_: Chunk<'_>| Ok(());
        let mut chunker = Chunker::with_limit(2);
        chunker.push(&high, "a", "", b"xx\n", &mut emit).unwrap();
        assert!(chunker.push(&low, "b", "", b"xx\n", &mut emit).is_err());
        let mut chunker = Chunker::with_limit(2);
        chunker.push(&low, "b", "", b"xx\n", &mut emit).unwrap();
        chunker.push(&high, "a", "", b"xx\n", &mut emit).unwrap();
        assert!(chunker.push(&low, "b", "", b"xx\n", &mut emit).is_err(), "also when the first is out already");
        let mut chunker = Chunker::default();
        chunker.push(&low, "b", "", b"xx\n", &mut emit).unwrap();
        chunker.push(&low, "b", "", b"yy\n", &mut emit).unwrap();
        assert!(chunker.finish(&mut emit).is_err());
    }

    #[test]
    fn names_that_are_no_prefixes_are_refused() {
        for name in ["", "0", "b2", "c0", "b0 ", &format!("b{}", "0".repeat(257))] {
            assert_eq!(Prefix::parse(name), None, "{name}");
        }
    }
}
