//! The log read forwards: what an agent wrote down since a moment, entry by entry.

use std::cell::Cell;

use evidenced_model::{AgentId, Archive, LogHead};
use jiff::Timestamp;

use crate::log::{EntryKind, Log, LogEntry, entry_path, look};
use crate::select::RunRef;
use crate::statement::{Statement, Subject};
use crate::{PublicKeys, SealError, dsse};

/// An entry as it stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What it says.
    pub entry: LogEntry,
    /// Its place, and the SHA-256 of its bytes.
    pub head: LogHead,
    /// What it is about.
    pub subject: Option<Subject>,
}

impl Logged {
    /// The run that it seals, if it seals one.
    pub fn run(&self) -> Option<RunRef> {
        let (EntryKind::Run, Some(run), Some(subject)) = (self.entry.kind, self.entry.run, &self.subject) else {
            return None;
        };
        Some(RunRef {
            appended_at: self.entry.appended_at,
            digest: subject.sha256(),
            entry: self.head,
            path: subject.name.clone(),
            run,
            slot: self.entry.slot.clone(),
        })
    }
}

/// The entry at an index; `None` if there is none, or something that is no entry of this agent's log. Without keys,
/// nothing is believed beyond the shape.
pub fn entry_at(
    archive: &dyn Archive,
    agent: &AgentId,
    keys: Option<&PublicKeys>,
    index: u64,
) -> Result<Option<Logged>, SealError> {
    let open = |bytes: &[u8]| match keys {
        Some(keys) => dsse::open(bytes, keys),
        None => dsse::parse(bytes),
    };
    // A signature is checked once.
    let opened = Cell::new(None);
    let valid = |bytes: &[u8]| match open(bytes) {
        Ok(envelope) => {
            opened.set(Some(envelope));
            true
        }
        Err(_) => false,
    };
    let Some(found) = look(archive, &entry_path(agent, index), &valid)? else { return Ok(None) };
    let Some(statement) = opened.take().and_then(|opened| Statement::<LogEntry>::parse(&opened.payload).ok()) else {
        return Ok(None);
    };
    let entry = statement.predicate;
    if entry.index != index || entry.agent != *agent {
        return Ok(None);
    }
    let mut subjects = statement.subject.into_iter();
    let subject = subjects.next().filter(|_| subjects.next().is_none());
    Ok(Some(Logged { entry, head: LogHead { digest: found.digest, index }, subject }))
}

/// The newest index of an agent's log; `None` if it has none.
pub fn last_index(archive: &dyn Archive, agent: &AgentId) -> Result<Option<u64>, SealError> {
    Log::new(archive, agent.clone(), PublicKeys::default()).last_index()
}

/// The entries from an index on, oldest first. What is no entry is passed over.
pub fn entries_from<'a>(
    archive: &'a dyn Archive,
    agent: &'a AgentId,
    keys: Option<&'a PublicKeys>,
    first: u64,
) -> Result<impl Iterator<Item = Result<Logged, SealError>> + use<'a>, SealError> {
    let after = last_index(archive, agent)?.map_or(0, |last| last + 1);
    Ok((first..after).filter_map(move |index| entry_at(archive, agent, keys, index).transpose()))
}

/// The first index whose entry was appended at this moment or later, found with a logarithm of reads; the index after
/// the last if there is none.
pub fn first_since(archive: &dyn Archive, agent: &AgentId, moment: Timestamp) -> Result<u64, SealError> {
    let (mut low, mut high) = (0, last_index(archive, agent)?.map_or(0, |last| last + 1));
    while low < high {
        let middle = low + (high - low) / 2;
        // Junk says nothing of the time: the next entry does.
        let mut probe = middle;
        let appended = loop {
            if probe >= high {
                break None;
            }
            match entry_at(archive, agent, None, probe)? {
                Some(logged) => break Some(logged.entry.appended_at),
                None => probe += 1,
            }
        };
        match appended {
            Some(appended) if appended < moment => low = probe + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
