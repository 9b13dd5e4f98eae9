//! The end of an agent's log, and the way to add to it, whoever else adds to it meanwhile.

use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead, RunId, Sink, SinkError};
use jiff::Timestamp;

use super::{Draft, EntryKind, Found, LogEntry, LogStatement, PUBLIC_KEY, entry_path, folder, index_of, look};
use crate::statement::Subject;
use crate::{PublicKeys, SealError, Signer, dsse};

/// The end of an agent's log, and the way to add to it.
pub struct Log<'a> {
    archive: &'a dyn Archive,
    agent: AgentId,
    keys: PublicKeys,
    end: Option<Tail>,
}

/// What is known of a log's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last entry that is ours.
    head: Option<LogHead>,
    /// The first index that is free.
    next: u64,
    /// What stands between the two.
    junk: Vec<LogHead>,
    /// The key that signs next: that of the head, or the one that the head hands over to.
    signs: Option<Digest>,
}

/// An entry that was signed for one index, and may be on its way to the store, or there already.
///
/// Whoever keeps it over a crash never appends the same thing twice: the entry is signed for another index only
/// after something else was seen at this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its place in the log.
    pub index: u64,
    /// The signed bytes.
    pub envelope: Vec<u8>,
}

/// Keeps an attempt, durably, before it is sent.
pub type Keep<'k> = dyn FnMut(&Attempt) -> Result<(), SealError> + 'k;

impl<'a> Log<'a> {
    /// The log of this agent; `keys` are the public keys that sign or signed it.
    pub fn new(archive: &'a dyn Archive, agent: AgentId, keys: PublicKeys) -> Self {
        Self { archive, agent, keys, end: None }
    }

    /// The same, with its end as it was seen before: then appending begins with a write and no reads.
    #[must_use]
    pub fn resume(self, tail: Tail) -> Self {
        Self { end: Some(tail), ..self }
    }

    /// The same, with a head that was seen before; one read tells whether it is still there. `None` if it is not:
    /// the log was cut back or changed behind it, or this is another store.
    pub fn resume_at(self, head: LogHead) -> Result<Option<Self>, SealError> {
        let there = self.look(head.index)?.filter(|found| found.digest == head.digest);
        let signs = there.and_then(|found| Some(self.signed(head.index, &found.bytes)?.1));
        let next = head.index + 1;
        Ok(signs.map(|signs| self.resume(Tail { head: Some(head), next, junk: Vec::new(), signs: Some(signs) })))
    }

    /// The key that signs the next entry; `None` if there is no log yet.
    pub fn signs(&mut self) -> Result<Option<Digest>, SealError> {
        Ok(self.end()?.signs)
    }

    /// What is known of its end, for [`Log::resume`].
    pub fn tail(&self) -> Option<Tail> {
        self.end.clone()
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
        self.append_kept(sink, signer, draft, now, (None, &mut |_| Ok(())))
    }

    /// Appends an entry exactly once, also over crashes and lost answers: `kept` is the attempt that an earlier
    /// call kept, and `keep` is told of each attempt before it is sent.
    pub fn append_kept(
        &mut self,
        sink: &mut dyn Sink,
        signer: &dyn Signer,
        draft: &Draft,
        now: Timestamp,
        (kept, keep): (Option<Attempt>, &mut Keep<'_>),
    ) -> Result<LogHead, SealError> {
        if let Some(attempt) = kept
            && let Some(head) = self.settle(sink, &attempt)?
        {
            return Ok(head);
        }
        for _ in 0..MAX_TRIES {
            let mut end = match &self.end {
                Some(end) => end.clone(),
                None => self.find()?,
            };
            if self.not_ours(&end, signer).is_some() {
                // What is known of the end may be from before another key handed over to this one.
                end = self.follow(end)?;
                if let Some(error) = self.not_ours(&end, signer) {
                    return Err(error);
                }
            }
            if end.junk.len() > MOST_JUNK {
                self.end = None;
                let what = "files of somebody else stand behind its end; see who writes there, or use another agent.id";
                return Err(self.stuck(format!("{} {what}", end.junk.len())));
            }
            let (draft, last) = match end.head {
                None => (&Draft::new(EntryKind::Genesis, None), false),
                Some(_) if !end.junk.is_empty() => (&Draft::new(EntryKind::Obstructed, None), false),
                Some(_) => (draft, true),
            };
            let payload = self.statement(draft, &end, signer, now).to_bytes();
            let attempt = Attempt { index: end.next, envelope: dsse::sign(&payload, signer)? };
            if last {
                keep(&attempt)?;
            }
            if let Some(entry) = self.put(sink, &mut end, &attempt)?
                && last
            {
                return Ok(entry);
            }
        }
        Err(self.stuck(format!("{MAX_TRIES} entries in a row were somebody else's; see who writes there")))
    }

    /// What became of an attempt: its place in the log, or `None` if its index went to somebody else.
    fn settle(&mut self, sink: &mut dyn Sink, attempt: &Attempt) -> Result<Option<LogHead>, SealError> {
        if let Some(found) = self.look(attempt.index)? {
            let ours = self.is(attempt, &found);
            if !ours || self.end.as_ref().is_some_and(|end| end.next > attempt.index) {
                return Ok(ours.then_some(LogHead { digest: found.digest, index: attempt.index }));
            }
            // What is known of the end is older than the attempt.
            self.end()?;
            return Ok(Some(LogHead { digest: found.digest, index: attempt.index }));
        }
        let mut end = self.end()?;
        let previous = self.parse(attempt.index, &attempt.envelope).map(|entry| entry.predicate.previous);
        let fits = end.next == attempt.index && end.junk.is_empty() && previous == end.head.map(|head| head.digest);
        // An attempt that does not fit was for a log that has been cut back since, or for another store's.
        if fits { self.put(sink, &mut end, attempt) } else { Ok(None) }
    }

    /// Writes an attempt at the end; gives its place if it, or an entry with the same payload, stands there now.
    fn put(&mut self, sink: &mut dyn Sink, end: &mut Tail, attempt: &Attempt) -> Result<Option<LogHead>, SealError> {
        let (found, ours) = match sink.put(&entry_path(&self.agent, attempt.index), &attempt.envelope) {
            Ok(_) => (Found { digest: Digest::of(&attempt.envelope), bytes: attempt.envelope.clone() }, true),
            Err(SinkError::Exists { path }) => {
                let there = self.look(attempt.index)?.ok_or_else(|| {
                    let reason = "the store says that it is there, and does not show it".to_owned();
                    SinkError::Away { path, reason }
                })?;
                let ours = self.is(attempt, &there);
                (there, ours)
            }
            // Whether it arrived is not known; the next attempt looks.
            Err(error) => return Err(error.into()),
        };
        self.take(end, &found);
        if !ours {
            *end = self.follow(end.clone())?;
        }
        self.end = Some(end.clone());
        Ok(ours.then_some(LogHead { digest: found.digest, index: attempt.index }))
    }

    /// Whether a file is this attempt, or an entry of ours with the same payload: a key service never signs
    /// twice alike.
    fn is(&self, attempt: &Attempt, found: &Found) -> bool {
        let payload = |bytes: &[u8]| dsse::open(bytes, &self.keys).ok().map(|opened| opened.payload);
        found.bytes == attempt.envelope
            || payload(&found.bytes).is_some_and(|there| payload(&attempt.envelope) == Some(there))
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

    fn statement(&self, draft: &Draft, end: &Tail, signer: &dyn Signer, now: Timestamp) -> LogStatement {
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
            since: draft.since,
            slot: draft.slot.clone(),
        };
        LogStatement::new(entry, vec![subject])
    }

    fn parse(&self, index: u64, bytes: &[u8]) -> Option<LogStatement> {
        self.signed(index, bytes).map(|(statement, _)| statement)
    }

    /// An entry of ours, and the key that signs the next one.
    fn signed(&self, index: u64, bytes: &[u8]) -> Option<(LogStatement, Digest)> {
        self.opened(index, bytes).map(|(statement, signs, _)| (statement, signs))
    }

    /// The same, and the key that signed it.
    fn opened(&self, index: u64, bytes: &[u8]) -> Option<(LogStatement, Digest, Digest)> {
        let opened = dsse::open(bytes, &self.keys).ok()?;
        let statement = LogStatement::parse(&opened.payload).ok()?;
        if statement.predicate.index != index || statement.predicate.agent != self.agent {
            return None;
        }
        let handed = statement.subject.first().filter(|_| statement.predicate.kind == EntryKind::KeyRotated);
        let signs = handed.map_or(opened.key, Subject::sha256);
        Some((statement, signs, opened.key))
    }

    /// The newest entry is signed by another key than this, and does not hand over to it.
    fn not_ours(&self, end: &Tail, signer: &dyn Signer) -> Option<SealError> {
        let (ours, signs) = (signer.public_key().id(), end.signs?);
        (signs != ours).then(|| {
            self.stuck(format!(
                "key {signs} signs it, and this is key {ours}: use that one, or hand over with `evidenced keys rotate`; \
                 if it handed over before, take it out of seal.former_keys"
            ))
        })
    }

    /// The end as it is now: known from before, or found.
    fn end(&mut self) -> Result<Tail, SealError> {
        let end = match self.end.take() {
            Some(end) => self.follow(end)?,
            None => self.find()?,
        };
        self.end = Some(end.clone());
        Ok(end)
    }

    /// Goes on from a known end; if others have added much meanwhile, the end is found anew.
    fn follow(&self, mut end: Tail) -> Result<Tail, SealError> {
        for _ in 0..FOLLOW {
            let Some(found) = self.look(end.next)? else { return Ok(end) };
            self.take(&mut end, &found);
        }
        self.find()
    }

    /// Takes what stands at the next index: our entry, or junk.
    fn take(&self, end: &mut Tail, found: &Found) {
        let entry = LogHead { digest: found.digest, index: end.next };
        let previous = end.head.map_or(Digest::ZERO, |head| head.digest);
        // What a key signs after it has handed over is junk.
        let follows = |(statement, _, by): &(LogStatement, Digest, Digest)| {
            statement.predicate.previous == previous && end.signs.is_none_or(|signs| signs == *by)
        };
        if let Some((_, signs, _)) = self.opened(end.next, &found.bytes).filter(follows) {
            end.head = Some(entry);
            end.junk.clear();
            end.signs = Some(signs);
        } else {
            end.junk.push(entry);
        }
        end.next += 1;
    }

    /// Finds the end, then goes back over junk to the last entry that is ours.
    fn find(&self) -> Result<Tail, SealError> {
        let Some(last) = self.last_index()? else {
            return Ok(Tail { head: None, next: 0, junk: Vec::new(), signs: None });
        };
        match self.back_from(last + 1)? {
            Some(end) => Ok(end),
            // Somebody put a file far behind the end. Its index is not the next, so it is in nobody's way.
            None => self.find_by_listing(),
        }
    }

    /// An index behind which there is no file, found by doubling and halving.
    pub fn last_index(&self) -> Result<Option<u64>, SealError> {
        if !self.exists(0)? {
            if !self.archive.list(&folder(&self.agent))?.iter().any(|name| index_of(name).is_some()) {
                return Ok(None);
            }
            // Somebody may have begun the log since it was looked for.
            if !self.exists(0)? {
                return Err(self.stuck("its entry 0 is missing, though later ones are there: restore it"));
            }
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

    fn find_by_listing(&self) -> Result<Tail, SealError> {
        let mut next = 0;
        for index in self.archive.list(&folder(&self.agent))?.iter().filter_map(|name| index_of(name)) {
            if index == next {
                next += 1;
            }
        }
        self.back_from(next)?.ok_or_else(|| self.stuck("entries vanish while they are read"))
    }

    /// Goes back from a free index to the last entry that is ours; `None` if there is a hole on the way.
    fn back_from(&self, next: u64) -> Result<Option<Tail>, SealError> {
        let mut junk = Vec::new();
        for index in (0..next).rev() {
            let Some(found) = self.look(index)? else { return Ok(None) };
            let entry = LogHead { digest: found.digest, index };
            if let Some((_, signs)) = self.signed(index, &found.bytes) {
                junk.reverse();
                return Ok(Some(Tail { head: Some(entry), next, junk, signs: Some(signs) }));
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

    /// What stands at an index. What is no entry of ours has to be the same when it is read again: an answer may have
    /// been cut short, and an obstruction that is signed here is one for ever.
    fn look(&self, index: u64) -> Result<Option<Found>, SealError> {
        let path = entry_path(&self.agent, index);
        let believed = |bytes: &[u8]| self.parse(index, bytes).is_some();
        let mut found = look(self.archive, &path, &believed)?;
        for _ in 0..LOOKS {
            let Some(seen) = found.take_if(|seen| !believed(&seen.bytes)) else { return Ok(found) };
            found = look(self.archive, &path, &believed)?;
            if found.as_ref().is_some_and(|again| again.digest == seen.digest) {
                return Ok(found);
            }
        }
        let reason = format!("{} gives another answer each time", self.archive.location());
        Err(ArchiveError::Io { path, reason }.into())
    }

    fn stuck(&self, what: impl Into<String>) -> SealError {
        let location = self.archive.location();
        SealError::Log { folder: format!("{location}/{}", folder(&self.agent)), what: what.into() }
    }
}

const MAX_TRIES: usize = 1000;
/// So much junk fits an entry that passes over it, with room to spare: an entry that nobody reads back for its size
/// would be junk itself.
const MOST_JUNK: usize = 4096;
/// So often an answer that is no entry of ours is asked for again.
const LOOKS: usize = 5;
/// So many entries of others are read one after another.
const FOLLOW: usize = 24;
