//! The log, from its genesis to its head.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, Digest, LogHead, RunId};

use super::trust::Trust;
use super::{Checker, sealed};
use crate::log::{EntryKind, LogEntry, LogStatement, PUBLIC_KEY, entry_path, folder, index_of, look};
use crate::select::RunRef;
use crate::statement::{Statement, Subject, run_path};
use crate::{PublicKey, PublicKeys, SealError, timestamp};

/// What the log says.
pub(super) struct LogFacts {
    /// Whether the expected head is in it.
    pub(super) expected: bool,
    /// The newest valid entry.
    pub(super) head: Option<LogHead>,
    /// The runs it names, oldest first.
    pub(super) runs: Vec<RunRef>,
    /// The paths of timestamp tokens, by the statement beside which they lie.
    pub(super) tokens: BTreeMap<String, Vec<String>>,
    /// Whose statements are believed.
    pub(super) trust: Trust,
}

/// Checks the log of an agent.
pub(super) fn check(
    checker: &mut Checker<'_>,
    agent: &AgentId,
    expect: Option<LogHead>,
) -> Result<LogFacts, SealError> {
    let mut walk = Walk::new(agent, checker.keys);
    let mut expected = false;
    let mut next = 0;
    loop {
        let path = entry_path(agent, next);
        // A signature is checked once.
        let entry = Cell::new(None);
        let valid = |bytes: &[u8]| {
            let opened = open(&walk.trust, bytes)
                .ok()
                .filter(|(statement, key)| is_at(statement, agent, next) && walk.trust.ended(*key).is_none());
            let is_valid = opened.is_some();
            entry.set(opened);
            is_valid
        };
        let read = look(checker.archive, &path, &valid);
        match checker.tolerate(read)? {
            None => walk.broken = true,
            Some(None) => break,
            Some(Some(found)) => {
                checker.report.entries += 1;
                let head = LogHead { digest: found.digest, index: next };
                expected |= expect == Some(head);
                let opened = entry.take().map_or_else(|| open(&walk.trust, &found.bytes), Ok);
                walk.entry(checker, &path, head, opened)?;
            }
        }
        next += 1;
    }
    walk.settle_junk(checker, &[]);
    check_listing(checker, agent, next)?;
    walk.check_open(checker);
    let tokens = walk.check_strays(checker)?;
    Ok(LogFacts { expected, head: walk.head, runs: walk.runs, tokens, trust: walk.trust })
}

/// A signed entry and the key that signed it, or what is wrong with it.
type Opened = Result<(LogStatement, Digest), String>;

fn open(trust: &Trust, bytes: &[u8]) -> Opened {
    let opened = trust.open(bytes).map_err(|error| error.to_string())?;
    Ok((LogStatement::parse(&opened.payload)?, opened.key))
}

fn is_at(statement: &LogStatement, agent: &AgentId, index: u64) -> bool {
    statement.predicate.index == index && statement.predicate.agent == *agent
}

/// Goes along the log.
struct Walk<'w> {
    agent: &'w AgentId,
    head: Option<LogHead>,
    /// An entry was wrong, so that its successor's link to it cannot be right; it was told already.
    broken: bool,
    /// Entries that are not valid, until an `obstructed` entry passes over them.
    junk: Vec<(LogHead, String)>,
    runs: Vec<RunRef>,
    /// Where each open run started.
    open: BTreeMap<RunId, u64>,
    last_started: Option<RunId>,
    ended: BTreeSet<RunId>,
    trust: Trust,
}

impl<'w> Walk<'w> {
    fn new(agent: &'w AgentId, pinned: &PublicKeys) -> Self {
        Self {
            agent,
            head: None,
            broken: false,
            junk: Vec::new(),
            runs: Vec::new(),
            open: BTreeMap::new(),
            last_started: None,
            ended: BTreeSet::new(),
            trust: Trust::new(pinned),
        }
    }

    fn entry(&mut self, checker: &mut Checker<'_>, path: &str, at: LogHead, opened: Opened) -> Result<(), SealError> {
        let (statement, key) = match opened {
            Ok(opened) => opened,
            Err(what) => {
                self.junk.push((at, what));
                return Ok(());
            }
        };
        let entry = &statement.predicate;
        if !is_at(&statement, self.agent, at.index) {
            let what = format!("it is entry {} of agent {}: it was moved or replayed here", entry.index, entry.agent);
            self.junk.push((at, what));
            return Ok(());
        }
        if let Some(what) = self.trust.ended(key) {
            self.junk.push((at, what));
            return Ok(());
        }
        self.settle_junk(checker, &entry.obstructions);
        let previous = self.head.map_or(Digest::ZERO, |head| head.digest);
        if entry.previous != previous && !std::mem::take(&mut self.broken) {
            checker.problem(
                path,
                format!("it follows an entry with SHA-256 {}, and not the one before it ({previous})", entry.previous),
            );
        }
        self.broken = false;
        let against = self.trust.against_entry(key, at.index, entry.appended_at);
        let believed = against.is_none();
        if let Some(what) = against {
            checker.problem(path, what);
        }
        if (entry.kind == EntryKind::Obstructed) == entry.obstructions.is_empty() {
            checker.problem(path, "an entry names obstructions exactly when it is `obstructed`");
        }
        let [subject] = statement.subject.as_slice() else {
            checker.problem(path, "an entry is about exactly one thing");
            self.head = Some(at);
            return Ok(());
        };
        self.subject(checker, path, (entry, subject), key)?;
        if believed {
            self.keys(checker, path, (entry, subject), key)?;
        }
        self.lifecycle(checker, path, at, &statement);
        self.head = Some(at);
        Ok(())
    }

    /// An entry is about what its kind says.
    fn subject(
        &mut self,
        checker: &mut Checker<'_>,
        path: &str,
        (entry, subject): (&LogEntry, &Subject),
        key: Digest,
    ) -> Result<(), SealError> {
        if (entry.kind == EntryKind::Genesis) != (entry.index == 0) {
            checker.problem(path, "a log begins with its genesis, and has only one");
        }
        match (entry.kind, entry.run) {
            (EntryKind::Genesis, _) => {
                if subject.name != PUBLIC_KEY || subject.sha256() != key {
                    checker.problem(path, "a genesis is about the public key that signs it");
                }
            }
            (EntryKind::KeyRevoked, _) => {
                if subject.name != PUBLIC_KEY || subject.sha256() == key {
                    checker.problem(path, "a revocation is about a public key, and signed by another");
                }
            }
            (EntryKind::KeyRotated, _) if !subject.name.starts_with("v1/objects/") => {
                checker.problem(path, "a rotation is about an object that holds a public key");
            }
            (EntryKind::Run, Some(run)) => {
                if subject.name != run_path(self.agent, run) {
                    checker.problem(path, format!("it names {} for the run {run}", subject.name));
                }
            }
            (EntryKind::Run | EntryKind::Started | EntryKind::Abandoned, None) => {
                checker.problem(path, "it does not say which run it is about");
            }
            _ if subject.name.starts_with("v1/objects/") => {
                sealed::check(checker, path, (entry, subject))?;
            }
            (EntryKind::Attachment | EntryKind::SemanticsChanged, _) => {
                checker.problem(path, "an entry of this kind is about an object");
            }
            _ => {
                let head = self.head.unwrap_or(LogHead { digest: Digest::ZERO, index: 0 });
                let is_previous =
                    subject.name == entry_path(self.agent, head.index) && subject.sha256() == entry.previous;
                if !is_previous {
                    checker.problem(path, "an entry about nothing that was sealed is about the previous entry");
                }
            }
        }
        Ok(())
    }

    /// A believed key hands over to another, or revokes one.
    fn keys(
        &mut self,
        checker: &mut Checker<'_>,
        path: &str,
        (entry, subject): (&LogEntry, &Subject),
        by: Digest,
    ) -> Result<(), SealError> {
        match entry.kind {
            EntryKind::KeyRotated => {
                // That it is missing or changed was told already.
                let read = look(checker.archive, &subject.name, &|bytes| Digest::of(bytes) == subject.sha256());
                let Some(Some(found)) = checker.tolerate(read)? else { return Ok(()) };
                match PublicKey::from_der(&found.bytes, &subject.name) {
                    Ok(key) if key.id() == subject.sha256() => self.trust.hand_over(&key, by, entry.index),
                    Ok(_) => {}
                    Err(error) => checker.problem(path, format!("it hands over to no key: {error}")),
                }
            }
            EntryKind::KeyRevoked => {
                for index in self.trust.revoke(subject.sha256(), entry.index, entry.since) {
                    let what = format!(
                        "it is signed by key {}, which entry {} revoked since before",
                        subject.sha256(),
                        entry.index
                    );
                    checker.problem(entry_path(self.agent, index), what);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Every started run ends as run or abandoned, once.
    fn lifecycle(&mut self, checker: &mut Checker<'_>, path: &str, at: LogHead, statement: &Statement<LogEntry>) {
        let entry = &statement.predicate;
        let Some(run) = entry.run else { return };
        match entry.kind {
            EntryKind::Started => {
                if self.ended.contains(&run) || self.open.insert(run, at.index).is_some() {
                    checker.problem(path, format!("the run {run} starts a second time"));
                }
                self.last_started = Some(run);
            }
            EntryKind::Run | EntryKind::Abandoned => {
                if self.open.remove(&run).is_none() {
                    let how = if self.ended.contains(&run) { "ended before" } else { "never started" };
                    checker.problem(path, format!("the run {run} {how}"));
                }
                let again = !self.ended.insert(run);
                if let ([subject], EntryKind::Run, false) = (statement.subject.as_slice(), entry.kind, again) {
                    self.runs.push(RunRef {
                        appended_at: entry.appended_at,
                        digest: subject.sha256(),
                        entry: at,
                        path: subject.name.clone(),
                        run,
                        slot: entry.slot.clone(),
                    });
                }
            }
            _ => {}
        }
    }

    /// Junk is in order if the next valid entry names it.
    fn settle_junk(&mut self, checker: &mut Checker<'_>, obstructions: &[LogHead]) {
        for (head, what) in std::mem::take(&mut self.junk) {
            let path = entry_path(self.agent, head.index);
            if obstructions.contains(&head) {
                checker.note(path, format!("junk, which the log passed over: {what}"));
            } else {
                checker.problem(path, what);
                self.broken = true;
            }
        }
    }

    fn check_open(&self, checker: &mut Checker<'_>) {
        for (run, index) in &self.open {
            let path = entry_path(self.agent, *index);
            if self.last_started == Some(*run) {
                checker.note(path, format!("the run {run} has started and not ended yet"));
            } else {
                checker.problem(path, format!("the run {run} started, and was neither sealed nor abandoned"));
            }
        }
    }

    /// A statement that no entry names: the log has lost its end, or somebody left a run out.
    /// Gives the timestamp tokens that lie there, by the statements beside them.
    fn check_strays(&self, checker: &mut Checker<'_>) -> Result<BTreeMap<String, Vec<String>>, SealError> {
        let mut tokens: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let named: BTreeSet<&str> = self.runs.iter().map(|run| run.path.as_str()).collect();
        let mut folders = vec![format!("v1/runs/{}/", self.agent)];
        while let Some(folder) = folders.pop() {
            let listed = checker.archive.list(&folder).map_err(SealError::from);
            for name in checker.tolerate(listed)?.unwrap_or_default() {
                let path = format!("{folder}{name}");
                if name.ends_with('/') {
                    folders.push(path);
                } else if timestamp::is_token(&name) {
                    tokens.entry(format!("{folder}run.dsse.json")).or_default().push(path);
                } else if name == "run.dsse.json" && !named.contains(path.as_str()) {
                    self.stray(checker, &path);
                }
            }
        }
        Ok(tokens)
    }

    fn stray(&self, checker: &mut Checker<'_>, path: &str) {
        let run = path.rsplit('/').nth(1).and_then(|name| name.parse::<RunId>().ok());
        match run {
            Some(run) if self.open.contains_key(&run) => {
                checker.note(path, "it is sealed, and waits for its log entry");
            }
            Some(run) if self.ended.contains(&run) => checker.note(path, "its run was abandoned"),
            _ => checker.problem(path, "no log entry names it, not even a start: the log has lost entries"),
        }
    }
}

/// Nothing stands behind the end of the log.
fn check_listing(checker: &mut Checker<'_>, agent: &AgentId, next: u64) -> Result<(), SealError> {
    let listed = checker.archive.list(&folder(agent)).map_err(SealError::from);
    let names = checker.tolerate(listed)?.unwrap_or_default();
    if names.iter().filter_map(|name| index_of(name)).any(|index| index > next) {
        checker.problem(entry_path(agent, next), "it is missing, though later entries are there");
    } else if next == 0 {
        checker.problem(folder(agent), "there is no entry in it: there is nothing to verify");
    }
    for name in names.iter().filter(|name| index_of(name).is_none()) {
        checker.note(format!("{}{name}", folder(agent)), "it is no log entry");
    }
    Ok(())
}
