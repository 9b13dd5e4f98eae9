//! Merging the sorted runs of one group, a window of each at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evidenced_model::Digest;

use super::spill::{HEADER, Spill, hash_of, lengths, record_len};
use super::{Buffer, Record};
use crate::SealError;

/// Merges the sorted runs of a group, or walks its buffer if nothing was spilled.
pub(super) struct Merge<'a> {
    spill: &'a mut Spill,
    /// The runs, earliest first, so that among equals the first to come wins.
    pub(super) runs: Vec<Run>,
    /// The runs that are not over, as a heap of (hash, run), smallest on top.
    heap: BinaryHeap<Reverse<(Digest, usize)>>,
    /// The run that holds the current record.
    at: Option<usize>,
    last: Option<Digest>,
    /// Whether the current record has the id of the one before.
    pub(super) repeats: bool,
}

/// One sorted run of a group.
pub(super) enum Run {
    Memory { buffer: Buffer, next: usize },
    Disk { from: u64, end: u64, window: Vec<u8>, read: usize, size: usize },
}

impl<'a> Merge<'a> {
    pub(super) fn new(mut buffer: Buffer, spill: &'a mut Spill) -> Result<Self, SealError> {
        let spilled = std::mem::take(&mut buffer.runs);
        let size = (spill.share / spilled.len().max(1)).clamp(4 * 1024, 256 * 1024);
        let mut runs: Vec<Run> =
            spilled.into_iter().map(|(from, end)| Run::Disk { from, end, window: Vec::new(), read: 0, size }).collect();
        buffer.sort();
        runs.push(Run::Memory { buffer, next: 0 });
        let mut merge = Self { spill, runs, heap: BinaryHeap::new(), at: None, last: None, repeats: false };
        for run in 0..merge.runs.len() {
            merge.enter(run)?;
        }
        Ok(merge)
    }

    /// Goes to the next record; `false` at the end.
    pub(super) fn advance(&mut self) -> Result<bool, SealError> {
        if let Some(run) = self.at.take() {
            self.runs[run].skip();
            self.enter(run)?;
        }
        let Some(Reverse((hash, run))) = self.heap.pop() else { return Ok(false) };
        self.repeats = self.last.replace(hash) == Some(hash);
        self.at = Some(run);
        Ok(true)
    }

    pub(super) fn current(&self) -> Option<Record<'_>> {
        let bytes = self.runs[self.at?].record();
        let (id, _) = lengths(bytes);
        let id_end = HEADER + id;
        Some(Record {
            hash: hash_of(bytes),
            // It went in as text.
            id: std::str::from_utf8(&bytes[HEADER..id_end]).unwrap_or_default(),
            line: &bytes[id_end..record_len(bytes)],
        })
    }

    /// Puts a run on the heap with its next record, if there is one.
    fn enter(&mut self, run: usize) -> Result<(), SealError> {
        if self.runs[run].fill(self.spill)? {
            self.heap.push(Reverse((hash_of(self.runs[run].record()), run)));
        }
        Ok(())
    }
}

impl Run {
    /// Makes the next record readable; `false` at the end of the run.
    fn fill(&mut self, spill: &Spill) -> Result<bool, SealError> {
        let (from, end, window, read, size) = match self {
            Self::Memory { buffer, next } => return Ok(*next < buffer.starts.len()),
            Self::Disk { from, end, window, read, size } => (from, end, window, read, size),
        };
        loop {
            let ready = &window[*read..];
            let need = if ready.len() < HEADER { HEADER } else { record_len(ready) };
            if ready.len() >= HEADER && ready.len() >= need {
                return Ok(true);
            }
            if *from == *end {
                // Over: its memory goes to the others.
                *window = Vec::new();
                *read = 0;
                return Ok(false);
            }
            let left = usize::try_from(*end - *from).unwrap_or(usize::MAX);
            let more = (need - ready.len()).max(*size).min(left);
            window.drain(..*read);
            *read = 0;
            let old = window.len();
            if window.capacity() > 4 * *size {
                window.shrink_to(old + more);
            }
            window.reserve_exact(more);
            window.resize(old + more, 0);
            spill.read_at(*from, &mut window[old..])?;
            *from += more as u64;
        }
    }

    fn record(&self) -> &[u8] {
        match self {
            Self::Memory { buffer, next } => &buffer.arena[buffer.starts[*next] as usize..],
            Self::Disk { window, read, .. } => &window[*read..],
        }
    }

    fn skip(&mut self) {
        match self {
            Self::Memory { next, .. } => *next += 1,
            Self::Disk { window, read, .. } => *read += record_len(&window[*read..]),
        }
    }
}
