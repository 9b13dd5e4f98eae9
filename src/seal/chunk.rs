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
    line: Range<usize>,
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
        let entry = Line { hash: *hash, id: store(id.as_bytes()), check: store(check.as_bytes()), line: store(line) };
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
            for range in [&mut line.id, &mut line.check, &mut line.line] {
                *range = range.start - cut..range.end - cut;
            }
        }
        self.bytes = self.lines.iter().map(|line| line.line.len()).sum();
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
        let bytes: usize = lines.iter().map(|line| line.line.len()).sum();
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
            self.sorted.extend_from_slice(&self.arena[line.line.clone()]);
        }
        emit(Chunk { prefix, lines: &self.sorted, count: order.len() as u64 })
    }
}
