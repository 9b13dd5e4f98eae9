//! Populations: what a predicate over many resources comes to for an account, a region or an organisation.
//!
//! Counts are kept while resources stream by; their order does not matter. Resources of which too little was read, and
//! planned cells that are not complete, keep a verdict from being settled unless it holds whatever they are.

use std::collections::{BTreeMap, BTreeSet};

use cel::Context;
use evidenced_model::{Account, Because, Coverage, Finding, KindId, Provider, Region, RestsOn, Scope, Unread, Verdict};
use serde_json::{Map, Value, json};

use crate::definition::Per;
use crate::evaluate::{Bound, Step};
use crate::join::{because, open_reasons};
use crate::judge::{Note, reasons};
use crate::plan::{CheckPlan, Quantity, Rule};

/// The name of all accounts together, where a finding needs one.
const ORGANIZATION: &str = "organization";
/// How many resources a place's finding names.
const MAX_WITNESSES: usize = 5;

/// The counts of every population check, by place. Begin with [`crate::Judge::populations`].
#[derive(Debug, Clone)]
pub struct Populations {
    checks: Vec<BTreeMap<Place, Tally>>,
}

/// A place: provider, account and region, as far as the check tells them apart.
pub(crate) type Place = (Provider, Option<Account>, Option<Region>);

/// What was seen in one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By predicate, in the order of the check.
    counts: Vec<Counts>,
    because: BTreeSet<Because>,
    /// Resources of which it is not known whether the question arises.
    unclear: u64,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    holds: u64,
    fails: u64,
    unknown: u64,
    /// The first by place and id for which it holds, and for which it does not.
    held_by: BTreeSet<RestsOn>,
    failed_by: BTreeSet<RestsOn>,
}

impl Populations {
    pub(crate) fn new(checks: usize) -> Self {
        Self { checks: vec![BTreeMap::new(); checks] }
    }

    /// Adds what others have counted; both must come from the same judge.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.checks.iter_mut().zip(other.checks) {
            for (place, tally) in theirs {
                mine.entry(place).or_default().merge(tally);
            }
        }
    }

    pub(crate) fn into_places(self) -> impl Iterator<Item = BTreeMap<Place, Tally>> {
        self.checks.into_iter()
    }

    pub(crate) fn observe(
        &mut self,
        number: usize,
        per: Per,
        check: &CheckPlan,
        bound: &Bound<'_>,
        context: &Context<'_, '_>,
        note: Note<'_>,
    ) {
        let scope = &bound.resource.scope;
        let place = (
            scope.provider.clone(),
            (per != Per::Organization).then(|| scope.account.clone()),
            (per == Per::Region).then(|| scope.region.clone()),
        );
        let tally = self.checks[number].entry(place).or_default();
        let conditions = check.rule.conditions();
        tally.counts.resize_with(conditions.len(), Counts::default);
        // In terms of the predicates: a settled gate is the same answer to each of them.
        let gate = check.applies.as_ref().map(|applies| (bound.gate(applies, context), applies));
        match gate {
            Some((Step::Settled(Verdict::NotApplicable), _)) => return,
            Some((step @ (Step::Unknown | Step::Defect(_)), applies)) => {
                tally.unclear += 1;
                note(check, &step);
                tally.because.extend(reasons(&step, applies, bound));
                return;
            }
            Some((Step::Settled(verdict), _)) => {
                tally.counts.iter_mut().for_each(|counts| counts.settle(verdict, bound));
                return;
            }
            Some((Step::Open, _)) | None => {}
        }
        for (counts, condition) in tally.counts.iter_mut().zip(&conditions) {
            match bound.ask(condition, context) {
                Step::Settled(verdict) => counts.settle(verdict, bound),
                step => {
                    counts.unknown += 1;
                    note(check, &step);
                    tally.because.extend(reasons(&step, condition, bound));
                }
            }
        }
    }
}

impl Tally {
    fn merge(&mut self, other: Self) {
        let len = self.counts.len().max(other.counts.len());
        self.counts.resize_with(len, Counts::default);
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            mine.holds += theirs.holds;
            mine.fails += theirs.fails;
            mine.unknown += theirs.unknown;
            theirs.held_by.into_iter().for_each(|one| keep_first(&mut mine.held_by, one));
            theirs.failed_by.into_iter().for_each(|one| keep_first(&mut mine.failed_by, one));
        }
        self.because.extend(other.because);
        self.unclear += other.unclear;
    }
}

impl Counts {
    /// Pass says that the predicate holds, fail that it does not; not applicable leaves the resource out.
    fn settle(&mut self, verdict: Verdict, bound: &Bound<'_>) {
        match verdict {
            Verdict::Pass => {
                self.holds += 1;
                keep_first(&mut self.held_by, me(bound));
            }
            Verdict::Fail => {
                self.fails += 1;
                keep_first(&mut self.failed_by, me(bound));
            }
            Verdict::Unknown | Verdict::NotApplicable => {}
        }
    }
}

fn me(bound: &Bound<'_>) -> RestsOn {
    let resource = bound.resource;
    RestsOn { id: resource.id.clone(), kind: resource.kind.clone(), scope: resource.scope.clone() }
}

/// Keeps the smallest few, so that the order in which resources come does not show.
fn keep_first(set: &mut BTreeSet<RestsOn>, one: RestsOn) {
    if set.len() < MAX_WITNESSES || set.last().is_some_and(|last| one < *last) {
        set.insert(one);
        if set.len() > MAX_WITNESSES {
            set.pop_last();
        }
    }
}

/// The findings of one check: one for each planned place, and for each place where there were resources nonetheless.
pub(crate) fn finish(
    kind: &KindId,
    check: &CheckPlan,
    mut tallies: BTreeMap<Place, Tally>,
    coverage: &Coverage,
    sink: &mut dyn FnMut(Finding),
) {
    let Rule::Population(per, quantity) = &check.rule else { return };
    let mut places = planned(kind, *per, coverage);
    for place in tallies.keys() {
        places.entry(place.clone()).or_default();
    }
    for (place, open) in places {
        let tally = tallies.remove(&place).unwrap_or_default();
        sink(place_finding(check, quantity, &place, tally, &open));
    }
}

/// The places in which the kind was planned, with the reasons why a population is not known wholly.
fn planned(kind: &KindId, per: Per, coverage: &Coverage) -> BTreeMap<Place, BTreeSet<Unread>> {
    let mut places: BTreeMap<Place, BTreeSet<Unread>> = BTreeMap::new();
    for ((provider, account), covered) in &coverage.accounts {
        if provider.as_str() != kind.provider() {
            continue;
        }
        let account = (per != Per::Organization).then(|| account.clone());
        let mut asked = false;
        for cell in covered.cells.iter().filter(|cell| cell.kind == *kind) {
            asked = true;
            let region = (per == Per::Region).then(|| cell.region.clone());
            places.entry((provider.clone(), account.clone(), region)).or_default().extend(open_reasons(cell));
        }
        // An account that could not be entered at all has no cells, but it is a place all the same.
        if !asked && per != Per::Region && !covered.gaps.is_empty() {
            let open = places.entry((provider.clone(), account, None)).or_default();
            open.extend(covered.gaps.iter().map(Unread::from));
        }
    }
    places
}

fn place_finding(
    check: &CheckPlan,
    quantity: &Quantity,
    place: &Place,
    mut tally: Tally,
    open: &BTreeSet<Unread>,
) -> Finding {
    tally.counts.resize_with(check.rule.conditions().len(), Counts::default);
    let when_empty = check.check.when_empty.map_or(Verdict::Unknown, Verdict::from);
    let verdict = verdict(quantity, &tally, !open.is_empty(), when_empty);
    let mut because = BTreeSet::new();
    if verdict == Verdict::Unknown {
        because.append(&mut tally.because);
        because.extend(open.iter().map(|why| self::because("population", why)));
    }
    let rests_on = match (quantity, verdict) {
        (Quantity::Some(_) | Quantity::Count { .. }, Verdict::Pass)
        | (Quantity::None(_) | Quantity::Count { .. }, Verdict::Fail) => {
            tally.counts.iter().flat_map(|counts| counts.held_by.iter().cloned()).collect()
        }
        (Quantity::Every(_), Verdict::Fail) => {
            tally.counts.iter().flat_map(|counts| counts.failed_by.iter().cloned()).collect()
        }
        _ => BTreeSet::new(),
    };
    let (place_kind, resource, scope) = describe(place);
    Finding {
        because: because.into_iter().collect(),
        check: check.check.id.clone(),
        check_sha256: check.sha256,
        kind: place_kind,
        objective: check.check.objective.clone(),
        observed: observed(quantity, &tally),
        resource,
        rests_on: rests_on.into_iter().collect(),
        revision: check.check.revision,
        scope,
        severity: check.check.severity,
        verdict,
        waiver: None,
    }
}

/// Settled only if it holds whatever is unread: the resources that are unclear may be anything, also none of the
/// population, and a cell that is not complete may hide any number of resources.
fn verdict(quantity: &Quantity, tally: &Tally, open: bool, when_empty: Verdict) -> Verdict {
    let unknown = |counts: &Counts| counts.unknown + tally.unclear;
    let is_unsure = |counts: &Counts| open || unknown(counts) > 0;
    let any_unsure = open || tally.unclear > 0 || tally.counts.iter().any(|counts| counts.unknown > 0);
    let inhabited = tally.counts.iter().any(|counts| counts.holds + counts.fails > 0);
    if !inhabited && !any_unsure {
        return when_empty;
    }
    let one = &tally.counts[0];
    let settled = match quantity {
        Quantity::Some(_) => {
            let missing = |counts: &Counts| counts.holds == 0;
            if tally.counts.iter().any(|counts| missing(counts) && !is_unsure(counts)) {
                Verdict::Fail
            } else if tally.counts.iter().any(missing) {
                Verdict::Unknown
            } else {
                Verdict::Pass
            }
        }
        Quantity::Every(_) if one.fails > 0 => Verdict::Fail,
        Quantity::None(_) if one.holds > 0 => Verdict::Fail,
        Quantity::Every(_) | Quantity::None(_) if is_unsure(one) => Verdict::Unknown,
        Quantity::Every(_) | Quantity::None(_) => Verdict::Pass,
        Quantity::Count { min, max, .. } => {
            let most = if open { u64::MAX } else { one.holds + unknown(one) };
            if one.holds > *max || most < *min {
                Verdict::Fail
            } else if one.holds >= *min && most <= *max {
                Verdict::Pass
            } else {
                Verdict::Unknown
            }
        }
    };
    if inhabited || settled == when_empty { settled } else { Verdict::Unknown }
}

fn observed(quantity: &Quantity, tally: &Tally) -> Map<String, Value> {
    let mut observed = Map::new();
    if let Quantity::Some(named) = quantity
        && named.iter().all(|(name, _)| name.is_some())
    {
        let missing = named.iter().zip(&tally.counts).filter(|(_, counts)| counts.holds == 0);
        let missing: Vec<&str> = missing.filter_map(|((name, _), _)| name.as_deref()).collect();
        observed.insert("missing".into(), json!(missing));
        return observed;
    }
    let one = &tally.counts[0];
    observed.insert("holds".into(), one.holds.into());
    observed.insert("resources".into(), (one.holds + one.fails + one.unknown).into());
    if one.unknown + tally.unclear > 0 {
        observed.insert("unknown".into(), (one.unknown + tally.unclear).into());
    }
    observed
}

/// The kind, resource and scope of a place's finding.
fn describe(place: &Place) -> (KindId, String, Scope) {
    let (provider, account, region) = place;
    let (kind, resource) = match (account, region) {
        (_, Some(region)) => ("place.region", region.as_str()),
        (Some(account), None) => ("place.account", account.as_str()),
        (None, None) => ("place.organization", ORGANIZATION),
    };
    #[expect(clippy::expect_used, reason = "constants of the right form, as a test shows")]
    let (kind, everybody) =
        (KindId::parse(kind).expect("a kind"), || Account::parse(ORGANIZATION).expect("an account"));
    let scope = Scope {
        account: account.clone().unwrap_or_else(everybody),
        provider: provider.clone(),
        region: region.clone().unwrap_or_else(Region::global),
    };
    (kind, resource.to_owned(), scope)
}
