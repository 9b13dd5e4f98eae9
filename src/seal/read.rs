//! Reading a run back: its documents at once, its lines as a stream.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use evidenced_model::{
    AccountCoverage, Archive, Calls, Controls, Coverage, Digest, Finding, Manifest, Resource, ResourceLine,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::object::{Format, ObjectReader, Shown, object_path};
use crate::select::RunRef;
use crate::statement::{RunStatement, Statement, run_path, subject};
use crate::tree::{Entry, Tree};
use crate::withheld::{Declaration, Slot, lines_path};
use crate::write::Document;
use crate::{PublicKeys, SealError, dsse};

/// One run of a store. What it reads is checked against the digests in its statement.
pub struct RunReader<'a> {
    objects: ObjectReader<'a>,
    path: String,
    statement: RunStatement,
    subjects: BTreeMap<String, Digest>,
}

/// One account, region and kind of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunGroup {
    /// The account's name in the trees, e.g. `aws:123456789012`.
    pub account: String,
    /// The tree of its findings.
    pub findings: Option<Entry>,
    /// The tree of its resources.
    pub inventory: Option<Entry>,
    /// The kind.
    pub kind: String,
    /// The region.
    pub region: String,
}

impl<'a> RunReader<'a> {
    /// Opens a run; with keys, only if one of them signed it.
    pub fn open(archive: &'a dyn Archive, run: &RunRef, keys: Option<&PublicKeys>) -> Result<Self, SealError> {
        let path = run.path.clone();
        let named = |bytes: &[u8]| Digest::of(bytes) == run.digest;
        let bytes = archive.read_valid(&path, dsse::LIMIT, &named)?.ok_or_else(|| SealError::Missing {
            file: path.clone(),
            referrer: format!("log entry {}", run.entry.index),
        })?;
        if Digest::of(&bytes) != run.digest {
            let what = format!("its SHA-256 is not the one that log entry {} names: it was changed", run.entry.index);
            return Err(SealError::wrong(path, what));
        }
        let opened = match keys {
            Some(keys) => dsse::open(&bytes, keys),
            None => dsse::parse(&bytes),
        };
        let opened = opened.map_err(|error| SealError::wrong(&path, error.to_string()))?;
        let statement: RunStatement =
            Statement::parse(&opened.payload).map_err(|what| SealError::wrong(&path, what))?;
        let subjects = statement.subjects();
        Ok(Self { objects: ObjectReader::new(archive), path, statement, subjects })
    }

    /// The run of a statement that is believed already.
    pub fn of(archive: &'a dyn Archive, statement: RunStatement) -> Self {
        let path = run_path(&statement.predicate.agent, statement.predicate.run);
        let subjects = statement.subjects();
        Self { objects: ObjectReader::new(archive), path, statement, subjects }
    }

    /// What was signed.
    pub fn statement(&self) -> &RunStatement {
        &self.statement
    }

    /// Where the statement is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The manifest.
    pub fn manifest(&self) -> Result<Manifest, SealError> {
        self.document(Document::Manifest)
    }

    /// Standing of every control.
    pub fn controls(&self) -> Result<Controls, SealError> {
        self.document(Document::Controls)
    }

    /// Calls by operation.
    pub fn calls(&self) -> Result<Calls, SealError> {
        self.document(Document::Calls)
    }

    /// A document, as whatever it is.
    pub fn document<T: DeserializeOwned>(&self, which: Document) -> Result<T, SealError> {
        self.objects.document(&self.subject(which.name())?, &self.path)
    }

    /// The coverage of each account, one at a time. Of a pack, only what it shows.
    pub fn accounts(&self) -> Result<impl Iterator<Item = Result<AccountCoverage, SealError>> + use<'a>, SealError> {
        let objects = self.objects;
        let tree = self.root(subject::COVERAGE)?;
        let read = move |entry: Entry| match objects.document(&entry.digest, "the coverage tree") {
            Err(SealError::Withheld { .. }) => None,
            read => Some(read),
        };
        Ok(tree.entries.into_iter().filter_map(read))
    }

    /// The coverage of all accounts together.
    pub fn coverage(&self) -> Result<Coverage, SealError> {
        let mut coverage = Coverage::default();
        for account in self.accounts()? {
            let account = account?;
            coverage.accounts.insert((account.provider.clone(), account.account.clone()), account);
        }
        Ok(coverage)
    }

    /// Every account, region and kind that has resources or findings, sorted by account, then by `region/kind`.
    pub fn groups(&self) -> Result<Groups<'a>, SealError> {
        let inventory = self.root(subject::INVENTORY)?;
        let findings = self.root(subject::FINDINGS)?;
        let accounts = pair(inventory, findings).into();
        Ok(Groups { objects: self.objects, accounts, ready: VecDeque::new(), withheld: 0 })
    }

    /// The resources of a group, in the order of SHA-256(id).
    pub fn resources(
        &self,
        group: &RunGroup,
    ) -> Result<impl Iterator<Item = Result<Resource, SealError>> + use<'a>, SealError> {
        let lines = self.resource_lines(group)?;
        Ok(lines.map(|line| line?.parse::<ResourceLine>().map(Resource::from)))
    }

    /// The findings of a group, in the order of SHA-256(resource), then of checks.
    pub fn findings(
        &self,
        group: &RunGroup,
    ) -> Result<impl Iterator<Item = Result<Finding, SealError>> + use<'a>, SealError> {
        let lines = self.finding_lines(group)?;
        Ok(lines.map(|line| line?.parse()))
    }

    /// The resource lines of a group, as stored.
    pub fn resource_lines(&self, group: &RunGroup) -> Result<Lines<'a>, SealError> {
        Lines::open(self.objects, group.inventory.as_ref(), "id")
    }

    /// The finding lines of a group, as stored.
    pub fn finding_lines(&self, group: &RunGroup) -> Result<Lines<'a>, SealError> {
        Lines::open(self.objects, group.findings.as_ref(), "resource")
    }

    /// The digest of the stored bytes of a subject.
    pub fn subject(&self, name: &str) -> Result<Digest, SealError> {
        let missing = || SealError::wrong(&self.path, format!("it has no subject {name:?}"));
        self.subjects.get(name).copied().ok_or_else(missing)
    }

    /// Whether this is a pack that says that it withholds something.
    pub fn may_withhold(&self) -> Result<bool, SealError> {
        Ok(Declaration::read(self.objects.archive())?.is_some_and(|pack| pack.withheld))
    }

    /// The objects of its store.
    pub fn objects(&self) -> ObjectReader<'a> {
        self.objects
    }

    /// The coverage that an entry of the coverage tree names.
    pub(crate) fn coverage_of(&self, entry: Option<&Entry>) -> Result<Option<AccountCoverage>, SealError> {
        entry.map(|entry| self.objects.document(&entry.digest, "the coverage tree")).transpose()
    }

    pub(crate) fn root(&self, subject: &str) -> Result<Tree, SealError> {
        Tree::read(self.objects, &self.subject(subject)?, &self.path)
    }
}

/// Goes through the groups of a run.
pub struct Groups<'a> {
    objects: ObjectReader<'a>,
    accounts: VecDeque<Pair>,
    ready: VecDeque<RunGroup>,
    withheld: u64,
}

impl Iterator for Groups<'_> {
    type Item = Result<RunGroup, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(group) = self.ready.pop_front() {
                return Some(Ok(group));
            }
            let account = self.accounts.pop_front()?;
            match self.read_account(&account) {
                Ok(groups) => self.ready = groups,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Groups<'_> {
    /// Lines below accounts that a pack withholds as a whole, as far as they were come to. Their groups do not come.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    fn read_account(&mut self, account: &Pair) -> Result<VecDeque<RunGroup>, SealError> {
        let mut withheld = 0;
        let mut read = |entry: &Option<Entry>| match entry {
            Some(entry) => match Tree::read(self.objects, &entry.digest, &account.name) {
                Err(SealError::Withheld { .. }) => {
                    withheld += entry.count;
                    Ok(Tree::default())
                }
                read => read,
            },
            None => Ok(Tree::default()),
        };
        let pairs = pair(read(&account.inventory)?, read(&account.findings)?);
        self.withheld += withheld;
        let groups = pairs.into_iter().map(|pair| {
            let (region, kind) = pair.name.split_once('/').unwrap_or_default();
            RunGroup {
                account: account.name.clone(),
                region: region.to_owned(),
                kind: kind.to_owned(),
                inventory: pair.inventory,
                findings: pair.findings,
            }
        });
        Ok(groups.collect())
    }
}

/// What stands under one name in both trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) inventory: Option<Entry>,
    pub(crate) findings: Option<Entry>,
}

/// Puts the entries of two trees side by side, by name.
pub(crate) fn pair(inventory: Tree, findings: Tree) -> Vec<Pair> {
    let mut pairs: BTreeMap<String, (Option<Entry>, Option<Entry>)> = BTreeMap::new();
    for entry in inventory.entries {
        let name = entry.name.clone();
        pairs.entry(name).or_default().0 = Some(entry);
    }
    for entry in findings.entries {
        let name = entry.name.clone();
        pairs.entry(name).or_default().1 = Some(entry);
    }
    pairs.into_iter().map(|(name, (inventory, findings))| Pair { name, inventory, findings }).collect()
}

/// One stored line, with LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub bytes: Vec<u8>,
    /// The chunk it stands in.
    pub file: String,
    /// SHA-256 of the id.
    pub hash: Digest,
    /// The id of the resource.
    pub id: String,
}

impl Line {
    /// The line as what it is: [`ResourceLine`] or [`Finding`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, SealError> {
        parse_at(&self.bytes, &self.file)
    }
}

/// The lines of a group, in the order of SHA-256(id); holds one chunk at a time. Of a pack, only those that it shows.
pub struct Lines<'a> {
    objects: ObjectReader<'a>,
    chunks: VecDeque<Entry>,
    key: &'static str,
    file: String,
    content: Vec<u8>,
    ready: VecDeque<(Digest, String, Range<usize>)>,
    withheld: u64,
}

impl<'a> Lines<'a> {
    pub(crate) fn open(objects: ObjectReader<'a>, group: Option<&Entry>, key: &'static str) -> Result<Self, SealError> {
        let mut lines = Self::of_chunks(objects, Vec::new(), key);
        if let Some(group) = group {
            match Tree::read(objects, &group.digest, &group.name) {
                Err(SealError::Withheld { .. }) => lines.withheld = group.count,
                read => lines.chunks = read?.entries.into(),
            }
        }
        Ok(lines)
    }

    /// How many lines a pack withholds, as far as they were come to.
    pub fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Whether a pack withholds any of the lines; reads on to the first of them.
    pub fn is_withheld(mut self) -> Result<bool, SealError> {
        while self.withheld == 0 {
            match self.next() {
                None => break,
                Some(line) => drop(line?),
            }
        }
        Ok(self.withheld > 0)
    }

    /// The lines of these chunks only, which are in order.
    pub(crate) fn of_chunks(objects: ObjectReader<'a>, chunks: Vec<Entry>, key: &'static str) -> Self {
        let chunks = chunks.into();
        Self { objects, chunks, key, file: String::new(), content: Vec::new(), ready: VecDeque::new(), withheld: 0 }
    }

    fn load(&mut self, chunk: &Entry) -> Result<(), SealError> {
        self.file = object_path(&chunk.digest, Format::Lines);
        self.content = match self.objects.chunk(chunk, &chunk.name)? {
            Shown::Whole(loaded) => loaded.content,
            Shown::Partly(lines) => {
                self.file = lines_path(&chunk.digest);
                lines
            }
            Shown::Nothing => {
                self.withheld += chunk.count;
                Vec::new()
            }
        };
        let mut lines = Vec::new();
        let mut start = 0;
        for line in self.content.split_inclusive(|byte| *byte == b'\n') {
            let end = start + line.len();
            if let Slot::Withheld(_) = Slot::parse(line) {
                self.withheld += 1;
                start = end;
                continue;
            }
            let ids: Ids = parse_at(line, &self.file)?;
            let id = if self.key == "id" { ids.id } else { ids.resource };
            let id = id.ok_or_else(|| SealError::wrong(&self.file, format!("a line has no {:?}", self.key)))?;
            lines.push((Digest::of(id.as_bytes()), id, start..end));
            start = end;
        }
        // Stable: the checks of a resource stay in order.
        lines.sort_by_key(|(hash, ..)| *hash);
        self.ready = lines.into();
        Ok(())
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Line, SealError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((hash, id, range)) = self.ready.pop_front() {
                return Some(Ok(Line { bytes: self.content[range].to_vec(), file: self.file.clone(), hash, id }));
            }
            let chunk = self.chunks.pop_front()?;
            if let Err(error) = self.load(&chunk) {
                return Some(Err(error));
            }
        }
    }
}

#[derive(Deserialize)]
struct Ids {
    id: Option<String>,
    resource: Option<String>,
}

pub(crate) fn parse_at<T: DeserializeOwned>(line: &[u8], file: &str) -> Result<T, SealError> {
    serde_json::from_slice(line)
        .map_err(|error| SealError::wrong(file, format!("a line is not what it should be: {error}")))
}
