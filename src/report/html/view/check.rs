//! Checks that fail, as templates show them: how many, since when, and whose they are.

use std::collections::BTreeMap;

use evidenced_model::{CheckId, Severity};
use serde::Serialize;

use crate::document::Report;
use crate::period::{FailPeriod, Period};
use crate::words::{self, day, number};

/// So many owners are named.
const OWNERS: usize = 3;

/// A check with fails that nobody waived.
#[derive(Serialize)]
pub(super) struct FailingView<'a> {
    id: &'a CheckId,
    title: &'a str,
    severity: Severity,
    fails: u64,
    of: String,
    /// The first look that saw the oldest of them.
    since: Option<String>,
    /// Whether that one stood before anybody looked.
    before: bool,
    owners: Vec<&'a str>,
    owners_left: usize,
}

/// Something that is known of a fail from the period, for the row of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::html) struct Known<'a> {
    pub(in crate::html) check: &'a str,
    pub(in crate::html) resource: &'a str,
    pub(in crate::html) account: &'a str,
    pub(in crate::html) region: &'a str,
}

/// Fails that stand, by what they are about.
pub(in crate::html) fn known(period: &Period) -> BTreeMap<Known<'_>, &FailPeriod> {
    let open = period.fails.shown.iter().filter(|fail| fail.until.is_none());
    open.map(|fail| {
        let at = Known {
            check: fail.check.as_str(),
            resource: &fail.resource,
            account: fail.scope.account.as_str(),
            region: fail.scope.region.as_str(),
        };
        (at, fail)
    })
    .collect()
}

/// Checks that fail, the worst severity first, then the most fails.
pub(super) fn failing<'a>(report: Option<&'a Report>, period: Option<&'a Period>) -> Vec<FailingView<'a>> {
    let mut stand: BTreeMap<&CheckId, Vec<&FailPeriod>> = BTreeMap::new();
    for fail in period.into_iter().flat_map(|period| &period.fails.shown).filter(|fail| fail.until.is_none()) {
        stand.entry(&fail.check).or_default().push(fail);
    }
    let view = |id: &'a CheckId, title: &'a str, severity, fails, of| {
        let fails_now = stand.get(id).map(Vec::as_slice).unwrap_or_default();
        let oldest = fails_now.iter().min_by_key(|fail| fail.since);
        let mut owners: Vec<&str> = fails_now.iter().filter_map(|fail| fail.owner.as_deref()).collect();
        owners.sort_unstable();
        owners.dedup();
        FailingView {
            id,
            title,
            severity,
            fails,
            of,
            since: oldest.map(|fail| day(fail.since)),
            before: oldest.is_some_and(|fail| fail.from_before),
            owners_left: owners.len().saturating_sub(OWNERS),
            owners: owners.into_iter().take(OWNERS).collect(),
        }
    };
    if let Some(report) = report {
        let applicable = |check: &crate::CheckReport| number(check.counts.total() - check.counts.not_applicable);
        let failing = words::failing(&report.checks).into_iter();
        return failing
            .map(|check| view(&check.id, &check.title, check.severity, check.fails.count, applicable(check)))
            .collect();
    }
    let mut failing: Vec<_> =
        period.into_iter().flat_map(|period| &period.checks).filter(|check| check.open > 0).collect();
    failing.sort_by_key(|check| std::cmp::Reverse((check.severity, check.open)));
    let applicable = |check: &crate::period::CheckPeriod| number(check.counts.total() - check.counts.not_applicable);
    failing
        .into_iter()
        .map(|check| view(&check.id, &check.title, check.severity, check.open, applicable(check)))
        .collect()
}
