//! One stream of runs: what an agent's schedule saw last, and since when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_model::{
    Account, AccountCoverage, AgentId, CellState, CheckId, Finding, KindId, Provider, RunId, Severity, Tally, Verdict,
    VerdictCounts,
};
use jiff::Timestamp;

use super::document::{CoverageHole, Gap};
use super::facts::{Rejudged, Rules, RunFacts, StandingFact};

/// The runs of one agent for one schedule, or of those that somebody asked for.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) agent: AgentId,
    pub(super) schedule: Option<String>,
    pub(super) rules: Arc<Rules>,
    pub(super) standings: Arc<Vec<StandingFact>>,
    /// The run at hand.
    pub(super) now: Option<RunFacts>,
    /// The run before it.
    pub(super) before: Option<(RunId, Timestamp)>,
    /// When its runs ended, in order.
    pub(super) looks: Vec<Timestamp>,
    /// What the rules of the run at hand changed.
    pub(super) changed: Changed,
    /// Findings by check.
    pub(super) tallies: BTreeMap<CheckId, Counted>,
    /// Checks whose findings changed in the run at hand.
    pub(super) touched: BTreeSet<CheckId>,
    /// When a check had findings of which nothing is known.
    pub(super) unknown: BTreeMap<CheckId, Vec<(Timestamp, Option<Timestamp>)>>,
    /// What of each account was looked at.
    seen: BTreeMap<(Provider, Account), Kinds>,
    /// The same before the run at hand, where it is another now.
    seen_before: BTreeMap<(Provider, Account), Kinds>,
    /// Holes that are open, by account; with the number of the run that saw them first.
    open: BTreeMap<(Provider, Account), Vec<(CoverageHole, usize)>>,
    /// Holes that were closed.
    pub(super) holes: Vec<CoverageHole>,
}

/// The kinds of an account that a run looked at.
#[derive(Debug, Clone, Default)]
struct Kinds {
    /// All of them.
    looked: BTreeSet<KindId>,
    /// Those that some cell did not tell whole.
    incomplete: BTreeSet<KindId>,
}

impl Kinds {
    fn of(coverage: Option<&AccountCoverage>) -> Self {
        let mut kinds = Self::default();
        let cells = coverage.into_iter().flat_map(|coverage| &coverage.cells);
        for cell in cells.filter(|cell| cell.state != CellState::Skipped) {
            kinds.looked.insert(cell.kind.clone());
            if !matches!(cell.state, CellState::Complete | CellState::Unsupported) {
                kinds.incomplete.insert(cell.kind.clone());
            }
        }
        kinds
    }

    fn is_whole(&self, kind: &KindId) -> bool {
        self.looked.contains(kind) && !self.incomplete.contains(kind)
    }
}

/// What is judged otherwise from the run at hand on.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) params: BTreeSet<String>,
    pub(super) rejudged: Option<Rejudged>,
}

/// The findings of a check, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) fail: u64,
    pub(super) fail_below: u64,
    pub(super) waived: u64,
    pub(super) pass: u64,
    pub(super) unknown: u64,
    pub(super) not_applicable: u64,
}

impl Counted {
    pub(super) fn verdicts(&self) -> VerdictCounts {
        VerdictCounts {
            fail: self.fail + self.fail_below + self.waived,
            not_applicable: self.not_applicable,
            pass: self.pass,
            unknown: self.unknown,
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            fail: self.fail,
            fail_below: self.fail_below,
            not_applicable: self.not_applicable,
            pass: self.pass,
            unknown: self.unknown,
            waived: self.waived,
        }
    }
}

impl Stream {
    pub(super) fn new(agent: AgentId, schedule: Option<String>) -> Self {
        Self {
            agent,
            schedule,
            rules: Arc::default(),
            standings: Arc::default(),
            now: None,
            before: None,
            looks: Vec::new(),
            changed: Changed::default(),
            tallies: BTreeMap::new(),
            touched: BTreeSet::new(),
            unknown: BTreeMap::new(),
            seen: BTreeMap::new(),
            seen_before: BTreeMap::new(),
            open: BTreeMap::new(),
            holes: Vec::new(),
        }
    }

    /// Counts a line that is gone, and one that came.
    pub(super) fn count(&mut self, old: Option<&Finding>, new: Option<&Finding>) {
        let threshold = self.rules.threshold.unwrap_or(Severity::Low).max(Severity::Low);
        for (finding, more) in [(old, false), (new, true)] {
            let Some(finding) = finding else { continue };
            let counted = self.tallies.entry(finding.check.clone()).or_default();
            let number = match finding.verdict {
                Verdict::Fail if finding.waiver.is_some() => &mut counted.waived,
                Verdict::Fail if finding.severity < threshold => &mut counted.fail_below,
                Verdict::Fail => &mut counted.fail,
                Verdict::Pass => &mut counted.pass,
                Verdict::Unknown => &mut counted.unknown,
                Verdict::NotApplicable => &mut counted.not_applicable,
            };
            *number = if more { *number + 1 } else { number.saturating_sub(1) };
            self.touched.insert(finding.check.clone());
        }
    }

    /// Since when and until when nothing is known of some finding of a check.
    fn note_unknown(&mut self, at: Timestamp) {
        for check in std::mem::take(&mut self.touched) {
            let some = self.tallies.get(&check).is_some_and(|counted| counted.unknown > 0);
            let known = self.unknown.get(&check).and_then(|spans| spans.last()).is_none_or(|span| span.1.is_some());
            match (some, known) {
                (true, true) => self.unknown.entry(check).or_default().push((at, None)),
                (false, false) => {
                    if let Some(span) = self.unknown.get_mut(&check).and_then(|spans| spans.last_mut()) {
                        span.1 = Some(at);
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes in what is another in the coverage of an account.
    pub(super) fn coverage(&mut self, key: (Provider, Account), new: Option<&AccountCoverage>, at: Timestamp) {
        let number = self.looks.len();
        let fresh = new.map(|new| holes(&self.agent, new, at)).unwrap_or_default();
        let mut open = Vec::new();
        for (mut hole, first) in self.open.remove(&key).unwrap_or_default() {
            if fresh.iter().any(|one| same_hole(one, &hole)) {
                open.push((hole, first));
            } else {
                hole.until = Some(at);
                hole.looks = (number - first) as u64;
                self.holes.push(hole);
            }
        }
        for hole in fresh {
            if !open.iter().any(|(one, _)| same_hole(one, &hole)) {
                open.push((hole, number));
            }
        }
        let before = self.seen.insert(key.clone(), Kinds::of(new)).unwrap_or_default();
        self.seen_before.insert(key.clone(), before);
        self.open.insert(key, open);
    }

    /// Ends the holes that are still open: they stay open in the document.
    pub(super) fn end(&mut self) {
        let number = self.looks.len();
        for (mut hole, first) in std::mem::take(&mut self.open).into_values().flatten() {
            hole.looks = (number - first) as u64;
            self.holes.push(hole);
        }
    }

    /// The run at hand is over.
    pub(super) fn run_ends(&mut self, run: RunId, at: Timestamp) {
        self.note_unknown(at);
        self.looks.push(at);
        self.before = Some((run, at));
        self.seen_before.clear();
    }

    /// Whether the run at hand looked at a kind anywhere.
    pub(super) fn looks_at(&self, kind: &KindId) -> bool {
        self.seen.values().any(|kinds| kinds.looked.contains(kind))
    }

    /// Whether what a finding is about could be listed whole, as the run at hand says.
    pub(super) fn could_list(&self, finding: &Finding) -> bool {
        let kinds = self.seen.get(&place(finding));
        kinds.is_some_and(|kinds| kinds.is_whole(self.kind_of(finding)))
    }

    /// The same, as the run before says.
    pub(super) fn could_list_before(&self, finding: &Finding) -> bool {
        let key = place(finding);
        let kinds = self.seen_before.get(&key).or_else(|| self.seen.get(&key));
        kinds.is_some_and(|kinds| kinds.is_whole(self.kind_of(finding)))
    }

    /// The kind that the check of a finding asks about.
    fn kind_of<'f>(&'f self, finding: &'f Finding) -> &'f KindId {
        self.rules.checks.get(&finding.check).map_or(&finding.kind, |rule| &rule.kind)
    }

    /// The counts of some checks together.
    pub(super) fn tally<'c>(&self, checks: impl Iterator<Item = &'c CheckId>) -> Tally {
        let mut tally = Tally::default();
        for counted in checks.filter_map(|check| self.tallies.get(check)) {
            tally.add(&counted.tally());
        }
        tally
    }

    /// When nobody could see what these checks ask.
    pub(super) fn blind(&self, checks: &BTreeSet<CheckId>, end: Timestamp) -> Vec<Gap> {
        let kinds: BTreeSet<&KindId> =
            checks.iter().filter_map(|check| self.rules.checks.get(check)).map(|rule| &rule.kind).collect();
        let unread =
            |hole: &&CoverageHole| hole.fields.is_empty() && hole.kind.as_ref().is_none_or(|kind| kinds.contains(kind));
        let mut gaps: Vec<Gap> = self
            .holes
            .iter()
            .filter(unread)
            .map(|hole| Gap { from: hole.from, until: hole.until.unwrap_or(end), what: unread_in_words(hole) })
            .collect();
        for check in checks {
            for (from, until) in self.unknown.get(check).into_iter().flatten() {
                let what = format!("{check} could not be decided for everything");
                gaps.push(Gap { from: *from, until: until.unwrap_or(end), what });
            }
        }
        gaps
    }
}

fn place(finding: &Finding) -> (Provider, Account) {
    (finding.scope.provider.clone(), finding.scope.account.clone())
}

fn unread_in_words(hole: &CoverageHole) -> String {
    let what = hole.kind.as_ref().map_or("the account", |kind| kind.as_str());
    let place = hole.region.as_ref().map_or_else(String::new, |region| format!(" {region}"));
    let missing = if hole.permissions.is_empty() {
        String::new()
    } else {
        format!(": {} is missing", hole.permissions.join(", "))
    };
    format!("{what} in {}:{}{place} was not read whole ({}){missing}", hole.provider, hole.account, hole.state.as_str())
}

fn same_hole(one: &CoverageHole, other: &CoverageHole) -> bool {
    (&one.region, &one.kind, one.state, one.cause, &one.permissions, &one.fields)
        == (&other.region, &other.kind, other.state, other.cause, &other.permissions, &other.fields)
}

/// What an account's coverage does not tell. What the operator excluded is no hole.
fn holes(agent: &AgentId, coverage: &AccountCoverage, at: Timestamp) -> Vec<CoverageHole> {
    let hole = |region, kind, state, cause, permissions, fields| CoverageHole {
        agent: agent.clone(),
        provider: coverage.provider.clone(),
        account: coverage.account.clone(),
        region,
        kind,
        state,
        cause,
        permissions,
        fields,
        from: at,
        until: None,
        looks: 0,
    };
    let mut out = Vec::new();
    for gap in coverage.gaps.iter().filter(|gap| gap.cause != evidenced_model::Cause::Skipped) {
        let permissions = gap.permission.iter().cloned().collect();
        out.push(hole(None, None, CellState::from(gap.cause), Some(gap.cause), permissions, Vec::new()));
    }
    for cell in coverage.cells.iter().filter(|cell| cell.state != CellState::Skipped) {
        let whole = matches!(cell.state, CellState::Complete | CellState::Unsupported);
        let (listing, fields): (Vec<_>, Vec<_>) = cell.gaps.iter().partition(|gap| gap.fields.is_empty());
        let permissions = |gaps: &[&evidenced_model::GapCount]| -> Vec<String> {
            let named: BTreeSet<&String> = gaps.iter().filter_map(|gap| gap.refusal.permission.as_ref()).collect();
            named.into_iter().cloned().collect()
        };
        let place = || (Some(cell.region.clone()), Some(cell.kind.clone()));
        if !whole || !listing.is_empty() {
            let ((region, kind), cause) = (place(), listing.first().map(|gap| gap.refusal.cause));
            out.push(hole(region, kind, cell.state, cause, permissions(&listing), Vec::new()));
        }
        for gap in fields {
            let (region, kind) = place();
            let named = permissions(&[gap]);
            out.push(hole(region, kind, cell.state, Some(gap.refusal.cause), named, gap.fields.clone()));
        }
    }
    out
}
