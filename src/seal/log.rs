//! The agent's log: one signed entry after another, each naming the one before.

use std::io::Read as _;

use evidenced_model::digest::Hasher;
use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead, RunId, Slot};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::{Format, object_path};
use crate::statement::{Predicate, Statement, Subject};
use crate::write::SealedRun;
use crate::{PublicKey, SealError, dsse};

mod chain;

pub use chain::{Attempt, Keep, Log, Tail};

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// The first entry; its subject is the public key.
    Genesis,
    /// A run begins; written before the first call to a cloud.
    Started,
    /// A run is sealed.
    Run,
    /// A started run was given up.
    Abandoned,
    /// A slot of the schedule passed without a run.
    Missed,
    /// A slot was left out, e.g. because the last run was still going.
    Skipped,
    /// A run began long after its slot.
    Late,
    /// Another key signs from here on.
    KeyRotated,
    /// A key is not to be believed any more.
    KeyRevoked,
    /// A waiver is in force from here on.
    Waiver,
    /// A document was sealed as evidence.
    Attachment,
    /// Checks changed their meaning.
    SemanticsChanged,
    /// Junk stood where this log's next entry belonged.
    Obstructed,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The agent.
    pub agent: AgentId,
    /// When it was signed.
    pub appended_at: Timestamp,
    /// Its place in the log, from 0.
    pub index: u64,
    /// What it is about.
    pub kind: EntryKind,
    /// The junk that this entry passes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstructions: Vec<LogHead>,
    /// SHA-256 of the previous entry's bytes; 64 zeros at the beginning.
    pub previous: Digest,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// For a revoked key: the moment from which on it is not to be believed, if that is before this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The slot of the schedule it is about.
    pub slot: Option<Slot>,
}

impl Predicate for LogEntry {
    const TYPE: &'static str = "urn:evidenced:log-entry:v1";
}

/// The statement of an entry.
pub type LogStatement = Statement<LogEntry>;

/// An entry that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    kind: EntryKind,
    reason: Option<String>,
    run: Option<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    slot: Option<Slot>,
    subject: Option<Subject>,
}

impl Draft {
    /// An entry about nothing that was sealed: its subject is the previous entry.
    pub fn new(kind: EntryKind, reason: Option<String>) -> Self {
        Self { kind, reason, run: None, since: None, slot: None, subject: None }
    }

    /// A run begins.
    pub fn started(run: RunId, slot: Option<Slot>) -> Self {
        Self { run: Some(run), slot, ..Self::new(EntryKind::Started, None) }
    }

    /// A run is sealed.
    pub fn run(run: &SealedRun) -> Self {
        Self::sealed(run.run, run.slot.clone(), &run.path, run.digest)
    }

    /// A run is sealed, in an envelope of this path and SHA-256.
    pub fn sealed(run: RunId, slot: Option<Slot>, path: &str, digest: Digest) -> Self {
        let subject = Some(Subject::new(path, digest));
        Self { run: Some(run), slot, subject, ..Self::new(EntryKind::Run, None) }
    }

    /// A run was not begun.
    pub fn skipped(run: RunId, slot: Option<Slot>, reason: impl Into<String>) -> Self {
        Self { run: Some(run), slot, ..Self::new(EntryKind::Skipped, Some(reason.into())) }
    }

    /// A started run is given up.
    pub fn abandoned(run: RunId, reason: impl Into<String>) -> Self {
        Self { run: Some(run), ..Self::new(EntryKind::Abandoned, Some(reason.into())) }
    }

    /// This run, the last, is judged otherwise by other checks; the entry is about what came of it.
    pub fn semantics_changed(run: RunId, reason: impl Into<String>) -> Self {
        Self { run: Some(run), ..Self::new(EntryKind::SemanticsChanged, Some(reason.into())) }
    }

    /// Another key signs from here on; its DER is stored as an object. See [`crate::rotation`].
    pub(crate) fn rotated(to: &PublicKey) -> Self {
        let subject = Subject::new(object_path(&to.id(), Format::Binary), to.id());
        Self::new(EntryKind::KeyRotated, None).about(subject)
    }

    /// A key is not to be believed any more, or not since a moment that has passed. See [`crate::rotation`].
    pub(crate) fn revoked(key: Digest, reason: String, since: Option<Timestamp>) -> Self {
        let draft = Self::new(EntryKind::KeyRevoked, Some(reason)).about(Subject::new(PUBLIC_KEY, key));
        Self { since, ..draft }
    }

    /// What it is about.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The run it is about.
    pub fn run_id(&self) -> Option<RunId> {
        self.run
    }

    /// The slot of the schedule that it is about.
    pub fn slot(&self) -> Option<&Slot> {
        self.slot.as_ref()
    }

    /// The sealed thing that it is about; `None` if it is about nothing that was sealed.
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Why, in words.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The same, for another reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The same, about another sealed thing.
    #[must_use]
    pub fn about(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// The same, about this run.
    #[must_use]
    pub fn of_run(self, run: RunId) -> Self {
        Self { run: Some(run), ..self }
    }

    /// The same, for a slot of the schedule.
    #[must_use]
    pub fn in_slot(self, slot: Slot) -> Self {
        Self { slot: Some(slot), ..self }
    }
}

/// Where an entry is stored.
pub fn entry_path(agent: &AgentId, index: u64) -> String {
    format!("{}{index:012}.dsse.json", folder(agent))
}

/// The folder of an agent's log.
pub fn folder(agent: &AgentId) -> String {
    format!("v1/log/{agent}/")
}

/// The index in an entry's file name.
pub fn index_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".dsse.json")?;
    (digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A file where an entry belongs.
pub(crate) struct Found {
    /// SHA-256 of the whole file.
    pub(crate) digest: Digest,
    /// Its bytes; none if it is larger than any entry.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a file where an entry belongs, whatever it is; of several versions, the oldest that is valid.
pub(crate) fn look(
    archive: &dyn Archive,
    path: &str,
    valid: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<Found>, SealError> {
    match archive.read_valid(path, dsse::LIMIT, valid) {
        Ok(bytes) => Ok(bytes.map(|bytes| Found { digest: Digest::of(&bytes), bytes })),
        Err(ArchiveError::TooLarge { .. }) => {
            let Some(mut file) = archive.open(path)? else { return Ok(None) };
            let mut hasher = Hasher::new();
            let mut buffer = [0; 8192];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok(Some(Found { digest: hasher.finish(), bytes: Vec::new() })),
                    Ok(count) => hasher.update(&buffer[..count]),
                    Err(error) => {
                        return Err(ArchiveError::reading(path, &error).into());
                    }
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The subject of a genesis entry, and of a revocation.
pub const PUBLIC_KEY: &str = "public-key";
