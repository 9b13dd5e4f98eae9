//! Building a period: fed run by run in the order of time, and of each run only with what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evidenced_model::{AccountCoverage, AgentId, CheckId, KindId, Provider, Scope, Standing, Strength, Verdict};
use jiff::Timestamp;

use super::controls::{Controls, Look};
use super::document::{
    AttachmentPeriod, ChangeCause, RunPoint, SchedulePeriod, Stretch, Upgrade, VerdictChange, VersionSpan,
};
use super::facts::{Declared, Line, LogFacts, PeriodLimits, Rejudged, Rules, RunFacts, StandingFact};
use super::fails::{Fails, cut, end_of};
use super::stream::Stream;
use crate::Evidence;
use crate::keep::{observed, reference};

/// Takes in the runs of a period, and makes a [`super::Period`] of them.
#[derive(Debug)]
pub struct PeriodBuilder {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) store: String,
    pub(super) limits: PeriodLimits,
    pub(super) streams: Vec<Stream>,
    pub(super) controls: Controls,
    pub(super) fails: Fails,
    pub(super) changes: Stretch<VerdictChange>,
    pub(super) changes_of: BTreeMap<CheckId, u64>,
    pub(super) revisions: BTreeMap<CheckId, Vec<(u32, Timestamp)>>,
    pub(super) upgrades: Vec<Upgrade>,
    pub(super) logs: BTreeMap<AgentId, LogFacts>,
    pub(super) agents: BTreeMap<AgentId, AgentFacts>,
    pub(super) schedules: Vec<SchedulePeriod>,
    pub(super) declared: BTreeMap<AgentId, Vec<(Timestamp, Declared)>>,
    pub(super) attachments: Vec<AttachmentPeriod>,
    pub(super) missing_shards: Vec<String>,
    pub(super) cautions: Vec<String>,
    /// The rules of the newest run.
    pub(super) rules: Arc<Rules>,
}

/// What the runs of an agent say, counted.
#[derive(Debug, Default)]
pub(super) struct AgentFacts {
    pub(super) newest: Option<RunFacts>,
    pub(super) partial: u64,
    pub(super) asked_for: u64,
    pub(super) suspect: u64,
    pub(super) versions: Vec<VersionSpan>,
    pub(super) runs: Vec<RunPoint>,
}

impl PeriodBuilder {
    /// A period, from its first moment to the moment after its last.
    pub fn new(from: Timestamp, to: Timestamp, store: impl Into<String>, limits: PeriodLimits) -> Self {
        Self {
            from,
            to,
            store: store.into(),
            limits,
            streams: Vec::new(),
            controls: Controls::default(),
            fails: Fails::default(),
            changes: Stretch::default(),
            changes_of: BTreeMap::new(),
            revisions: BTreeMap::new(),
            upgrades: Vec::new(),
            logs: BTreeMap::new(),
            agents: BTreeMap::new(),
            schedules: Vec::new(),
            declared: BTreeMap::new(),
            attachments: Vec::new(),
            missing_shards: Vec::new(),
            cautions: Vec::new(),
            rules: Arc::default(),
        }
    }

    /// Another stream of runs: of one agent, for one schedule, or `None` for those that somebody asked for. Its number
    /// is what runs are fed with.
    pub fn stream(&mut self, agent: AgentId, schedule: Option<String>) -> usize {
        self.streams.push(Stream::new(agent, schedule));
        self.streams.len() - 1
    }

    /// What an agent's log counts.
    pub fn log(&mut self, agent: AgentId, facts: LogFacts) {
        self.logs.insert(agent, facts);
    }

    /// Shares of the accounts that have no run in the period, in words: nothing is supported over them.
    pub fn missing_shard(&mut self, what: impl Into<String>) {
        self.missing_shards.push(what.into());
    }

    /// Something that a reader has to know.
    pub fn caution(&mut self, what: impl Into<String>) {
        self.cautions.push(what.into());
    }

    /// What became of the slots of a schedule.
    pub fn schedule(&mut self, schedule: SchedulePeriod) {
        self.schedules.push(schedule);
    }

    /// What an agent's statement of applicability says from a log entry on. Fed in order.
    pub fn declare(&mut self, agent: &AgentId, at: Timestamp, declared: Declared) {
        self.declared.entry(agent.clone()).or_default().push((at, declared));
    }

    /// A document that somebody brought.
    pub fn attachment(&mut self, attachment: AttachmentPeriod) {
        self.attachments.push(attachment);
    }

    /// A run begins to be fed. `rules` are those that it was judged by; the same ones as before are not compared.
    /// `rejudged` is what the run before came to by them, where the log says so.
    pub fn begin_run(&mut self, stream: usize, facts: RunFacts, rules: &Arc<Rules>, rejudged: Option<Rejudged>) {
        let Some(s) = self.streams.get_mut(stream) else { return };
        s.changed.params.clear();
        let told = rejudged.is_some();
        s.changed.rejudged = rejudged;
        let first = s.before.is_none();
        if !Arc::ptr_eq(&s.rules, rules) {
            for (id, rule) in &rules.checks {
                let known = self.revisions.entry(id.clone()).or_default();
                if known.last().is_none_or(|(revision, _)| *revision != rule.revision) {
                    known.push((rule.revision, facts.at));
                }
            }
            if !first {
                let before = self.agents.get(&s.agent).and_then(|agent| agent.versions.last());
                let versions = before.map(|span| (span.version.clone(), facts.version.clone()));
                let versions = versions.filter(|(old, new)| old != new);
                let upgrade = upgrade(s, &facts, rules, versions, told);
                s.changed.params.extend(upgrade.params.iter().cloned());
                if !upgrade.is_nothing() {
                    self.upgrades.push(upgrade);
                }
            }
            s.rules = Arc::clone(rules);
        }
        self.rules = Arc::clone(rules);
        let agent = self.agents.entry(s.agent.clone()).or_default();
        agent.take(&facts);
        s.now = Some(facts);
    }

    /// The coverage of an account is another than in the run before.
    pub fn coverage(&mut self, stream: usize, old: Option<&AccountCoverage>, new: Option<&AccountCoverage>) {
        let Some((s, at)) =
            self.streams.get_mut(stream).and_then(|s| Some((s.now.as_ref()?.at, s)).map(|(a, b)| (b, a)))
        else {
            return;
        };
        if let Some(one) = new.or(old) {
            s.coverage((one.provider.clone(), one.account.clone()), new, at);
        }
    }

    /// A finding is another than in the run before, or came, or is gone.
    pub fn finding(&mut self, stream: usize, old: Option<Line<'_>>, new: Option<Line<'_>>) {
        let Some(s) = self.streams.get_mut(stream) else { return };
        let Some(run) = s.now.take() else { return };
        let (before, after) = (old.map(|line| line.finding), new.map(|line| line.finding));
        s.count(before, after);
        let cause = cause(s, before, after);
        let failed = before.is_some_and(|finding| finding.verdict == Verdict::Fail);
        let fails = after.is_some_and(|finding| finding.verdict == Verdict::Fail);
        match (new, before) {
            (Some(line), _) if fails => self.fails.seen(stream, s, &run, line, &self.limits),
            (_, Some(finding)) if failed => {
                let key = (finding.check.clone(), finding.scope.clone(), finding.resource.clone());
                let end = end_of(after.map(|finding| finding.verdict), cause.last());
                self.fails.gone(stream, s, (key, run.at), end, &self.limits);
            }
            _ => {}
        }
        if let Some((before_run, _)) = s.before
            && before.map(|finding| finding.verdict) != after.map(|finding| finding.verdict)
        {
            let mut step = |from, until, why, old, new| {
                let change = change(s, &run, before_run, (from, until), why, old, new, &self.limits);
                if let Some(change) = change {
                    *self.changes_of.entry(change.check.clone()).or_default() += 1;
                    if matches!(why, ChangeCause::Check | ChangeCause::Params)
                        && let Some(upgrade) = self.upgrades.last_mut().filter(|upgrade| upgrade.run == run.run)
                    {
                        upgrade.verdicts += 1;
                    }
                    self.changes.count += 1;
                    if self.changes.shown.len() < self.limits.changes {
                        self.changes.shown.push(change);
                    } else {
                        self.changes.left_out += 1;
                    }
                }
            };
            let (from, until) = (before.map(|finding| finding.verdict), after.map(|finding| finding.verdict));
            match cause {
                Causes::One(why) => step(from, until, why, old, new),
                Causes::Two { first, between, second } => {
                    step(from, between, first, old, None);
                    step(between, until, second, None, new);
                }
            }
        }
        s.now = Some(run);
    }

    /// The places of what fails, or failed: kind, scope and resource.
    pub fn failing(&self) -> impl Iterator<Item = (&KindId, &Scope, &str)> {
        self.fails.places()
    }

    /// Says who answers for what fails, where nobody has said so yet.
    pub fn own(&mut self, owner: &dyn Fn(&KindId, &Scope, &str) -> Option<String>) {
        self.fails.own(owner);
    }

    /// How each control stands, as the run says. The same list as before need not be made again.
    pub fn standings(&mut self, stream: usize, standings: &Arc<Vec<StandingFact>>) {
        if let Some(s) = self.streams.get_mut(stream) {
            s.standings = Arc::clone(standings);
        }
    }

    /// Everything of the run was fed.
    pub fn end_run(&mut self, stream: usize) {
        let Some(s) = self.streams.get_mut(stream) else { return };
        let Some(run) = s.now.take() else { return };
        s.run_ends(run.run, run.at);
        let s = &self.streams[stream];
        let looked = looked(s);
        let look = Look { stream, at: run.at, run: run.run, agent: &s.agent, hole: !self.missing_shards.is_empty() };
        for fact in s.standings.iter() {
            let both = self.controls.of(&fact.catalog, &fact.control);
            let seen = looked.get(&(&fact.catalog, &fact.control));
            let mut any = false;
            for (provider, standing) in &fact.providers {
                let state = both.clouds.entry(provider.clone()).or_default();
                let checks = seen.and_then(|clouds| clouds.get(provider));
                match checks {
                    Some(checks) if *standing != Standing::Manual => {
                        any = true;
                        if state.is_new() || !checks.iter().all(|check| state.checks.contains(*check)) {
                            state.checks.extend(checks.iter().map(|check| (*check).clone()));
                        }
                        let streams = &self.streams;
                        state.look(&look, *standing, || {
                            let sum = |stream: &Stream| stream.tally(checks.iter().copied());
                            streams.iter().map(sum).fold(evidenced_model::Tally::default(), |mut all, one| {
                                all.add(&one);
                                all
                            })
                        });
                    }
                    _ => state.without_look(stream, *standing),
                }
            }
            let checks: BTreeSet<&CheckId> = seen.into_iter().flat_map(BTreeMap::values).flatten().copied().collect();
            if any {
                both.together.checks.extend(checks.iter().map(|check| (*check).clone()));
                let streams = &self.streams;
                both.together.look(&look, fact.standing, || {
                    let mut all = evidenced_model::Tally::default();
                    for stream in streams {
                        all.add(&stream.tally(checks.iter().copied()));
                    }
                    all
                });
            } else {
                both.together.without_look(stream, fact.standing);
            }
        }
    }
}

/// The decisive checks of each control in each cloud whose kinds the last run looked at.
type LookedAt<'s> = BTreeMap<
    (&'s evidenced_model::CatalogId, &'s evidenced_model::ControlId),
    BTreeMap<&'s Provider, Vec<&'s CheckId>>,
>;

fn looked(s: &Stream) -> LookedAt<'_> {
    let mut by_objective: BTreeMap<&evidenced_model::ObjectiveId, Vec<(&Provider, &CheckId)>> = BTreeMap::new();
    for (id, rule) in &s.rules.checks {
        if s.looks_at(&rule.kind) {
            by_objective.entry(&rule.objective).or_default().push((&rule.provider, id));
        }
    }
    let mut out: LookedAt<'_> = BTreeMap::new();
    for catalog in &s.rules.catalogs {
        for control in &catalog.controls {
            let decisive = control.links.iter().filter(|(_, strength)| *strength >= Strength::Partial);
            for (provider, check) in decisive.filter_map(|(objective, _)| by_objective.get(objective)).flatten() {
                let clouds = out.entry((&catalog.id, &control.id)).or_default();
                clouds.entry(provider).or_default().push(check);
            }
        }
    }
    out
}

/// Why a verdict is another: for one reason, or for two, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Causes {
    One(ChangeCause),
    Two { first: ChangeCause, between: Option<Verdict>, second: ChangeCause },
}

impl Causes {
    fn last(self) -> ChangeCause {
        match self {
            Self::One(cause) | Self::Two { second: cause, .. } => cause,
        }
    }
}

fn cause(s: &Stream, old: Option<&evidenced_model::Finding>, new: Option<&evidenced_model::Finding>) -> Causes {
    let Some(one) = new.or(old) else { return Causes::One(ChangeCause::Cloud) };
    let (before, after) = (old.map(|finding| finding.verdict), new.map(|finding| finding.verdict));
    let rule = s.rules.checks.get(&one.check);
    let another = match (old, new) {
        (Some(old), Some(new)) => old.check_sha256 != new.check_sha256,
        (Some(_), None) => rule.is_none(),
        _ => false,
    };
    let params = rule.is_some_and(|rule| rule.params.iter().any(|name| s.changed.params.contains(name)));
    let judged = if another { ChangeCause::Check } else { ChangeCause::Params };
    let otherwise = without_rules(s, old, new);
    match &s.changed.rejudged {
        Some(rejudged) => {
            let key = (one.check.clone(), one.scope.clone(), one.resource.clone());
            match rejudged.get(&key) {
                Some(between) if *between == after => Causes::One(judged_by(s, one, judged)),
                Some(between) if *between == before => Causes::One(otherwise),
                Some(between) => Causes::Two { first: judged_by(s, one, judged), between: *between, second: otherwise },
                None => Causes::One(otherwise),
            }
        }
        // Nobody judged the run before again: what the rules could have done counts as done by them.
        None if another => Causes::One(ChangeCause::Check),
        None if params && same_reading(old, new) => Causes::One(ChangeCause::Params),
        None => Causes::One(otherwise),
    }
}

/// A check that is new or gone is another check, whatever its parameters.
fn judged_by(s: &Stream, one: &evidenced_model::Finding, judged: ChangeCause) -> ChangeCause {
    let reads = s.rules.checks.get(&one.check).map(|rule| &rule.params);
    let params = reads.is_some_and(|reads| reads.iter().any(|name| s.changed.params.contains(name)));
    if judged == ChangeCause::Params && !params { ChangeCause::Check } else { judged }
}

fn same_reading(old: Option<&evidenced_model::Finding>, new: Option<&evidenced_model::Finding>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => old.observed == new.observed && old.rests_on == new.rests_on,
        _ => true,
    }
}

fn without_rules(
    s: &Stream,
    old: Option<&evidenced_model::Finding>,
    new: Option<&evidenced_model::Finding>,
) -> ChangeCause {
    match (old, new) {
        (Some(old), Some(new)) => {
            if old.verdict == Verdict::Unknown || new.verdict == Verdict::Unknown {
                ChangeCause::Reading
            } else if same_reading(Some(old), Some(new)) {
                ChangeCause::Time
            } else {
                ChangeCause::Cloud
            }
        }
        (Some(old), None) if !s.could_list(old) => ChangeCause::Reading,
        (None, Some(new)) if !s.could_list_before(new) => ChangeCause::Reading,
        _ => ChangeCause::Cloud,
    }
}

#[expect(clippy::too_many_arguments, reason = "two sides of a change, and where it stands")]
fn change(
    s: &Stream,
    run: &RunFacts,
    before_run: evidenced_model::RunId,
    (before, after): (Option<Verdict>, Option<Verdict>),
    cause: ChangeCause,
    old: Option<Line<'_>>,
    new: Option<Line<'_>>,
    limits: &PeriodLimits,
) -> Option<VerdictChange> {
    let one = new.or(old)?.finding;
    let cut = cut(limits);
    let values = |line: Option<Line<'_>>| line.map(|line| observed(&line.finding.observed, &cut)).unwrap_or_default();
    let place = |line: Option<Line<'_>>| {
        line.map(|line| {
            reference(Evidence { object: line.file, resource_object: None }, &one.check, &one.resource, &cut)
        })
    };
    Some(VerdictChange {
        at: run.at,
        agent: s.agent.clone(),
        before_run,
        run: run.run,
        check: one.check.clone(),
        resource: one.resource.clone(),
        kind: one.kind.clone(),
        scope: one.scope.clone(),
        severity: one.severity,
        before,
        after,
        cause,
        observed_before: values(old),
        observed_after: values(new),
        because: new.map(|line| line.finding.because.iter().take(5).cloned().collect()).unwrap_or_default(),
        evidence_before: place(old),
        evidence_after: place(new),
    })
}

/// What the rules of a run changed.
fn upgrade(s: &Stream, facts: &RunFacts, rules: &Rules, versions: Option<(String, String)>, rejudged: bool) -> Upgrade {
    let (old, new) = (&s.rules, rules);
    let changed = new.checks.iter().filter_map(|(id, rule)| {
        let before = old.checks.get(id)?;
        (before.sha256 != rule.sha256).then(|| (id.clone(), before.revision, rule.revision))
    });
    let names: BTreeSet<&String> = old.params.keys().chain(new.params.keys()).collect();
    let params = names.into_iter().filter(|name| old.params.get(*name) != new.params.get(*name)).cloned();
    let without = |one: &Rules, other: &Rules| -> Vec<CheckId> {
        one.checks.keys().filter(|id| !other.checks.contains_key(*id)).cloned().collect()
    };
    Upgrade {
        at: facts.at,
        agent: s.agent.clone(),
        run: facts.run,
        versions,
        checks: changed.collect(),
        added: without(new, old),
        removed: without(old, new),
        params: params.collect(),
        verdicts: 0,
        rejudged,
    }
}

impl Upgrade {
    fn is_nothing(&self) -> bool {
        self.versions.is_none()
            && self.checks.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.params.is_empty()
    }
}

impl AgentFacts {
    fn take(&mut self, facts: &RunFacts) {
        self.partial += u64::from(facts.status == evidenced_model::RunStatus::Partial);
        self.asked_for += u64::from(facts.due.is_none());
        self.suspect += u64::from(facts.suspect);
        match self.versions.last_mut() {
            Some(span) if span.version == facts.version && span.sha256 == facts.sha256 => {
                span.last = facts.at;
                span.runs += 1;
            }
            _ => self.versions.push(VersionSpan {
                version: facts.version.clone(),
                sha256: facts.sha256,
                first: facts.at,
                last: facts.at,
                runs: 1,
            }),
        }
        self.runs.push(RunPoint {
            run: facts.run,
            at: facts.at,
            status: facts.status,
            findings: facts.totals.findings,
            gaps: facts.totals.gaps,
            resources: facts.totals.resources,
            due: facts.due,
            late: facts.late,
        });
        self.newest = Some(facts.clone());
    }
}
