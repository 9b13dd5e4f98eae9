//! Log entries that wait, in a file of slots that were written out beforehand: a full disk is written down too.
//!
//! A slot is two pages: what is to be told, and the attempt that was signed for it. Each page is a line of JSON and a
//! line with its SHA-256, then zeros; a page that a crash tore does not match, and counts as not written. A free slot
//! is zeros. (A disk that copies on write may want space even so; then the entry is lost with a loud error.)

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use evidenced_model::{Digest, RunId};
use evidenced_seal::log::{Attempt, Draft, EntryKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::SpoolError;
use crate::disk::sync_parent;
use crate::places::{place, torn};

/// The bytes of a page.
pub(crate) const PAGE: usize = 4096;
const SLOT: u64 = 2 * PAGE as u64;
/// So many slots are added at once.
const STEP: usize = 64;
/// So many slots are for what must be told when there is no space: skipped and abandoned runs.
const RESERVED: usize = 12;
/// The longest reason of an entry, in bytes.
const REASON: usize = 600;

/// What waits in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiting {
    /// Its place in the one order of entries and bundles.
    pub(crate) seq: u64,
    /// The entry.
    pub(crate) draft: Draft,
    /// So many more runs were skipped, for which there was no slot.
    pub(crate) more: u64,
}

impl Waiting {
    /// The entry as it is appended.
    pub(crate) fn entry(&self) -> Draft {
        match (self.more, self.draft.reason()) {
            (0, _) | (_, None) => self.draft.clone(),
            (more, Some(reason)) => {
                let reason = format!("{reason}; and {more} more in a row, for which there was no room to write");
                self.draft.clone().because(reason)
            }
        }
    }
}

#[derive(Debug)]
struct Slot {
    waiting: Waiting,
    attempt: Option<Attempt>,
    /// The log has it; it stays until its run has ended.
    told: bool,
}

/// The file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    slots: Vec<Option<Slot>>,
}

impl Journal {
    /// Opens the file, and makes it first if need be.
    pub(crate) fn open(path: &Path) -> Result<Self, SpoolError> {
        let failed = SpoolError::io(path);
        if !path.exists() {
            place("journal.create").map_err(&failed)?;
            let temporary = path.with_added_extension("new");
            let made = File::create(&temporary).and_then(|mut file| {
                file.write_all(&vec![0; STEP * 2 * PAGE])?;
                file.sync_all()?;
                std::fs::rename(&temporary, path)?;
                sync_parent(path)
            });
            made.map_err(&failed)?;
        }
        let file = File::options().read(true).write(true).open(path).map_err(&failed)?;
        let mut journal = Self { path: path.to_owned(), file, slots: Vec::new() };
        journal.read().map_err(&failed)?;
        Ok(journal)
    }

    /// What waits, in order.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let mut waiting: Vec<Waiting> = self.slots.iter().flatten().map(|slot| slot.waiting.clone()).collect();
        waiting.sort_by_key(|waiting| waiting.seq);
        waiting
    }

    /// The first that waits behind this place and was not told yet, with its attempt.
    pub(crate) fn next(&self, after: u64) -> Option<(Waiting, Option<Attempt>)> {
        let behind = self.slots.iter().flatten().filter(|slot| slot.waiting.seq > after && !slot.told);
        let first = behind.min_by_key(|slot| slot.waiting.seq)?;
        Some((first.waiting.clone(), first.attempt.clone()))
    }

    /// Writes down what is to be told.
    pub(crate) fn enqueue(&mut self, seq: u64, draft: Draft) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&self.path);
        place("journal.enqueue").map_err(&failed)?;
        let urgent = draft.kind() != EntryKind::Started;
        let kept = if urgent { 2 } else { RESERVED };
        if self.free() < kept {
            let grown = self.grow();
            if let Err(error) = grown {
                if urgent && self.merge(&draft)? {
                    return Ok(());
                }
                if !urgent || self.free() == 0 {
                    return Err(failed(error));
                }
            }
        }
        let waiting = Waiting { seq, draft: shortened(draft), more: 0 };
        self.fill(waiting)?;
        place("journal.enqueued").map_err(&failed)
    }

    /// Keeps the attempt at an entry before it is sent.
    pub(crate) fn keep(&mut self, seq: u64, attempt: &Attempt) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&self.path);
        place("journal.keep").map_err(&failed)?;
        let Some(at) = self.find(seq) else { return Ok(()) };
        let page = attempt_page(attempt).ok_or_else(|| too_long(&self.path))?;
        self.write(at, 1, &page, "journal.keep").map_err(&failed)?;
        if let Some(slot) = &mut self.slots[at] {
            slot.attempt = Some(attempt.clone());
        }
        place("journal.kept").map_err(&failed)
    }

    /// The log has this entry. It stays here until its run has ended, if it says that one began.
    pub(crate) fn told(&mut self, seq: u64) -> Result<(), SpoolError> {
        let Some(at) = self.find(seq) else { return Ok(()) };
        let Some(slot) = &mut self.slots[at] else { return Ok(()) };
        if slot.waiting.draft.kind() == EntryKind::Started {
            slot.told = true;
            return Ok(());
        }
        // The beginning goes before the end does: so nobody ends a run twice.
        if slot.waiting.draft.kind() == EntryKind::Abandoned
            && let Some(run) = slot.waiting.draft.run_id()
        {
            self.ended(run)?;
        }
        self.remove(at)
    }

    /// The log knows how this run ended: that it began need not be remembered any more.
    pub(crate) fn ended(&mut self, run: RunId) -> Result<(), SpoolError> {
        match self.begun().into_iter().find(|(_, began)| *began == run).and_then(|(seq, _)| self.find(seq)) {
            Some(at) => self.remove(at),
            None => Ok(()),
        }
    }

    /// The runs that began and whose end the log does not know yet.
    pub(crate) fn begun(&self) -> Vec<(u64, RunId)> {
        let started = self.slots.iter().flatten().filter(|slot| slot.waiting.draft.kind() == EntryKind::Started);
        started.filter_map(|slot| Some((slot.waiting.seq, slot.waiting.draft.run_id()?))).collect()
    }

    /// How many entries wait to be told.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().filter(|slot| !slot.told).count()
    }

    fn free(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_none()).count()
    }

    fn find(&self, seq: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|slot| slot.waiting.seq == seq))
    }

    fn fill(&mut self, waiting: Waiting) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&self.path);
        let at = self.slots.iter().position(Option::is_none);
        let at = at.ok_or_else(|| failed(std::io::ErrorKind::StorageFull.into()))?;
        let page = page(&waiting).ok_or_else(|| too_long(&self.path))?;
        self.write(at, 0, &page, "journal.enqueue").map_err(&failed)?;
        self.slots[at] = Some(Slot { waiting, attempt: None, told: false });
        Ok(())
    }

    /// Counts one more skipped run in the last entry of that kind, where there is no slot for an entry of its own.
    fn merge(&mut self, draft: &Draft) -> Result<bool, SpoolError> {
        let last = self.waiting().pop().filter(|last| {
            // An entry that was signed already says what it says.
            let sent = self.find(last.seq).and_then(|at| self.slots[at].as_ref()).is_none_or(|s| s.attempt.is_some());
            last.draft.kind() == EntryKind::Skipped && draft.kind() == EntryKind::Skipped && !sent
        });
        let Some(last) = last else { return Ok(false) };
        // Both stand there for a moment, in one place of the order; reading takes the greater count.
        let old = self.find(last.seq);
        self.fill(Waiting { more: last.more + 1, ..last })?;
        if let Some(at) = old {
            self.remove(at)?;
        }
        Ok(true)
    }

    fn remove(&mut self, at: usize) -> Result<(), SpoolError> {
        let failed = SpoolError::io(&self.path);
        place("journal.remove").map_err(&failed)?;
        let zeros = [0; PAGE];
        self.write(at, 0, &zeros, "").map_err(&failed)?;
        place("journal.removing").map_err(&failed)?;
        self.write(at, 1, &zeros, "").map_err(&failed)?;
        self.slots[at] = None;
        place("journal.removed").map_err(&failed)
    }

    fn grow(&mut self) -> std::io::Result<()> {
        place("journal.grow")?;
        let end = self.slots.len() as u64 * SLOT;
        self.file.seek(SeekFrom::Start(end))?;
        let written = self.file.write_all(&vec![0; STEP * 2 * PAGE]).and_then(|()| self.file.sync_all());
        if let Err(error) = written {
            let _ = self.file.set_len(end);
            return Err(error);
        }
        self.slots.resize_with(self.slots.len() + STEP, || None);
        Ok(())
    }

    fn read(&mut self) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        let mut torn = Vec::new();
        for (at, pages) in bytes.chunks_exact(2 * PAGE).enumerate() {
            let (first, second) = pages.split_at(PAGE);
            let slot = parse::<Waiting>(first).map(|waiting| Slot {
                waiting,
                attempt: parse::<StoredAttempt>(second).map(StoredAttempt::into),
                told: false,
            });
            if slot.is_none() && pages.iter().any(|byte| *byte != 0) {
                torn.push(at);
            }
            self.slots.push(slot);
        }
        for at in torn {
            self.write(at, 0, &[0; PAGE], "")?;
            self.write(at, 1, &[0; PAGE], "")?;
        }
        self.unmerge()
    }

    /// Of two that stand in one place of the order, the one that counts more is right.
    fn unmerge(&mut self) -> std::io::Result<()> {
        for at in 0..self.slots.len() {
            let Some(Slot { waiting: Waiting { seq, more, .. }, .. }) = &self.slots[at] else { continue };
            let newer = self.slots.iter().flatten().any(|slot| slot.waiting.seq == *seq && slot.waiting.more > *more);
            if newer {
                self.write(at, 0, &[0; PAGE], "")?;
                self.slots[at] = None;
            }
        }
        Ok(())
    }

    /// Writes a page in place, durably.
    fn write(&mut self, slot: usize, page: u64, bytes: &[u8], name: &'static str) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(slot as u64 * SLOT + page * PAGE as u64))?;
        if !name.is_empty() {
            torn(name, &mut self.file, bytes)?;
        }
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }
}

#[derive(Serialize, Deserialize)]
struct StoredAttempt {
    index: u64,
    envelope: String,
}

impl From<StoredAttempt> for Attempt {
    fn from(stored: StoredAttempt) -> Self {
        Self { index: stored.index, envelope: stored.envelope.into_bytes() }
    }
}

/// A page with an attempt; `None` if it is too long for one.
pub(crate) fn attempt_page(attempt: &Attempt) -> Option<[u8; PAGE]> {
    let envelope = String::from_utf8(attempt.envelope.clone()).ok()?;
    page(&StoredAttempt { index: attempt.index, envelope })
}

/// The attempt in a page, if there is a whole one.
pub(crate) fn attempt_in(page: &[u8]) -> Option<Attempt> {
    parse::<StoredAttempt>(page).map(StoredAttempt::into)
}

fn page<T: Serialize>(value: &T) -> Option<[u8; PAGE]> {
    let mut text = serde_json::to_vec(value).ok()?;
    let digest = Digest::of(&text);
    text.extend_from_slice(format!("\n{digest}\n").as_bytes());
    let mut page = [0; PAGE];
    page.get_mut(..text.len())?.copy_from_slice(&text);
    Some(page)
}

fn parse<T: DeserializeOwned>(page: &[u8]) -> Option<T> {
    let mut lines = page.split(|byte| *byte == b'\n');
    let (json, digest) = (lines.next()?, lines.next()?);
    (Digest::of(json).to_string().as_bytes() == digest).then(|| serde_json::from_slice(json).ok())?
}

/// A reason that fits its page, whatever an error had to say.
pub(crate) fn shortened(draft: Draft) -> Draft {
    match draft.reason() {
        Some(reason) if reason.len() > REASON => {
            let end = (0..=REASON).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
            let reason = format!("{}…", &reason[..end]);
            draft.because(reason)
        }
        _ => draft,
    }
}

fn too_long(path: &Path) -> SpoolError {
    let what = "an entry of the log is longer than a page".to_owned();
    SpoolError::Damaged { path: path.display().to_string(), what }
}
