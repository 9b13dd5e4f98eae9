//! Verification: everything that can be checked without trusting whoever holds the store.
//!
//! It reads each unchanged object once, however many runs refer to it, holds one chunk at a time, and remembers a
//! bounded number of places. Of a pack it checks what is shown, and counts what is not.

mod group;
mod log;
mod memo;
mod run;
mod sealed;
mod time;
mod trust;

use std::collections::BTreeMap;

use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead, VerdictCounts};

use self::memo::Memo;
use crate::object::{Format, Loaded, MAX_CONTENT, ObjectReader, object_path};
use crate::timestamp::Anchors;
use crate::tree::{Entry, Tree};
use crate::withheld::Declaration;
use crate::{PublicKeys, SealError};

/// What to verify, and against what.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// One agent only; otherwise every agent that has a log.
    pub agent: Option<AgentId>,
    /// The authorities that are trusted with the time. With them, every run that was to be stamped needs a good token.
    pub anchors: Option<Anchors>,
    /// Somebody kept this head elsewhere: the log must still hold it.
    pub expect_head: Option<LogHead>,
    /// Only runs that began at this moment or later, in Unix milliseconds. Logs are always read as a whole.
    pub from: Option<u64>,
    /// The pinned keys, each for its time. A key that one of them hands over to in a log is believed from there on.
    pub keys: PublicKeys,
    /// It may be a pack, which says which runs it is about and leaves out what it says. A store may leave out nothing.
    pub pack: bool,
    /// Only runs that began before this moment, in Unix milliseconds.
    pub until: Option<u64>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the store's root.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// A key whose statements are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelievedKey {
    /// In the log of this agent.
    pub agent: AgentId,
    /// Log entries that it signed.
    pub entries: u64,
    /// The key.
    pub id: Digest,
    /// Why it is believed, from when until when.
    pub why: String,
}

/// Runs by what is known of their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamps {
    /// Stamped by a trusted authority.
    pub good: u64,
    /// To be stamped, and without a token that is believed.
    pub pending: u64,
    /// With a token that was not looked at, because no authority is trusted.
    pub unchecked: u64,
    /// Not to be stamped.
    pub without: u64,
}

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// The keys that are believed for each agent's runs: those that were pinned, and those handed over to.
    pub believed: BTreeMap<AgentId, PublicKeys>,
    /// Bytes of content that were read.
    pub bytes: u64,
    /// Log entries that were read.
    pub entries: u64,
    /// The newest valid entry of each agent's log.
    pub heads: Vec<(AgentId, LogHead)>,
    /// The same keys, with the reasons.
    pub keys: Vec<BelievedKey>,
    /// Runs that the logs name and that a pack is not about.
    pub left_out: u64,
    /// Worth knowing, and no fault.
    pub notes: Vec<Problem>,
    /// Objects that were read.
    pub objects: u64,
    /// What it says of itself, if it is a pack.
    pub pack: Option<Declaration>,
    /// What is wrong; empty if everything is as it was sealed. At most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Runs that were checked.
    pub runs: u64,
    /// What is known of their time.
    pub stamps: Stamps,
    /// Bytes of objects as they are stored.
    pub stored: u64,
    /// What a pack does not show of its runs.
    pub withheld: Withheld,
}

/// What a pack does not show. What stands in its place was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Lines: by themselves, or below an object that is withheld as a whole.
    pub lines: u64,
    /// Objects that are withheld as a whole: chunks, trees, documents.
    pub objects: u64,
    /// Lines by what they belong to: a kind, an account, a document (which has none).
    pub what: BTreeMap<String, u64>,
}

impl VerifyReport {
    /// Whether everything is as it was sealed, as far as it is shown: see [`VerifyReport::is_whole`].
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether everything that was sealed with the runs is shown.
    pub fn is_whole(&self) -> bool {
        self.withheld == Withheld::default()
    }
}

/// No more problems than these are listed.
pub const MAX_PROBLEMS: usize = 1000;

/// Verifies a store, or a pack. `progress` is told the number of runs done and of all runs. What is wrong is in the
/// report; an error means that verification itself could not go on.
pub fn verify(
    archive: &dyn Archive,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, SealError> {
    let mut checker = Checker::new(archive, options);
    if options.pack {
        let declared = Declaration::read(archive);
        checker.report.pack = checker.tolerate(declared)?.flatten();
    }
    let agents = match &options.agent {
        Some(agent) => vec![agent.clone()],
        None => crate::select::agents(archive)?,
    };
    if agents.is_empty() {
        checker.problem("v1/log/", format!("{} holds no log: there is nothing to verify", archive.location()));
    }
    let mut expected = options.expect_head.is_none();
    let mut runs = Vec::new();
    let mut logs = BTreeMap::new();
    for agent in agents {
        let log = log::check(&mut checker, &agent, options.expect_head)?;
        expected |= log.expected;
        checker.report.keys.extend(log.trust.report(&agent));
        checker.report.believed.insert(agent.clone(), log.trust.keys().clone());
        logs.insert(agent.clone(), (log.trust, log.tokens));
        for run in log.runs {
            let start = run.run.unix_millis();
            if checker.report.pack.as_ref().is_some_and(|pack| !pack.covers(start)) {
                checker.report.left_out += 1;
            } else if options.from.is_none_or(|from| start >= from) && options.until.is_none_or(|until| start < until) {
                runs.push((agent.clone(), run));
            }
        }
        checker.report.heads.extend(log.head.map(|head| (agent, head)));
    }
    if let Some(head) = options.expect_head.filter(|_| !expected) {
        checker
            .problem("v1/log/", format!("the expected head {head} is not in the log: its tail was cut or rewritten"));
    }
    checker.check_declared();
    let all = runs.len() as u64;
    for (done, (agent, run)) in runs.iter().enumerate() {
        progress(done as u64, all);
        let (trust, tokens) = &logs[agent];
        run::check(&mut checker, agent, run, (trust, tokens))?;
        checker.report.runs += 1;
    }
    progress(all, all);
    for remark in archive.remarks() {
        checker.note(remark.file, remark.what);
    }
    if checker.report.pack.as_ref().is_some_and(|pack| !pack.withheld) && !checker.report.is_whole() {
        checker.problem(crate::withheld::DECLARATION, "it says that nothing is withheld, and something is");
    }
    Ok(checker.report)
}

/// What was found so far, and what need not be looked at again.
struct Checker<'a> {
    archive: &'a dyn Archive,
    objects: ObjectReader<'a>,
    keys: &'a PublicKeys,
    anchors: Option<&'a Anchors>,
    report: VerifyReport,
    /// Pairs of trees or chunks at a place that were checked.
    places: Memo<Counted>,
    /// The findings that stored controls rest on.
    controls: Memo<Option<Digest>>,
    /// Documents that were checked, and objects that were counted as withheld.
    documents: Memo<()>,
}

/// What was counted below a place.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    verdicts: VerdictCounts,
    scopes: u64,
    gaps: u64,
    resources: u64,
    /// Findings whose verdict a pack does not show.
    hidden_findings: u64,
    /// Accounts whose coverage a pack does not show.
    hidden_coverage: u64,
    /// Something was wrong there, which was told when it was found.
    broken: bool,
}

impl Counted {
    fn add(&mut self, other: &Self) {
        self.verdicts.add(&other.verdicts);
        self.scopes += other.scopes;
        self.gaps += other.gaps;
        self.resources += other.resources;
        self.hidden_findings += other.hidden_findings;
        self.hidden_coverage += other.hidden_coverage;
        self.broken |= other.broken;
    }
}

/// What became of something that was to be read.
enum Seen<T> {
    Here(T),
    /// It is missing or wrong, which was told.
    Wrong,
    /// A pack withholds it.
    Withheld,
}

impl<T> Seen<T> {
    fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    fn is_withheld(&self) -> bool {
        matches!(self, Self::Withheld)
    }
}

impl<T: Default> Seen<T> {
    /// What is there of it.
    fn or_nothing(self) -> T {
        match self {
            Self::Here(value) => value,
            Self::Wrong | Self::Withheld => T::default(),
        }
    }
}

impl<'a> Checker<'a> {
    fn new(archive: &'a dyn Archive, options: &'a Options) -> Self {
        Self {
            archive,
            objects: ObjectReader::new(archive),
            keys: &options.keys,
            anchors: options.anchors.as_ref(),
            report: VerifyReport::default(),
            places: Memo::new(),
            controls: Memo::new(),
            documents: Memo::new(),
        }
    }

    fn problem(&mut self, file: impl Into<String>, what: impl Into<String>) {
        match self.report.problems.len() {
            MAX_PROBLEMS => {}
            last if last + 1 == MAX_PROBLEMS => {
                let what = "there are more problems, which are not listed".to_owned();
                self.report.problems.push(Problem { file: file.into(), what });
            }
            _ => self.report.problems.push(Problem { file: file.into(), what: what.into() }),
        }
    }

    fn note(&mut self, file: impl Into<String>, what: impl Into<String>) {
        self.report.notes.push(Problem { file: file.into(), what: what.into() });
    }

    /// Counts what a pack does not show of an object; once, however often it is met.
    fn withhold(&mut self, digest: &Digest, what: &str, objects: u64, lines: u64) {
        let seen = memo::key(&[b"withheld", digest.as_bytes()]);
        if self.documents.get(seen).is_some() {
            return;
        }
        self.documents.insert(seen, ());
        let withheld = &mut self.report.withheld;
        withheld.objects += objects;
        withheld.lines += lines;
        *withheld.what.entry(what.to_owned()).or_default() += lines;
    }

    /// What a pack says of itself is what it holds.
    fn check_declared(&mut self) {
        let Some(pack) = self.report.pack.clone() else { return };
        for (agent, head) in self.report.heads.clone() {
            if !pack.heads.iter().any(|said| said.agent == agent && said.head == head) {
                let what = format!("it does not say that the head of {agent} is {head}, which its log has");
                self.problem(crate::withheld::DECLARATION, what);
            }
        }
    }

    /// Turns an error about a file into a problem; `None` then. Other errors end verification.
    fn tolerate<T>(&mut self, result: Result<T, SealError>) -> Result<Option<T>, SealError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(SealError::Wrong { file, what }) => {
                self.problem(file, what);
                Ok(None)
            }
            Err(SealError::Missing { file, referrer }) => {
                self.problem(file, format!("it is missing; {referrer} refers to it"));
                Ok(None)
            }
            Err(SealError::Withheld { file, referrer }) => {
                self.problem(file, format!("it is withheld, which only a pack may do; {referrer} refers to it"));
                Ok(None)
            }
            Err(SealError::Archive(ArchiveError::Io { path, reason })) => {
                self.problem(path, format!("it cannot be read: {reason}"));
                Ok(None)
            }
            Err(SealError::Archive(ArchiveError::TooLarge { path, limit })) => {
                self.problem(path, format!("it is larger than {limit} bytes, more than was ever written there"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same for what a pack may withhold.
    fn see<T>(&mut self, result: Result<T, SealError>) -> Result<Seen<T>, SealError> {
        if let (Err(SealError::Withheld { .. }), Some(_)) = (&result, &self.report.pack) {
            return Ok(Seen::Withheld);
        }
        Ok(self.tolerate(result)?.map_or(Seen::Wrong, Seen::Here))
    }

    fn count(&mut self, loaded: &Loaded) {
        self.report.objects += 1;
        self.report.bytes += loaded.content.len() as u64;
        self.report.stored += loaded.stored;
    }

    /// The content of a JSON object.
    fn content(&mut self, digest: &Digest, limit: u64, referrer: &str) -> Result<Seen<Vec<u8>>, SealError> {
        let read = self.objects.load(digest, Format::Json, limit, referrer);
        if let Ok(loaded) = &read {
            self.count(loaded);
        }
        self.see(read.map(|loaded| loaded.content))
    }

    /// The tree of an entry, if it is what the entry says.
    fn tree(&mut self, entry: &Entry, referrer: &str) -> Result<Seen<Tree>, SealError> {
        let tree = match self.root(&entry.digest, referrer)? {
            Seen::Here(tree) => tree,
            other => return Ok(other),
        };
        let file = object_path(&entry.digest, Format::Json);
        let facts = tree.to_bytes();
        let says = [
            ("content", facts.content == entry.content),
            ("lines", facts.lines == entry.lines),
            ("count", facts.count == entry.count),
            ("bytes", facts.bytes == entry.bytes),
        ];
        for (fact, _) in says.iter().filter(|(_, right)| !right) {
            self.problem(&file, format!("{referrer} says another {fact:?} of it than it has"));
        }
        if tree.entries.is_empty() {
            self.problem(&file, "it is empty, which no tree below the root is");
        }
        Ok(Seen::Here(tree))
    }

    /// A tree that is a subject.
    fn root(&mut self, digest: &Digest, referrer: &str) -> Result<Seen<Tree>, SealError> {
        let file = object_path(digest, Format::Json);
        let content = match self.content(digest, MAX_CONTENT, referrer)? {
            Seen::Here(content) => content,
            Seen::Wrong => return Ok(Seen::Wrong),
            Seen::Withheld => return Ok(Seen::Withheld),
        };
        let parsed = Tree::parse(&content, &file);
        let Some(tree) = self.tolerate(parsed)? else { return Ok(Seen::Wrong) };
        if tree.to_bytes().json != content {
            self.problem(file, "it is not in canonical form");
        }
        Ok(Seen::Here(tree))
    }
}
