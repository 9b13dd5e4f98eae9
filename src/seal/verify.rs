//! Verification: everything that can be checked without trusting whoever holds the store.
//!
//! It reads each unchanged object once, however many runs refer to it, and holds one chunk at a time.

mod group;
mod log;
mod run;

use std::collections::{HashMap, HashSet};

use evidenced_model::{AgentId, Archive, ArchiveError, Digest, LogHead, VerdictCounts};

use crate::object::{Format, ObjectReader, object_path};
use crate::tree::{Entry, Tree};
use crate::{PublicKeys, SealError};

/// What to verify, and against what.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// One agent only; otherwise every agent that has a log.
    pub agent: Option<AgentId>,
    /// Somebody kept this head elsewhere: the log must still hold it.
    pub expect_head: Option<LogHead>,
    /// Only runs that began at this moment or later, in Unix milliseconds. Logs are always read as a whole.
    pub from: Option<u64>,
    /// The pinned keys.
    pub keys: PublicKeys,
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

/// What verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Bytes of content that were read.
    pub bytes: u64,
    /// Log entries that were read.
    pub entries: u64,
    /// The newest valid entry of each agent's log.
    pub heads: Vec<(AgentId, LogHead)>,
    /// Worth knowing, and no fault.
    pub notes: Vec<Problem>,
    /// Objects that were read.
    pub objects: u64,
    /// What is wrong; empty if everything is as it was sealed. At most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Runs that were checked.
    pub runs: u64,
}

impl VerifyReport {
    /// Whether everything is as it was sealed.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// No more problems than these are listed.
pub const MAX_PROBLEMS: usize = 1000;

/// Verifies a store. `progress` is told the number of runs done and of all runs. What is wrong is in the
/// report; an error means that verification itself could not go on.
pub fn verify(
    archive: &dyn Archive,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<VerifyReport, SealError> {
    let mut checker = Checker::new(archive, &options.keys);
    let agents = match &options.agent {
        Some(agent) => vec![agent.clone()],
        None => crate::select::agents(archive)?,
    };
    if agents.is_empty() {
        checker.problem("v1/log/", format!("{} holds no log: there is nothing to verify", archive.location()));
    }
    let mut expected = options.expect_head.is_none();
    let mut runs = Vec::new();
    for agent in agents {
        let log = log::check(&mut checker, &agent, options.expect_head)?;
        expected |= log.expected;
        let chosen = log.runs.into_iter().filter(|run| {
            let start = run.run.unix_millis();
            options.from.is_none_or(|from| start >= from) && options.until.is_none_or(|until| start < until)
        });
        runs.extend(chosen.map(|run| (agent.clone(), run)));
        checker.report.heads.extend(log.head.map(|head| (agent, head)));
    }
    if let Some(head) = options.expect_head.filter(|_| !expected) {
        checker
            .problem("v1/log/", format!("the expected head {head} is not in the log: its tail was cut or rewritten"));
    }
    let all = runs.len() as u64;
    for (done, (agent, run)) in runs.iter().enumerate() {
        progress(done as u64, all);
        run::check(&mut checker, agent, run)?;
        checker.report.runs += 1;
    }
    progress(all, all);
    for remark in archive.remarks() {
        checker.note(remark.file, remark.what);
    }
    Ok(checker.report)
}

/// What was found so far, and what need not be looked at again.
struct Checker<'a> {
    archive: &'a dyn Archive,
    objects: ObjectReader<'a>,
    keys: &'a PublicKeys,
    report: VerifyReport,
    /// Pairs of trees or chunks at a place that were checked, with the verdicts below them.
    places: HashMap<u128, VerdictCounts>,
    /// Accounts whose coverage was checked, with their scopes and gaps.
    coverage: HashMap<u128, (u64, u64)>,
    /// Documents that were checked.
    documents: HashSet<u128>,
}

impl<'a> Checker<'a> {
    fn new(archive: &'a dyn Archive, keys: &'a PublicKeys) -> Self {
        Self {
            archive,
            objects: ObjectReader::new(archive),
            keys,
            report: VerifyReport::default(),
            places: HashMap::new(),
            coverage: HashMap::new(),
            documents: HashSet::new(),
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

    /// The content of an object.
    fn content(
        &mut self,
        digest: &Digest,
        format: Format,
        limit: u64,
        referrer: &str,
    ) -> Result<Option<Vec<u8>>, SealError> {
        let read = self.objects.content(digest, format, limit, referrer);
        let content = self.tolerate(read)?;
        self.report.objects += 1;
        self.report.bytes += content.as_ref().map_or(0, |content| content.len() as u64);
        Ok(content)
    }

    /// The tree of an entry, if it is what the entry says.
    fn tree(&mut self, entry: &Entry, referrer: &str) -> Result<Tree, SealError> {
        let tree = self.root(&entry.digest, referrer)?;
        let file = object_path(&entry.digest, Format::Json);
        let Some(tree) = tree else { return Ok(Tree::default()) };
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
        Ok(tree)
    }

    /// A tree that is a subject.
    fn root(&mut self, digest: &Digest, referrer: &str) -> Result<Option<Tree>, SealError> {
        let file = object_path(digest, Format::Json);
        let Some(content) = self.content(digest, Format::Json, crate::object::MAX_CONTENT, referrer)? else {
            return Ok(None);
        };
        let parsed = Tree::parse(&content, &file);
        let Some(tree) = self.tolerate(parsed)? else { return Ok(None) };
        if tree.to_bytes().json != content {
            self.problem(file, "it is not in canonical form");
        }
        Ok(Some(tree))
    }
}

/// A short name for what was seen at a place: half a SHA-256.
fn key(parts: &[&[u8]]) -> u128 {
    let mut framed: Vec<u8> = Vec::new();
    for part in parts {
        framed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        framed.extend_from_slice(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(&framed).as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// The canonical bytes of entries.
fn claim<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Vec<u8> {
    let mut claim = Vec::new();
    entries.into_iter().for_each(|entry| entry.write(&mut claim));
    claim
}
