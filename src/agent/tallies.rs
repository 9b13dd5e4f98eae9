//! What a run counted for whoever watches: metrics, and what is new since the run before.

use std::collections::BTreeMap;

use evidenced_kit::Stats;
use evidenced_model::{AccountCoverage, ControlStanding, Finding, Provider, Severity, Verdict};
use evidenced_tell::Seen;

/// What was counted.
#[derive(Default)]
pub(crate) struct Tallies {
    /// What may be worth telling.
    pub(crate) seen: Seen,
    /// Findings.
    pub(crate) findings: BTreeMap<(Verdict, Severity), u64>,
    /// Gaps.
    pub(crate) gaps: BTreeMap<Provider, u64>,
    /// Calls, by cloud and service.
    pub(crate) calls: BTreeMap<(Provider, String), Calls>,
}

/// What became of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) ok: u64,
    pub(crate) denied: u64,
    pub(crate) throttled: u64,
    pub(crate) error: u64,
}

impl Tallies {
    /// Takes in a finding.
    pub(crate) fn finding(&mut self, finding: &Finding) {
        *self.findings.entry((finding.verdict, finding.severity)).or_default() += 1;
        self.seen.finding(finding);
    }

    /// Takes in what was read of an account.
    pub(crate) fn coverage(&mut self, account: &AccountCoverage) {
        *self.gaps.entry(account.provider.clone()).or_default() += account.gap_count();
        self.seen.coverage(account);
    }

    /// Takes in how controls stand, and which calls were made.
    pub(crate) fn end(&mut self, controls: &[ControlStanding], stats: &Stats) {
        self.seen.controls(controls);
        for (scope, operations) in stats.report() {
            for (operation, counts) in operations {
                let service = operation.split(':').next().unwrap_or_default().to_owned();
                let calls = self.calls.entry((scope.provider.clone(), service)).or_default();
                calls.ok += counts.ok;
                calls.denied += counts.denied;
                calls.throttled += counts.throttled;
                calls.error += counts.error;
            }
        }
    }
}
