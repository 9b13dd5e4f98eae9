//! Fails over a period: since when each stands, how it ended, and what waived it.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{CheckId, KindId, Scope, Severity, Verdict};
use jiff::Timestamp;

use super::document::{ChangeCause, FailEnd, FailPeriod};
use super::facts::{Line, PeriodLimits, RunFacts};
use super::stream::Stream;
use crate::keep::{observed, reference};
use crate::{Evidence, Limits};

type Key = (CheckId, Scope, String);

/// Fails that stand, and those that ended.
#[derive(Debug, Default)]
pub(super) struct Fails {
    open: BTreeMap<Key, Open>,
    pub(super) ended: Vec<FailPeriod>,
    pub(super) left_out: u64,
    /// By check: began, ended, the longest, and how long ended ones stood, in seconds.
    pub(super) checks: BTreeMap<CheckId, Numbers>,
}

#[derive(Debug)]
struct Open {
    fail: FailPeriod,
    /// The streams that see it.
    streams: BTreeSet<usize>,
    /// A stream that saw it does not any more, since this look.
    last: Timestamp,
    /// The values that decided, as JSON, and the file of its line: packed, as there may be many that stand.
    values: Box<str>,
    file: Box<str>,
}

/// The fails of one check, in numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) stood: u64,
    pub(super) longest: u64,
    pub(super) mended: Vec<u64>,
}

impl Fails {
    /// A stream sees a fail: for the first time, or with other values.
    pub(super) fn seen(&mut self, stream: usize, seen: &Stream, run: &RunFacts, line: Line<'_>, limits: &PeriodLimits) {
        let finding = line.finding;
        let key = (finding.check.clone(), finding.scope.clone(), finding.resource.clone());
        let from_before = seen.before.is_none();
        let open = self.open.entry(key).or_insert_with(|| {
            let numbers = self.checks.entry(finding.check.clone()).or_default();
            numbers.stood += 1;
            numbers.began += u64::from(!from_before);
            Open {
                fail: FailPeriod {
                    check: finding.check.clone(),
                    severity: finding.severity,
                    resource: finding.resource.clone(),
                    kind: finding.kind.clone(),
                    scope: finding.scope.clone(),
                    owner: None,
                    since: run.at,
                    from_before,
                    seen_last: run.at,
                    until: None,
                    end: None,
                    seconds: 0,
                    waived: Vec::new(),
                    observed: BTreeMap::new(),
                    evidence: None,
                    run: run.run,
                    agent: seen.agent.clone(),
                },
                streams: BTreeSet::new(),
                last: run.at,
                values: Box::default(),
                file: Box::default(),
            }
        });
        open.streams.insert(stream);
        let waiver = finding.waiver.as_ref().map(|waiver| &waiver.id);
        if let Some(id) = waiver
            && open.fail.waived.last().is_none_or(|(last, _)| last != id)
        {
            open.fail.waived.push((id.clone(), run.at));
        }
        open.fail.severity = finding.severity;
        let values = serde_json::to_string(&observed(&finding.observed, &cut(limits)));
        open.values = values.unwrap_or_default().into();
        open.file = line.file.into();
    }

    /// A stream does not see it any more. It ends when the last stream that saw it does not.
    pub(super) fn gone(
        &mut self,
        stream: usize,
        seen: &Stream,
        (key, at): (Key, Timestamp),
        end: FailEnd,
        limits: &PeriodLimits,
    ) {
        let Some(open) = self.open.get_mut(&key) else { return };
        let last = seen.before.map_or(open.fail.since, |(_, at)| at);
        open.last = open.last.max(last);
        open.streams.remove(&stream);
        if !open.streams.is_empty() {
            return;
        }
        let Some(mut open) = self.open.remove(&key) else { return };
        let fail = &mut open.fail;
        fail.seen_last = open.last.max(fail.since);
        fail.until = Some(at);
        fail.end = Some(end);
        let numbers = self.checks.entry(fail.check.clone()).or_default();
        numbers.ended += 1;
        if matches!(end, FailEnd::Passed | FailEnd::NotApplicable | FailEnd::Gone) {
            numbers.mended.push(seconds(fail.since, at));
        }
        self.keep(open, limits);
    }

    /// What fails, or failed: its place.
    pub(super) fn places(&self) -> impl Iterator<Item = (&KindId, &Scope, &str)> {
        let open = self.open.values().map(|open| &open.fail);
        open.chain(&self.ended).map(|fail| (&fail.kind, &fail.scope, fail.resource.as_str()))
    }

    /// Says who answers for each, where somebody does.
    pub(super) fn own(&mut self, owner: &dyn Fn(&KindId, &Scope, &str) -> Option<String>) {
        let open = self.open.values_mut().map(|open| &mut open.fail);
        for fail in open.chain(&mut self.ended).filter(|fail| fail.owner.is_none()) {
            fail.owner = owner(&fail.kind, &fail.scope, &fail.resource);
        }
    }

    /// Those that stand at the end, after `looks`: the last look of each stream.
    pub(super) fn finish(&mut self, looks: &[Option<Timestamp>], limits: &PeriodLimits) -> BTreeMap<CheckId, u64> {
        let mut standing: BTreeMap<CheckId, u64> = BTreeMap::new();
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| (std::cmp::Reverse(open.fail.severity), open.fail.since));
        for mut open in open {
            let seen = open.streams.iter().filter_map(|stream| *looks.get(*stream)?).max();
            open.fail.seen_last = seen.unwrap_or(open.last).max(open.last);
            *standing.entry(open.fail.check.clone()).or_default() += 1;
            self.keep(open, limits);
        }
        // The worst first, and of them what stands, and what stood longest.
        let rank = |fail: &FailPeriod| (std::cmp::Reverse(fail.severity), fail.until.is_some(), fail.since);
        self.ended.sort_by(|one, other| {
            let place = |fail: &FailPeriod| (fail.check.clone(), fail.scope.clone(), fail.resource.clone());
            rank(one).cmp(&rank(other)).then_with(|| place(one).cmp(&place(other)))
        });
        standing
    }

    fn keep(&mut self, open: Open, limits: &PeriodLimits) {
        let Open { mut fail, values, file, .. } = open;
        fail.seconds = seconds(fail.since, fail.seen_last);
        let numbers = self.checks.entry(fail.check.clone()).or_default();
        numbers.longest = numbers.longest.max(fail.seconds);
        // What is least bad goes first when there is no room: see `finish`; here only the number is bounded.
        if self.ended.len() >= limits.fails && fail.severity < Severity::High {
            self.left_out += 1;
            return;
        }
        fail.observed = serde_json::from_str(&values).unwrap_or_default();
        let evidence = Evidence { object: &file, resource_object: None };
        fail.evidence = Some(reference(evidence, &fail.check, &fail.resource, &cut(limits)));
        self.ended.push(fail);
    }
}

/// How much of a line is kept.
pub(super) fn cut(limits: &PeriodLimits) -> Limits {
    Limits { value_bytes: limits.value_bytes, finding_bytes: limits.line_bytes, ..Limits::default() }
}

/// How a fail ended, by what the line says now and why it changed.
pub(super) fn end_of(now: Option<Verdict>, cause: ChangeCause) -> FailEnd {
    match (now, cause) {
        (_, ChangeCause::Check | ChangeCause::Params) => FailEnd::Rejudged,
        (Some(Verdict::Unknown), _) | (None, ChangeCause::Reading) => FailEnd::Unread,
        (Some(Verdict::NotApplicable), _) => FailEnd::NotApplicable,
        (Some(_), _) => FailEnd::Passed,
        (None, _) => FailEnd::Gone,
    }
}

pub(super) fn seconds(from: Timestamp, until: Timestamp) -> u64 {
    u64::try_from(until.as_second() - from.as_second()).unwrap_or(0)
}
