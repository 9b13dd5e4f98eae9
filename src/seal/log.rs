//! The agent's log: one signed entry after another, each naming the one before.

use std::io::Read as _;

use evidenced_model::digest::Hasher;
use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead, RunId, Sink, SinkError, Slot};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::statement::{Predicate, Statement, Subject};
use crate::write::SealedRun;
use crate::{PublicKeys, SealError, Signer, dsse};

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
    /// The slot of the schedule it is about.
    pub slot: Option<Slot>,
}

impl Predicate for LogEntry {
    const TYPE: &'static str = "urn:evidenced:log-entry:v1";
}

/// The statement of an entry.
pub type LogStatement = Statement<LogEntry>;

/// An entry that is to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    kind: EntryKind,
    reason: Option<String>,
    run: Option<RunId>,
    slot: Option<Slot>,
    subject: Option<Subject>,
}

impl Draft {
    /// An entry about nothing that was sealed: its subject is the previous entry.
    pub fn new(kind: EntryKind, reason: Option<String>) -> Self {
        Self { kind, reason, run: None, slot: None, subject: None }
    }

    /// A run begins.
    pub fn started(run: RunId, slot: Option<Slot>) -> Self {
        Self { run: Some(run), slot, ..Self::new(EntryKind::Started, None) }
    }

    /// A run is sealed.
    pub fn run(run: &SealedRun) -> Self {
        let subject = Some(Subject::new(&run.path, run.digest));
        Self { run: Some(run.run), slot: run.slot.clone(), subject, ..Self::new(EntryKind::Run, None) }
    }

    /// A started run is given up.
    pub fn abandoned(run: RunId, reason: impl Into<String>) -> Self {
        Self { run: Some(run), ..Self::new(EntryKind::Abandoned, Some(reason.into())) }
    }

    /// The same, about another sealed thing.
    #[must_use]
    pub fn about(self, subject: Subject) -> Self {
        Self { subject: Some(subject), ..self }
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

/// The end of an agent's log, and the way to add to it.
pub struct Log<'a> {
    archive: &'a dyn Archive,
    agent: AgentId,
    keys: PublicKeys,
    end: Option<End>,
}

/// What is known of a log's end.
#[derive(Debug, Clone)]
struct End {
    /// The last entry that is ours.
    head: Option<LogHead>,
    /// The first index that is free.
    next: u64,
    /// What stands between the two.
    junk: Vec<LogHead>,
}

impl<'a> Log<'a> {
    /// The log of this agent; `keys` are the public keys that sign or signed it.
    pub fn new(archive: &'a dyn Archive, agent: AgentId, keys: PublicKeys) -> Self {
        Self { archive, agent, keys, end: None }
    }

    /// The newest entry; `None` if there is no log yet. Finds it with a logarithm of reads.
    pub fn head(&mut self) -> Result<Option<LogHead>, SealError> {
        Ok(self.end()?.head)
    }

    /// Appends an entry; a log without a beginning gets its genesis first. If another writer was faster,
    /// the entry is signed again behind his; if the same payload is there already, that entry stands.
    pub fn append(
        &mut self,
        sink: &mut dyn Sink,
        signer: &dyn Signer,
        draft: &Draft,
        now: Timestamp,
    ) -> Result<LogHead, SealError> {
        for _ in 0..MAX_TRIES {
            let mut end = self.end()?;
            let (draft, last) = match end.head {
                None => (&Draft::new(EntryKind::Genesis, None), false),
                Some(_) if !end.junk.is_empty() => (&Draft::new(EntryKind::Obstructed, None), false),
                Some(_) => (draft, true),
            };
            let path = entry_path(&self.agent, end.next);
            let payload = self.statement(draft, &end, signer, now).to_bytes();
            let envelope = dsse::sign(&payload, signer)?;
            let (found, ours) = match sink.put(&path, &envelope) {
                Ok(_) => (Found { digest: Digest::of(&envelope), bytes: envelope }, true),
                Err(SinkError::Exists { path }) => {
                    let there = self.look(end.next)?.ok_or_else(|| {
                        let reason = "the store says that it is there, and does not show it".to_owned();
                        SinkError::Away { path, reason }
                    })?;
                    let ours = dsse::open(&there.bytes, &self.keys).is_ok_and(|opened| opened.payload == payload);
                    (there, ours)
                }
                Err(error) => return Err(error.into()),
            };
            let entry = LogHead { digest: found.digest, index: end.next };
            self.take(&mut end, &found);
            self.end = Some(end);
            if ours && last {
                return Ok(entry);
            }
        }
        Err(self.stuck(format!("{MAX_TRIES} entries in a row were somebody else's; see who writes there")))
    }

    /// The entry at an index, if it is signed by one of the log's keys and in its place.
    pub fn entry(&self, index: u64) -> Result<Option<(LogStatement, Digest)>, SealError> {
        let valid = |bytes: &[u8]| self.parse(index, bytes).is_some();
        let bytes = self.archive.read_valid(&entry_path(&self.agent, index), dsse::LIMIT, &valid)?;
        Ok(bytes.and_then(|bytes| Some((self.parse(index, &bytes)?, Digest::of(&bytes)))))
    }

    /// Runs among the last `depth` entries that started and neither were sealed nor abandoned, newest first.
    pub fn unfinished(&mut self, depth: u64) -> Result<Vec<RunId>, SealError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        let mut ended = std::collections::BTreeSet::new();
        let mut open = Vec::new();
        for index in (head.index.saturating_sub(depth)..=head.index).rev() {
            let Some((statement, _)) = self.entry(index)? else { continue };
            match (statement.predicate.kind, statement.predicate.run) {
                (EntryKind::Run | EntryKind::Abandoned, Some(run)) => drop(ended.insert(run)),
                (EntryKind::Started, Some(run)) if !ended.contains(&run) => open.push(run),
                _ => {}
            }
        }
        Ok(open)
    }

    fn statement(&self, draft: &Draft, end: &End, signer: &dyn Signer, now: Timestamp) -> LogStatement {
        let subject = match (&draft.subject, end.head) {
            (Some(subject), _) => subject.clone(),
            (None, Some(head)) => Subject::new(entry_path(&self.agent, head.index), head.digest),
            (None, None) => Subject::new(PUBLIC_KEY, signer.public_key().id()),
        };
        let obstructed = draft.kind == EntryKind::Obstructed;
        let entry = LogEntry {
            agent: self.agent.clone(),
            appended_at: now,
            index: end.next,
            kind: draft.kind,
            obstructions: if obstructed { end.junk.clone() } else { Vec::new() },
            previous: end.head.map_or(Digest::ZERO, |head| head.digest),
            reason: draft.reason.clone(),
            run: draft.run,
            slot: draft.slot.clone(),
        };
        LogStatement::new(entry, vec![subject])
    }

    fn parse(&self, index: u64, bytes: &[u8]) -> Option<LogStatement> {
        let opened = dsse::open(bytes, &self.keys).ok()?;
        let statement = LogStatement::parse(&opened.payload).ok()?;
        (statement.predicate.index == index && statement.predicate.agent == self.agent).then_some(statement)
    }

    /// The end as it is now: known from before, or found.
    fn end(&mut self) -> Result<End, SealError> {
        let end = match self.end.take() {
            Some(end) => self.follow(end)?,
            None => self.find()?,
        };
        self.end = Some(end.clone());
        Ok(end)
    }

    /// Goes on from a known end.
    fn follow(&self, mut end: End) -> Result<End, SealError> {
        while let Some(found) = self.look(end.next)? {
            self.take(&mut end, &found);
        }
        Ok(end)
    }

    /// Takes what stands at the next index: our entry, or junk.
    fn take(&self, end: &mut End, found: &Found) {
        let entry = LogHead { digest: found.digest, index: end.next };
        let previous = end.head.map_or(Digest::ZERO, |head| head.digest);
        if self.parse(end.next, &found.bytes).is_some_and(|entry| entry.predicate.previous == previous) {
            end.head = Some(entry);
            end.junk.clear();
        } else {
            end.junk.push(entry);
        }
        end.next += 1;
    }

    /// Finds the end, then goes back over junk to the last entry that is ours.
    fn find(&self) -> Result<End, SealError> {
        let Some(last) = self.last_index()? else { return Ok(End { head: None, next: 0, junk: Vec::new() }) };
        match self.back_from(last + 1)? {
            Some(end) => Ok(end),
            // Somebody put a file far behind the end. Its index is not the next, so it is in nobody's way.
            None => self.find_by_listing(),
        }
    }

    /// An index behind which there is no file, found by doubling and halving.
    pub(crate) fn last_index(&self) -> Result<Option<u64>, SealError> {
        if !self.exists(0)? {
            if self.archive.list(&folder(&self.agent))?.iter().any(|name| index_of(name).is_some()) {
                return Err(self.stuck("its entry 0 is missing, though later ones are there: restore it"));
            }
            return Ok(None);
        }
        let (mut there, mut gone) = (0, 1);
        while self.exists(gone)? {
            (there, gone) = (gone, gone * 2);
        }
        while gone - there > 1 {
            let middle = there + (gone - there) / 2;
            if self.exists(middle)? {
                there = middle;
            } else {
                gone = middle;
            }
        }
        Ok(Some(there))
    }

    fn find_by_listing(&self) -> Result<End, SealError> {
        let mut next = 0;
        for index in self.archive.list(&folder(&self.agent))?.iter().filter_map(|name| index_of(name)) {
            if index == next {
                next += 1;
            }
        }
        self.back_from(next)?.ok_or_else(|| self.stuck("entries vanish while they are read"))
    }

    /// Goes back from a free index to the last entry that is ours; `None` if there is a hole on the way.
    fn back_from(&self, next: u64) -> Result<Option<End>, SealError> {
        let mut junk = Vec::new();
        for index in (0..next).rev() {
            let Some(found) = self.look(index)? else { return Ok(None) };
            let entry = LogHead { digest: found.digest, index };
            if self.parse(index, &found.bytes).is_some() {
                junk.reverse();
                return Ok(Some(End { head: Some(entry), next, junk }));
            }
            junk.push(entry);
        }
        Err(self.stuck(
            "none of its entries is signed by a key of this agent: use the key that signed it, or another agent.id",
        ))
    }

    fn exists(&self, index: u64) -> Result<bool, SealError> {
        Ok(self.archive.open(&entry_path(&self.agent, index))?.is_some())
    }

    fn look(&self, index: u64) -> Result<Option<Found>, SealError> {
        look(self.archive, &entry_path(&self.agent, index), &|bytes| self.parse(index, bytes).is_some())
    }

    fn stuck(&self, what: impl Into<String>) -> SealError {
        let location = self.archive.location();
        SealError::Log { folder: format!("{location}/{}", folder(&self.agent)), what: what.into() }
    }
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

/// The subject of a genesis entry.
pub const PUBLIC_KEY: &str = "public-key";

const MAX_TRIES: usize = 1000;
