//! Writing a run: groups of resources and findings as they stream by, then documents, then the signed statement.

use std::collections::BTreeMap;

use evidenced_model::{
    AccountCoverage, AgentId, Archive, Digest, Finding, RunId, RunStatus, Sink, SinkError, Slot, Totals, Window, canon,
};
use serde::Serialize;

use crate::merkle::Merkle;
use crate::object::{Format, ObjectWriter, Stored, Written};
use crate::previous::Previous;
use crate::side::{Side, place, place_root};
use crate::statement::{RunPredicate, RunStatement, Subject, run_path, subject};
use crate::tree::Tree;
use crate::{PublicKeys, SealError, Signer, dsse};

/// The documents of a run, beside its trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// Calls by operation.
    Calls,
    /// The configuration, redacted.
    Config,
    /// Standing of every control.
    Controls,
    /// The manifest.
    Manifest,
    /// Everything needed to judge again.
    Mappings,
}

impl Document {
    /// Its name among the subjects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calls => subject::CALLS,
            Self::Config => subject::CONFIG,
            Self::Controls => subject::CONTROLS,
            Self::Manifest => subject::MANIFEST,
            Self::Mappings => subject::MAPPINGS,
        }
    }
}

/// The trees of a run, by the digests of their stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roots {
    /// Coverage by account.
    pub coverage: Stored,
    /// The findings.
    pub findings: Stored,
    /// The inventory.
    pub inventory: Stored,
}

/// What the statement says of the run, apart from its totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHeader {
    /// The agent.
    pub agent: AgentId,
    /// The run.
    pub run: RunId,
    /// The slot of the schedule.
    pub slot: Option<Slot>,
    /// Complete or partial.
    pub status: RunStatus,
    /// From the first to the last moment.
    pub window: Window,
}

/// A run that is sealed, and waits for its log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRun {
    /// SHA-256 of the envelope's bytes.
    pub digest: Digest,
    /// Where the envelope is.
    pub path: String,
    /// The run.
    pub run: RunId,
    /// The slot of the schedule.
    pub slot: Option<Slot>,
    /// What was signed.
    pub statement: RunStatement,
    /// How much was written for it.
    pub written: Written,
}

/// A run that is written, and not signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedRun {
    /// Where the envelope belongs.
    pub path: String,
    /// The run.
    pub run: RunId,
    /// The slot of the schedule.
    pub slot: Option<Slot>,
    /// What is to be signed.
    pub statement: RunStatement,
    /// How much was written for it.
    pub written: Written,
}

/// Writes one run. Memory does not grow with the population: it holds one undecided chunk of each tree,
/// and one entry for each chunk of the group at hand.
pub struct RunWriter<'a> {
    objects: ObjectWriter<'a>,
    previous: Previous<'a>,
    inventory: Side,
    findings: Side,
    coverage: Tree,
    old_coverage: Option<(Stored, Tree)>,
    account: Option<String>,
    group: Option<(String, Option<(String, Digest)>)>,
    documents: BTreeMap<&'static str, Digest>,
    roots: Option<Roots>,
    totals: Totals,
}

impl<'a> RunWriter<'a> {
    /// Into this store, beside the previous run.
    pub fn new(sink: &'a mut dyn Sink, previous: Previous<'a>) -> Result<Self, SealError> {
        Ok(Self {
            objects: ObjectWriter::new(sink)?,
            inventory: Side::new(&previous, subject::INVENTORY),
            findings: Side::new(&previous, subject::FINDINGS),
            coverage: Tree::default(),
            old_coverage: previous.root(subject::COVERAGE),
            previous,
            account: None,
            group: None,
            documents: BTreeMap::new(),
            roots: None,
            totals: Totals::default(),
        })
    }

    /// Begins the resources and findings of one account, region and kind. `account_key` is
    /// [`evidenced_model::Scope::account_key`]. The groups of an account come one after another.
    pub fn begin_group(&mut self, account_key: &str, region: &str, kind: &str) -> Result<(), SealError> {
        if self.roots.is_some() || self.group.is_some() {
            return Err(SealError::order(format!(
                "{region}/{kind} began before the last group ended, or after the end"
            )));
        }
        if self.account.as_deref() != Some(account_key) {
            self.end_account()?;
            self.inventory.begin_account(&self.previous, account_key);
            self.findings.begin_account(&self.previous, account_key);
            self.account = Some(account_key.to_owned());
        }
        let group = format!("{region}/{kind}");
        self.inventory.begin_group(&self.previous, &group);
        self.findings.begin_group(&self.previous, &group);
        self.group = Some((group, None));
        Ok(())
    }

    /// Writes a resource's line (it ends in LF). Resources come in the order of SHA-256(id), as
    /// [`crate::partition::Group::next`] gives them.
    pub fn resource(&mut self, id: &str, line: &[u8]) -> Result<(), SealError> {
        let hash = self.hash(id)?;
        self.totals.resources += 1;
        self.inventory.line(&mut self.objects, &hash, (id, ""), line)
    }

    /// Writes a finding about the resource just written, or about a place.
    pub fn finding(&mut self, finding: &Finding) -> Result<(), SealError> {
        let hash = self.hash(&finding.resource)?;
        let mut line = Vec::with_capacity(512);
        finding.write_line(&mut line);
        self.totals.findings.count(finding.verdict);
        self.findings.line(&mut self.objects, &hash, (&finding.resource, finding.check.as_str()), &line)
    }

    /// Ends the group.
    pub fn end_group(&mut self) -> Result<(), SealError> {
        let (group, _) = self.group.take().ok_or_else(|| SealError::order("a group ended that had not begun"))?;
        self.inventory.end_group(&mut self.objects, &group)?;
        self.findings.end_group(&mut self.objects, &group)
    }

    /// Writes the coverage of one account, in any order.
    pub fn coverage(&mut self, coverage: &AccountCoverage) -> Result<(), SealError> {
        self.totals.scopes += coverage.scope_count();
        self.totals.gaps += coverage.gap_count();
        let none = Tree::default();
        let old = self.old_coverage.as_ref().map_or(&none, |(_, tree)| tree);
        let json = canon::to_vec(coverage);
        let content = (json.as_slice(), Digest::of(&json), Format::Json);
        let name = format!("{}:{}", coverage.provider, coverage.account);
        let entry = place(&mut self.objects, old, name, content, || {
            (cells_root(coverage), coverage.cells.len() as u64, json.len() as u64)
        })?;
        self.coverage.entries.push(entry);
        Ok(())
    }

    /// Ends the trees: no group and no coverage after this. Called again it says the same.
    pub fn roots(&mut self) -> Result<Roots, SealError> {
        if let Some(roots) = self.roots {
            return Ok(roots);
        }
        if self.group.is_some() {
            return Err(SealError::order("the trees ended within a group"));
        }
        self.end_account()?;
        let old = self.old_coverage.as_ref().map(|(stored, _)| *stored);
        let roots = Roots {
            coverage: place_root(&mut self.objects, old, &mut self.coverage)?,
            findings: self.findings.end(&mut self.objects)?,
            inventory: self.inventory.end(&mut self.objects)?,
        };
        self.roots = Some(roots);
        Ok(roots)
    }

    /// What was counted so far: everything but the calls.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Writes a document. It is written once; equal content of the previous run is used again.
    pub fn document<T: Serialize>(&mut self, which: Document, document: &T) -> Result<Digest, SealError> {
        let bytes = canon::to_vec(document);
        let content = Digest::of(&bytes);
        let stored = match self.previous.document(which.name()).filter(|old| old.content == content) {
            Some(old) => {
                self.objects.reuse(&old.digest, Format::Json);
                old
            }
            None => self.objects.put(&bytes, content, Format::Json)?,
        };
        match self.documents.insert(which.name(), stored.digest) {
            None => Ok(stored.digest),
            Some(_) => Err(SealError::order(format!("the document {:?} came twice", which.name()))),
        }
    }

    /// Signs and stores the statement. The run exists once the log names it: append
    /// [`crate::log::Draft::run`] next. `archive` is the reading side of the same store.
    pub fn seal(
        mut self,
        archive: &dyn Archive,
        signer: &dyn Signer,
        header: RunHeader,
        calls: u64,
    ) -> Result<SealedRun, SealError> {
        let UnsignedRun { path, run, slot, statement, written } = self.statement(header, calls)?;
        let envelope = sign_run(&path, &statement.to_bytes(), signer)?;
        let keys = PublicKeys::from(signer.public_key());
        let digest = put_envelope(self.objects.sink(), archive, &path, &envelope, &keys)?;
        Ok(SealedRun { digest, path, run, slot, statement, written })
    }

    /// Ends the run without signing it: [`sign_run`] and [`put_envelope`] do the rest, perhaps much later.
    pub fn finish(mut self, header: RunHeader, calls: u64) -> Result<UnsignedRun, SealError> {
        self.statement(header, calls)
    }

    fn statement(&mut self, header: RunHeader, calls: u64) -> Result<UnsignedRun, SealError> {
        let roots = self.roots()?;
        let mut subjects: BTreeMap<&str, Digest> = std::mem::take(&mut self.documents);
        subjects.insert(subject::COVERAGE, roots.coverage.digest);
        subjects.insert(subject::FINDINGS, roots.findings.digest);
        subjects.insert(subject::INVENTORY, roots.inventory.digest);
        if let Some(missing) = subject::ALL.iter().find(|name| !subjects.contains_key(*name)) {
            return Err(SealError::order(format!("the document {missing:?} is missing")));
        }
        let subjects = subjects.into_iter().map(|(name, digest)| Subject::new(name, digest)).collect();
        let RunHeader { agent, run, slot, status, window } = header;
        let path = run_path(&agent, run);
        let totals = Totals { calls, ..self.totals };
        let predicate = RunPredicate { agent, run, slot: slot.clone(), status, totals, window };
        let statement = RunStatement::new(predicate, subjects);
        Ok(UnsignedRun { path, run, slot, statement, written: self.objects.written() })
    }

    fn end_account(&mut self) -> Result<(), SealError> {
        if let Some(account) = self.account.take() {
            self.inventory.end_account(&mut self.objects, &account)?;
            self.findings.end_account(&mut self.objects, &account)?;
        }
        Ok(())
    }

    /// SHA-256 of the id; a resource and its findings share it.
    fn hash(&mut self, id: &str) -> Result<Digest, SealError> {
        let (_, last) = self.group.as_mut().ok_or_else(|| SealError::order(format!("{id:?} came outside a group")))?;
        match last {
            Some((known, hash)) if known == id => Ok(*hash),
            _ => Ok(last.insert((id.to_owned(), Digest::of(id.as_bytes()))).1),
        }
    }
}

/// The Merkle root over the canonical cells of an account.
pub(crate) fn cells_root(coverage: &AccountCoverage) -> Digest {
    let mut merkle = Merkle::new();
    coverage.cells.iter().for_each(|cell| merkle.push(&canon::to_vec(cell)));
    merkle.root()
}

/// Signs the statement of a run, and checks the signature: what does not verify here would be found out by somebody
/// else, years later. `path` is for messages.
pub fn sign_run(path: &str, payload: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, SealError> {
    let envelope = dsse::sign(payload, signer)?;
    dsse::open(&envelope, &PublicKeys::from(signer.public_key()))
        .map_err(|error| SealError::wrong(path, error.to_string()))?;
    Ok(envelope)
}

/// Stores a signed statement; gives the SHA-256 of the envelope that stands there. If one of these keys signed the
/// same payload before, that envelope stands: a key service never signs twice alike.
pub fn put_envelope(
    sink: &mut dyn Sink,
    archive: &dyn Archive,
    path: &str,
    envelope: &[u8],
    keys: &PublicKeys,
) -> Result<Digest, SealError> {
    let exists = match sink.put(path, envelope) {
        Ok(_) => return Ok(Digest::of(envelope)),
        Err(exists @ SinkError::Exists { .. }) => exists,
        Err(error) => return Err(error.into()),
    };
    let there = archive.read(path, dsse::LIMIT)?.unwrap_or_default();
    let payload = |bytes: &[u8]| dsse::open(bytes, keys).ok().map(|opened| opened.payload);
    match payload(&there) {
        Some(found) if payload(envelope).as_ref() == Some(&found) => Ok(Digest::of(&there)),
        _ => Err(exists.into()),
    }
}
