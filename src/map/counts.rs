//! Findings, counted one by one: memory grows with the checks, not with the findings.

use std::collections::BTreeMap;

use evidenced_model::{CheckId, Finding, ObjectiveId, Provider, Severity, Tally, Verdict};

/// The findings of a run or of a part of it, counted by provider, objective and check.
///
/// The order in which findings come does not matter, and counts of parts can be merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    providers: BTreeMap<Provider, BTreeMap<ObjectiveId, BTreeMap<CheckId, CheckCount>>>,
}

/// The findings of one check in one cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckCount {
    /// Unwaived fails, by severity.
    pub fails: BTreeMap<Severity, u64>,
    /// Passes that are the provider's merit, not the customer's (severity `info`).
    pub inherited: u64,
    /// Not applicable.
    pub not_applicable: u64,
    /// Passes that are the customer's own merit.
    pub pass: u64,
    /// Unknown.
    pub unknown: u64,
    /// Waived fails.
    pub waived: u64,
}

impl Counts {
    /// Counts one finding.
    pub fn add(&mut self, finding: &Finding) {
        let count = self.entry(&finding.scope.provider, &finding.objective, &finding.check);
        match finding.verdict {
            Verdict::Pass if finding.severity == Severity::Info => count.inherited += 1,
            Verdict::Pass => count.pass += 1,
            Verdict::Fail if finding.waiver.is_some() => count.waived += 1,
            Verdict::Fail => *count.fails.entry(finding.severity).or_default() += 1,
            Verdict::Unknown => count.unknown += 1,
            Verdict::NotApplicable => count.not_applicable += 1,
        }
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &Self) {
        for (provider, objectives) in &other.providers {
            for (objective, checks) in objectives {
                for (check, count) in checks {
                    self.entry(provider, objective, check).merge(count);
                }
            }
        }
    }

    /// The clouds that findings came from.
    pub fn providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers.keys()
    }

    /// The checks that serve an objective in a cloud, with their counts.
    pub fn checks(
        &self,
        provider: &Provider,
        objective: &ObjectiveId,
    ) -> impl Iterator<Item = (&CheckId, &CheckCount)> {
        self.providers.get(provider).and_then(|objectives| objectives.get(objective)).into_iter().flatten()
    }

    /// The count of a check, made where there is none. Ids are shared text, so their clones cost no memory.
    fn entry(&mut self, provider: &Provider, objective: &ObjectiveId, check: &CheckId) -> &mut CheckCount {
        let objectives = self.providers.entry(provider.clone()).or_default();
        objectives.entry(objective.clone()).or_default().entry(check.clone()).or_default()
    }
}

impl CheckCount {
    /// As numerators and denominators; fails under `threshold` and of severity `info` do not contradict.
    pub fn tally(&self, threshold: Severity) -> Tally {
        let contradicts = |severity: &Severity| *severity >= threshold.max(Severity::Low);
        let sum = |counted: &dyn Fn(&Severity) -> bool| -> u64 {
            self.fails.iter().filter(|(severity, _)| counted(severity)).map(|(_, count)| count).sum()
        };
        Tally {
            fail: sum(&contradicts),
            fail_below: sum(&|severity| !contradicts(severity)),
            not_applicable: self.not_applicable,
            pass: self.pass + self.inherited,
            unknown: self.unknown,
            waived: self.waived,
        }
    }

    fn merge(&mut self, other: &Self) {
        for (severity, count) in &other.fails {
            *self.fails.entry(*severity).or_default() += count;
        }
        self.inherited += other.inherited;
        self.not_applicable += other.not_applicable;
        self.pass += other.pass;
        self.unknown += other.unknown;
        self.waived += other.waived;
    }
}
