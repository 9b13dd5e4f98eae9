//! How things stood after the run before.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::coverage::CellState;
use evidenced_model::{AccountCoverage, ControlStanding, Digest, Finding, Severity, Standing, Verdict};
use serde::{Deserialize, Serialize};

use crate::event::Change;

/// From this severity on a new fail is told.
const TOLD: Severity = Severity::High;
/// No more fails than these are remembered; beyond, new ones are not told apart, and none is told.
const MOST: usize = 200_000;
/// So many examples are given.
const EXAMPLES: usize = 10;

/// What a run saw that may be worth telling.
#[derive(Debug, Default)]
pub struct Seen {
    fails: BTreeMap<u64, Fail>,
    unread: BTreeMap<u64, String>,
    controls: BTreeMap<String, ControlStanding>,
}

/// A resource that fails a check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fail {
    severity: Severity,
    what: String,
}

/// How things stood after a run: numbers that stand for what failed and what was not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    controls: BTreeMap<String, Standing>,
    fails: BTreeSet<u64>,
    unread: BTreeSet<u64>,
}

impl Seen {
    /// Takes in a finding.
    pub fn finding(&mut self, finding: &Finding) {
        let told = finding.verdict == Verdict::Fail && finding.waiver.is_none() && finding.severity >= TOLD;
        if told && self.fails.len() <= MOST {
            let what = format!("{} {}", finding.check, finding.resource);
            let place = format!("{what}\n{}\n{}", finding.scope.account_key(), finding.scope.region);
            self.fails.insert(short(&place), Fail { severity: finding.severity, what });
        }
    }

    /// Takes in what was read of an account.
    pub fn coverage(&mut self, account: &AccountCoverage) {
        let fine = [CellState::Complete, CellState::Skipped, CellState::Unsupported];
        for cell in account.cells.iter().filter(|cell| !fine.contains(&cell.state)) {
            let what = format!("{}:{} {} {}", account.provider, account.account, cell.region, cell.kind);
            self.unread.insert(short(&what), what);
        }
    }

    /// Takes in how controls stand.
    pub fn controls<'a>(&mut self, controls: impl IntoIterator<Item = &'a ControlStanding>) {
        self.controls.extend(controls.into_iter().map(|one| (format!("{} {}", one.catalog, one.control), one.clone())));
    }

    /// What is new since the run before, and how things stand now. Without a run before, nothing is new.
    pub fn since(self, before: Option<&Baseline>) -> (Vec<Change>, Baseline) {
        let changes = before.map(|before| self.changes(before)).unwrap_or_default();
        let now = Baseline {
            controls: self.controls.into_iter().map(|(name, control)| (name, control.standing)).collect(),
            fails: self.fails.into_keys().collect(),
            unread: self.unread.into_keys().collect(),
        };
        (changes, now)
    }

    fn changes(&self, before: &Baseline) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, control) in &self.controls {
            // One that was not reported on before has no change to tell.
            if let Some(from) = before.controls.get(name).filter(|from| **from != control.standing) {
                changes.push(Change::ControlChanged {
                    catalog: control.catalog.clone(),
                    control: control.control.clone(),
                    label: control.label.clone(),
                    from: *from,
                    to: control.standing,
                });
            }
        }
        let mut new: Vec<&Fail> =
            self.fails.iter().filter(|(key, _)| !before.fails.contains(key)).map(|(_, fail)| fail).collect();
        new.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.what.cmp(&b.what)));
        if let Some(first) = new.first()
            && self.fails.len() <= MOST
            && before.fails.len() <= MOST
        {
            changes.push(Change::NewFindings {
                count: new.len() as u64,
                worst: first.severity,
                examples: new.iter().take(EXAMPLES).map(|fail| fail.what.clone()).collect(),
            });
        }
        let lost: Vec<&String> =
            self.unread.iter().filter(|(key, _)| !before.unread.contains(key)).map(|(_, what)| what).collect();
        if !lost.is_empty() {
            let count = lost.len() as u64;
            let mut examples: Vec<String> = lost.into_iter().cloned().collect();
            examples.sort();
            examples.truncate(EXAMPLES);
            changes.push(Change::CoverageLost { count, examples });
        }
        changes
    }
}

/// A number that stands for a text.
fn short(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(number: &str, standing: &str) -> ControlStanding {
        serde_json::from_value(serde_json::json!({
            "catalog": "iso27001-2022", "control": number, "counts": {"fail": 0, "fail_below": 0, "not_applicable": 0,
            "pass": 1, "unknown": 0, "waived": 0}, "label": "cryptography", "left_to_people": "", "objectives": [],
            "providers": {}, "standing": standing,
        }))
        .unwrap()
    }

    fn fail(resource: &str, severity: &str, verdict: &str) -> Finding {
        serde_json::from_value(serde_json::json!({
            "because": [], "check": "aws.s3.public", "check_sha256": "0".repeat(64), "kind": "aws.s3.bucket",
            "objective": "storage.private", "observed": {}, "resource": resource, "rests_on": [], "revision": 1,
            "scope": {"account": "123456789012", "provider": "aws", "region": "eu-central-1"},
            "severity": severity, "verdict": verdict, "waiver": null,
        }))
        .unwrap()
    }

    fn account(state: &str) -> AccountCoverage {
        serde_json::from_value(serde_json::json!({
            "account": "123456789012", "gaps": [], "provider": "aws", "regions": ["eu-central-1"],
            "cells": [{"gaps": [], "kind": "aws.s3.bucket", "reason": null, "region": "eu-central-1", "resources": 0,
                "state": state, "total": null, "vanished": 0}],
        }))
        .unwrap()
    }

    fn seen(standing: &str, fails: &[&str], state: &str) -> Seen {
        let mut seen = Seen::default();
        seen.controls(&[control("A.8.24", standing)]);
        for resource in fails {
            seen.finding(&fail(resource, "high", "fail"));
        }
        seen.finding(&fail("low", "low", "fail"));
        seen.finding(&fail("unknown", "critical", "unknown"));
        seen.coverage(&account(state));
        seen
    }

    #[test]
    fn the_first_run_says_nothing_and_the_next_says_what_is_new() {
        let (nothing, first) = seen("supported", &["a"], "complete").since(None);
        assert_eq!(nothing, []);
        let kept: Baseline = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
        assert_eq!(kept, first);
        let (nothing, same) = seen("supported", &["a"], "complete").since(Some(&kept));
        assert_eq!((nothing, &same), (vec![], &first));
        let (changes, then) = seen("contradicted", &["b", "a", "c"], "denied").since(Some(&same));
        let [
            Change::ControlChanged { from, to, .. },
            Change::NewFindings { count, worst, examples },
            Change::CoverageLost { count: lost, examples: places },
        ] = &changes[..]
        else {
            panic!("{changes:?}")
        };
        assert_eq!((*from, *to), (Standing::Supported, Standing::Contradicted));
        assert_eq!((*count, *worst, examples.len()), (2, Severity::High, 2));
        assert_eq!(examples[0], "aws.s3.public b");
        assert_eq!((*lost, &places[0][..]), (1, "aws:123456789012 eu-central-1 aws.s3.bucket"));
        // What is fixed is told by its control; what is lost for longer is told once.
        let (changes, _) = seen("contradicted", &["a"], "denied").since(Some(&then));
        assert_eq!(changes, []);
    }
}
