//! The log, from its genesis to its head.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{AgentId, Digest, LogHead, RunId};

use super::Checker;
use crate::log::{EntryKind, LogEntry, LogStatement, PUBLIC_KEY, entry_path, folder, index_of, look};
use crate::select::RunRef;
use crate::statement::{Statement, Subject, run_path};
use crate::{SealError, dsse};

/// What the log says.
pub(super) struct LogFacts {
    /// Whether the expected head is in it.
    pub(super) expected: bool,
    /// The newest valid entry.
    pub(super) head: Option<LogHead>,
    /// The runs it names, oldest first.
    pub(super) runs: Vec<RunRef>,
}

/// Checks the log of an agent.
pub(super) fn check(
    checker: &mut Checker<'_>,
    agent: &AgentId,
    expect: Option<LogHead>,
) -> Result<LogFacts, SealError> {
    let mut walk = Walk::new(agent);
    let mut expected = false;
    let mut next = 0;
    loop {
        let path = entry_path(agent, next);
        // A signature is checked once.
        let entry = Cell::new(None);
        let valid = |bytes: &[u8]| {
            let opened = open(checker, bytes).ok().filter(|(statement, _)| is_at(statement, agent, next));
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
                let opened = entry.take().map_or_else(|| open(checker, &found.bytes), Ok);
                walk.entry(checker, &path, head, opened)?;
            }
        }
        next += 1;
    }
    walk.settle_junk(checker, &[]);
    check_listing(checker, agent, next)?;
    walk.check_open(checker);
    walk.check_strays(checker)?;
    Ok(LogFacts { expected, head: walk.head, runs: walk.runs })
}

/// A signed entry and the key that signed it, or what is wrong with it.
type Opened = Result<(LogStatement, Digest), String>;

fn open(checker: &Checker<'_>, bytes: &[u8]) -> Opened {
    let opened = dsse::open(bytes, checker.keys).map_err(|error| error.to_string())?;
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
}

impl<'w> Walk<'w> {
    fn new(agent: &'w AgentId) -> Self {
        Self {
            agent,
            head: None,
            broken: false,
            junk: Vec::new(),
            runs: Vec::new(),
            open: BTreeMap::new(),
            last_started: None,
            ended: BTreeSet::new(),
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
        self.settle_junk(checker, &entry.obstructions);
        let previous = self.head.map_or(Digest::ZERO, |head| head.digest);
        if entry.previous != previous && !std::mem::take(&mut self.broken) {
            checker.problem(
                path,
                format!("it follows an entry with SHA-256 {}, and not the one before it ({previous})", entry.previous),
            );
        }
        self.broken = false;
        if (entry.kind == EntryKind::Obstructed) == entry.obstructions.is_empty() {
            checker.problem(path, "an entry names obstructions exactly when it is `obstructed`");
        }
        let [subject] = statement.subject.as_slice() else {
            checker.problem(path, "an entry is about exactly one thing");
            self.head = Some(at);
            return Ok(());
        };
        self.subject(checker, path, (entry, subject), key)?;
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
            (EntryKind::Run, Some(run)) => {
                if subject.name != run_path(self.agent, run) {
                    checker.problem(path, format!("it names {} for the run {run}", subject.name));
                }
            }
            (EntryKind::Run | EntryKind::Started | EntryKind::Abandoned, None) => {
                checker.problem(path, "it does not say which run it is about");
            }
            _ if subject.name.starts_with("v1/objects/") => {
                let read = look(checker.archive, &subject.name, &|bytes| Digest::of(bytes) == subject.sha256());
                match checker.tolerate(read)? {
                    Some(Some(found)) if found.digest == subject.sha256() => {}
                    Some(Some(_)) => {
                        let what = format!("its SHA-256 is not the one that {path} names");
                        checker.problem(&subject.name, what);
                    }
                    Some(None) => checker.problem(&subject.name, format!("it is missing; {path} refers to it")),
                    None => {}
                }
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
    fn check_strays(&self, checker: &mut Checker<'_>) -> Result<(), SealError> {
        let named: BTreeSet<&str> = self.runs.iter().map(|run| run.path.as_str()).collect();
        let mut folders = vec![format!("v1/runs/{}/", self.agent)];
        while let Some(folder) = folders.pop() {
            let listed = checker.archive.list(&folder).map_err(SealError::from);
            for name in checker.tolerate(listed)?.unwrap_or_default() {
                let path = format!("{folder}{name}");
                if name.ends_with('/') {
                    folders.push(path);
                } else if name == "run.dsse.json" && !named.contains(path.as_str()) {
                    self.stray(checker, &path);
                }
            }
        }
        Ok(())
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
