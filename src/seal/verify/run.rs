//! One run: its statement, its documents, and that they agree with its trees.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::manifest::FORMAT;
use evidenced_model::{AccountCoverage, AgentId, Calls, Controls, Digest, Manifest, Totals, VerdictCounts, canon};
use serde::de::DeserializeOwned;

use super::memo::{claim, key};
use super::time::{self, Signed};
use super::trust::Trust;
use super::{Checker, Counted, Seen, group};
use crate::object::{Format, MAX_CONTENT, object_path};
use crate::read::{Pair, pair};
use crate::select::RunRef;
use crate::statement::{RunStatement, subject};
use crate::tree::{Entry, Tree};
use crate::withheld::whole_path;
use crate::write::cells_root;
use crate::{SealError, dsse};

/// Checks one run; `tokens` are the paths of timestamp tokens, by the run's statement.
pub(super) fn check(
    checker: &mut Checker<'_>,
    agent: &AgentId,
    run: &RunRef,
    (trust, tokens): (&Trust, &BTreeMap<String, Vec<String>>),
) -> Result<(), SealError> {
    let Some((statement, signature)) = statement(checker, agent, run, trust)? else { return Ok(()) };
    let file = run.path.as_str();
    let subjects = statement.subjects();
    let names: BTreeSet<&str> = subjects.keys().map(String::as_str).collect();
    if statement.subject.len() != names.len() || names != BTreeSet::from(subject::ALL) {
        checker.problem(file, format!("its subjects are not {}", subject::ALL.join(", ")));
        return Ok(());
    }
    let predicate = &statement.predicate;
    let manifest = document::<Manifest>(checker, &subjects, subject::MANIFEST, file)?;
    let wanted = manifest.as_ref().map(|manifest| manifest.assurance.timestamped);
    let signed = Signed { ended: predicate.window.end, signature: &signature, wanted };
    time::check(checker, run, &signed, tokens.get(file).map_or(&[], Vec::as_slice))?;
    if let Some(manifest) = manifest {
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
    if controls(checker, &subjects, file)?.is_some_and(|findings| findings != subjects[subject::FINDINGS]) {
        checker.problem(file, "its controls rest on other findings than its own");
    }
    for name in [subject::CALLS, subject::CONFIG, subject::MAPPINGS] {
        let seen = key(&[b"document", name.as_bytes(), subjects[name].as_bytes()]);
        if checker.documents.get(seen).is_some() {
            continue;
        }
        checker.documents.insert(seen, ());
        if name == subject::CALLS {
            document::<Calls>(checker, &subjects, name, file)?;
        } else {
            document::<serde_json::Value>(checker, &subjects, name, file)?;
        }
    }
    check_trees(checker, &subjects, &predicate.totals, file)
}

/// The findings that the controls rest on, if they can be seen.
fn controls(
    checker: &mut Checker<'_>,
    subjects: &BTreeMap<String, Digest>,
    file: &str,
) -> Result<Option<Digest>, SealError> {
    let seen = key(&[b"controls", subjects[subject::CONTROLS].as_bytes()]);
    if let Some(findings) = checker.controls.get(seen) {
        return Ok(findings);
    }
    let read = document::<Controls>(checker, subjects, subject::CONTROLS, file)?;
    let findings = read.map(|controls| controls.findings);
    checker.controls.insert(seen, findings);
    Ok(findings)
}

/// The statement of a run and its signature's bytes.
fn statement(
    checker: &mut Checker<'_>,
    agent: &AgentId,
    run: &RunRef,
    trust: &Trust,
) -> Result<Option<(RunStatement, Vec<u8>)>, SealError> {
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
    let opened = trust.open(&bytes).map_err(|error| error.to_string());
    match opened.and_then(|opened| Ok((RunStatement::parse(&opened.payload)?, opened))) {
        Ok((statement, opened)) => {
            if let Some(what) = trust.against_run(opened.key, run.entry.index, statement.predicate.window.end) {
                checker.problem(file, what);
            }
            let predicate = &statement.predicate;
            if predicate.run != run.run || predicate.agent != *agent || predicate.slot != run.slot {
                checker.problem(file, format!("it is about another run than log entry {}", run.entry.index));
            }
            Ok(Some((statement, opened.signature)))
        }
        Err(what) => {
            checker.problem(file, what);
            Ok(None)
        }
    }
}

/// A document, if it is there and one of its kind.
fn document<T: DeserializeOwned>(
    checker: &mut Checker<'_>,
    subjects: &BTreeMap<String, Digest>,
    name: &str,
    referrer: &str,
) -> Result<Option<T>, SealError> {
    let digest = subjects[name];
    let content = match checker.content(&digest, MAX_CONTENT, referrer)? {
        Seen::Here(content) => content,
        Seen::Wrong => return Ok(None),
        Seen::Withheld => {
            checker.withhold(&digest, name, 1, 0);
            return Ok(None);
        }
    };
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
    let names = [subject::INVENTORY, subject::FINDINGS, subject::COVERAGE];
    let [one, two, three] = names.map(|name| subjects[name]);
    let seen = key(&[b"trees", one.as_bytes(), two.as_bytes(), three.as_bytes()]);
    let counted = if let Some(counted) = checker.places.get(seen) {
        counted
    } else {
        let counted = count_trees(checker, subjects, file)?;
        checker.places.insert(seen, counted);
        counted
    };
    // What is missing or broken was told already.
    if !counted.broken && !counted.agrees(totals) {
        let there = Totals {
            calls: totals.calls,
            findings: counted.verdicts,
            gaps: counted.gaps,
            resources: counted.resources,
            scopes: counted.scopes,
        };
        let what =
            format!("its totals are not those of its trees: it says {}, they hold {}", text(totals), text(&there));
        checker.problem(file, what);
    }
    Ok(())
}

impl Counted {
    /// Whether these can be the totals, as far as they can be seen.
    fn agrees(&self, totals: &Totals) -> bool {
        let said = &totals.findings;
        let each = |counts: &VerdictCounts| [counts.fail, counts.not_applicable, counts.pass, counts.unknown];
        let shown_fit = each(&self.verdicts).iter().zip(each(said)).all(|(shown, said)| *shown <= said);
        let findings = shown_fit && self.verdicts.total() + self.hidden_findings == said.total();
        let coverage = if self.hidden_coverage > 0 {
            self.scopes <= totals.scopes && self.gaps <= totals.gaps
        } else {
            (self.scopes, self.gaps) == (totals.scopes, totals.gaps)
        };
        findings && coverage && self.resources == totals.resources
    }
}

/// Checks the trees of a run, and counts what they hold.
fn count_trees(
    checker: &mut Checker<'_>,
    subjects: &BTreeMap<String, Digest>,
    file: &str,
) -> Result<Counted, SealError> {
    let before = checker.report.problems.len();
    let mut counted = Counted::default();
    let mut root = |name: &str| {
        let tree = checker.root(&subjects[name], file)?;
        if tree.is_withheld() {
            checker.problem(
                whole_path(&subjects[name]),
                format!("it withholds the root of the {name}, which no pack does"),
            );
        }
        Ok::<_, SealError>(tree.or_nothing())
    };
    let (inventory, findings, coverage) =
        (root(subject::INVENTORY)?, root(subject::FINDINGS)?, root(subject::COVERAGE)?);
    counted.resources = inventory.entries.iter().map(|entry| entry.count).sum();
    let mut covered: BTreeMap<String, Entry> =
        coverage.entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    for account in pair(inventory, findings) {
        let cover = covered.remove(&account.name);
        if cover.is_none() {
            checker.problem(file, format!("there is no coverage of the account {}", account.name));
        }
        counted.add(&check_account(checker, &account, cover.as_ref())?);
    }
    for cover in covered.values() {
        let nothing = Pair { name: cover.name.clone(), inventory: None, findings: None };
        counted.add(&check_account(checker, &nothing, Some(cover))?);
    }
    counted.broken = checker.report.problems.len() > before;
    Ok(counted)
}

fn text(totals: &Totals) -> String {
    String::from_utf8_lossy(&canon::to_vec(totals)).into_owned()
}

/// Checks what both trees hold of an account, and its coverage.
fn check_account(checker: &mut Checker<'_>, account: &Pair, cover: Option<&Entry>) -> Result<Counted, SealError> {
    let seen = key(&[b"account", &claim(&account.inventory), &claim(&account.findings), &claim(cover)]);
    if let Some(counted) = checker.places.get(seen) {
        return Ok(counted);
    }
    let before = checker.report.problems.len();
    let mut counted = Counted::default();
    let mut read = |entry: &Option<Entry>| match entry {
        Some(entry) => checker.tree(entry, "the root"),
        None => Ok(Seen::Here(Tree::default())),
    };
    let (inventory, findings) = (read(&account.inventory)?, read(&account.findings)?);
    let label = format!("account {}", account.name);
    for entry in account.inventory.iter().filter(|_| inventory.is_withheld()) {
        checker.withhold(&entry.digest, &label, 1, entry.count);
    }
    for entry in account.findings.iter().filter(|_| findings.is_withheld()) {
        checker.withhold(&entry.digest, &label, 1, entry.count);
        counted.hidden_findings += entry.count;
    }
    // What could not be read was told; nothing is held against it.
    let known = inventory.is_here();
    let (inventory, findings) = (inventory.or_nothing(), findings.or_nothing());
    counted.add(&group::check_groups(checker, &account.name, &inventory, &findings, !known)?);
    if let Some(cover) = cover {
        check_coverage(checker, cover, known.then_some(&inventory), &mut counted)?;
    }
    counted.broken = checker.report.problems.len() > before;
    checker.places.insert(seen, counted);
    Ok(counted)
}

/// The coverage of an account, and that it counts the resources that are there.
fn check_coverage(
    checker: &mut Checker<'_>,
    cover: &Entry,
    inventory: Option<&Tree>,
    counted: &mut Counted,
) -> Result<(), SealError> {
    let file = object_path(&cover.digest, Format::Json);
    let content = match checker.content(&cover.digest, cover.bytes, "the coverage tree")? {
        Seen::Here(content) => content,
        Seen::Wrong => return Ok(()),
        Seen::Withheld => {
            checker.withhold(&cover.digest, subject::COVERAGE, 1, 0);
            counted.hidden_coverage += 1;
            return Ok(());
        }
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
    if let Some(inventory) = inventory {
        check_counts(checker, &file, &coverage, inventory);
    }
    counted.scopes += coverage.scope_count();
    counted.gaps += coverage.gap_count();
    Ok(())
}

/// The cells of each kind count as many resources as the inventory holds.
fn check_counts(checker: &mut Checker<'_>, file: &str, coverage: &AccountCoverage, inventory: &Tree) {
    let mut cells: BTreeMap<&str, u64> = BTreeMap::new();
    for cell in &coverage.cells {
        *cells.entry(cell.kind.as_str()).or_default() += cell.resources;
    }
    let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &inventory.entries {
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
}
