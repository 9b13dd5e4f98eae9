//! One run: its statement, its documents, and that they agree with its trees.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::manifest::FORMAT;
use evidenced_model::{AccountCoverage, AgentId, Calls, Controls, Digest, Manifest, Totals, canon};
use serde::de::DeserializeOwned;

use super::{Checker, claim, group, key};
use crate::object::{Format, MAX_CONTENT, object_path};
use crate::read::pair;
use crate::select::RunRef;
use crate::statement::{RunStatement, subject};
use crate::tree::{Entry, Tree};
use crate::write::cells_root;
use crate::{SealError, dsse};

/// Checks one run.
pub(super) fn check(checker: &mut Checker<'_>, agent: &AgentId, run: &RunRef) -> Result<(), SealError> {
    let Some(statement) = statement(checker, agent, run)? else { return Ok(()) };
    let file = run.path.as_str();
    let subjects = statement.subjects();
    let names: BTreeSet<&str> = subjects.keys().map(String::as_str).collect();
    if statement.subject.len() != names.len() || names != BTreeSet::from(subject::ALL) {
        checker.problem(file, format!("its subjects are not {}", subject::ALL.join(", ")));
        return Ok(());
    }
    let predicate = &statement.predicate;
    if let Some(manifest) = document::<Manifest>(checker, &subjects, subject::MANIFEST, file)? {
        let agrees = manifest.agent == predicate.agent
            && manifest.run == predicate.run
            && manifest.slot == predicate.slot
            && manifest.totals == predicate.totals
            && manifest.window == predicate.window;
        if !agrees {
            checker.problem(file, "its manifest says something else of the run than it does itself");
        }
        if manifest.format != FORMAT {
            checker.problem(file, format!("its format is {:?}; this program knows {FORMAT:?}", manifest.format));
        }
    }
    if let Some(controls) = document::<Controls>(checker, &subjects, subject::CONTROLS, file)?
        && controls.findings != subjects[subject::FINDINGS]
    {
        checker.problem(file, "its controls rest on other findings than its own");
    }
    document::<Calls>(checker, &subjects, subject::CALLS, file)?;
    for name in [subject::CONFIG, subject::MAPPINGS] {
        let seen = key(&[b"document", subjects[name].as_bytes()]);
        if checker.documents.insert(seen) {
            document::<serde_json::Value>(checker, &subjects, name, file)?;
        }
    }
    check_trees(checker, &subjects, &predicate.totals, file)
}

fn statement(checker: &mut Checker<'_>, agent: &AgentId, run: &RunRef) -> Result<Option<RunStatement>, SealError> {
    let file = run.path.as_str();
    let named = |bytes: &[u8]| Digest::of(bytes) == run.digest;
    let read = checker.archive.read_valid(file, dsse::LIMIT, &named).map_err(SealError::from);
    let bytes = match checker.tolerate(read)? {
        None => return Ok(None),
        Some(None) => {
            checker.problem(file, format!("it is missing; log entry {} names it", run.entry.index));
            return Ok(None);
        }
        Some(Some(bytes)) => bytes,
    };
    if Digest::of(&bytes) != run.digest {
        let what = format!("its SHA-256 is not the one that log entry {} names: it was changed", run.entry.index);
        checker.problem(file, what);
    }
    let opened = dsse::open(&bytes, checker.keys).map_err(|error| error.to_string());
    match opened.and_then(|opened| RunStatement::parse(&opened.payload)) {
        Ok(statement) => {
            let predicate = &statement.predicate;
            if predicate.run != run.run || predicate.agent != *agent || predicate.slot != run.slot {
                checker.problem(file, format!("it is about another run than log entry {}", run.entry.index));
            }
            Ok(Some(statement))
        }
        Err(what) => {
            checker.problem(file, what);
            Ok(None)
        }
    }
}

/// A document, if it is one of its kind.
fn document<T: DeserializeOwned>(
    checker: &mut Checker<'_>,
    subjects: &BTreeMap<String, Digest>,
    name: &str,
    referrer: &str,
) -> Result<Option<T>, SealError> {
    let digest = subjects[name];
    let Some(content) = checker.content(&digest, Format::Json, MAX_CONTENT, referrer)? else { return Ok(None) };
    match serde_json::from_slice(&content) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            checker.problem(object_path(&digest, Format::Json), format!("it is not the {name} of a run: {error}"));
            Ok(None)
        }
    }
}

/// The trees agree with each other and with the totals.
fn check_trees(
    checker: &mut Checker<'_>,
    subjects: &BTreeMap<String, Digest>,
    totals: &Totals,
    file: &str,
) -> Result<(), SealError> {
    let before = checker.report.problems.len();
    let root =
        |checker: &mut Checker<'_>, name: &str| checker.root(&subjects[name], file).map(Option::unwrap_or_default);
    let inventory = root(checker, subject::INVENTORY)?;
    let findings = root(checker, subject::FINDINGS)?;
    let coverage = root(checker, subject::COVERAGE)?;
    let mut counted = Totals { calls: totals.calls, resources: inventory.to_bytes().count, ..Totals::default() };
    let mut covered: BTreeMap<String, Entry> =
        coverage.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    for account in pair(inventory, findings) {
        let cover = covered.remove(&account.name);
        counted.findings.add(&group::check_account(checker, &account)?);
        match cover {
            Some(cover) => check_coverage(checker, &cover, account.inventory.as_ref(), &mut counted)?,
            None => checker.problem(file, format!("there is no coverage of the account {}", account.name)),
        }
    }
    for cover in covered.values() {
        check_coverage(checker, cover, None, &mut counted)?;
    }
    // What is missing or broken was told already.
    if counted != *totals && checker.report.problems.len() == before {
        let what =
            format!("its totals are not those of its trees: it says {}, they hold {}", text(totals), text(&counted));
        checker.problem(file, what);
    }
    Ok(())
}

fn text(totals: &Totals) -> String {
    String::from_utf8_lossy(&canon::to_vec(totals)).into_owned()
}

/// The coverage of an account, and that it counts the resources that are there.
fn check_coverage(
    checker: &mut Checker<'_>,
    cover: &Entry,
    inventory: Option<&Entry>,
    counted: &mut Totals,
) -> Result<(), SealError> {
    let seen = key(&[b"coverage", &claim([cover]), &claim(inventory)]);
    if let Some((scopes, gaps)) = checker.coverage.get(&seen) {
        counted.scopes += scopes;
        counted.gaps += gaps;
        return Ok(());
    }
    let file = object_path(&cover.digest, Format::Json);
    let Some(content) = checker.content(&cover.digest, Format::Json, cover.bytes, "the coverage tree")? else {
        return Ok(());
    };
    let coverage: AccountCoverage = match serde_json::from_slice(&content) {
        Ok(coverage) => coverage,
        Err(error) => {
            checker.problem(file, format!("it is not the coverage of an account: {error}"));
            return Ok(());
        }
    };
    let says = [
        ("name", format!("{}:{}", coverage.provider, coverage.account) == cover.name),
        ("content", Digest::of(&content) == cover.content),
        ("bytes", content.len() as u64 == cover.bytes),
        ("count", coverage.cells.len() as u64 == cover.count),
        ("lines", cells_root(&coverage) == cover.lines),
    ];
    for (fact, _) in says.iter().filter(|(_, right)| !right) {
        checker.problem(&file, format!("the coverage tree says another {fact:?} of it than it has"));
    }
    check_counts(checker, &file, &coverage, inventory)?;
    let facts = (coverage.scope_count(), coverage.gap_count());
    counted.scopes += facts.0;
    counted.gaps += facts.1;
    checker.coverage.insert(seen, facts);
    Ok(())
}

/// The cells of each kind count as many resources as the inventory holds.
fn check_counts(
    checker: &mut Checker<'_>,
    file: &str,
    coverage: &AccountCoverage,
    inventory: Option<&Entry>,
) -> Result<(), SealError> {
    let mut cells: BTreeMap<&str, u64> = BTreeMap::new();
    for cell in &coverage.cells {
        *cells.entry(cell.kind.as_str()).or_default() += cell.resources;
    }
    let tree = match inventory {
        Some(entry) => {
            let read = Tree::read(checker.objects, &entry.digest, "the inventory");
            checker.tolerate(read)?.unwrap_or_default()
        }
        None => Tree::default(),
    };
    let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &tree.entries {
        let kind = entry.name.split_once('/').map_or("", |(_, kind)| kind);
        *lines.entry(kind).or_default() += entry.count;
    }
    let kinds: BTreeSet<&str> = cells.keys().chain(lines.keys()).copied().collect();
    for kind in kinds {
        let (said, there) = (cells.get(kind).unwrap_or(&0), lines.get(kind).unwrap_or(&0));
        if said != there {
            checker.problem(file, format!("it counts {said} resources of {kind}, and the inventory holds {there}"));
        }
    }
    Ok(())
}
