//! How much of each account was read, kept cell by cell while there is room.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{Account, AccountCoverage, CallStats, CellState, KindId, Provider, Region, VerdictCounts};

use crate::document::{AccountReport, CellReport, KindRow, LaggingSource};

/// Collects accounts while coverage documents come in.
#[derive(Debug)]
pub(crate) struct Accounts {
    most: usize,
    all: BTreeMap<(Provider, Account), AccountReport>,
    /// Accounts that are kept cell by cell: with gaps, and without.
    detailed: [Vec<(Provider, Account)>; 2],
}

impl Accounts {
    /// Keeps so many accounts cell by cell.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, all: BTreeMap::new(), detailed: [Vec::new(), Vec::new()] }
    }

    pub(crate) fn add(&mut self, account: &AccountCoverage) {
        let mut states = BTreeMap::new();
        for cell in &account.cells {
            *states.entry(cell.state).or_default() += 1;
        }
        let gaps = account.gap_count();
        let whole = gaps == 0 && states.keys().all(|state| read(*state));
        let detailed = &mut self.detailed[usize::from(whole)];
        let key = (account.provider.clone(), account.account.clone());
        let kinds = (detailed.len() < self.most).then(|| {
            detailed.push(key.clone());
            rows(account)
        });
        let report = AccountReport {
            provider: account.provider.clone(),
            account: account.account.clone(),
            regions: regions(account),
            states,
            resources: account.cells.iter().map(|cell| cell.resources).sum(),
            gaps,
            findings: VerdictCounts::default(),
            kinds,
        };
        self.all.insert(key, report);
    }

    pub(crate) fn finish(mut self, verdicts: &BTreeMap<(Provider, Account), VerdictCounts>) -> Vec<AccountReport> {
        let [troubled, whole] = self.detailed;
        for key in troubled.into_iter().chain(whole).skip(self.most) {
            if let Some(account) = self.all.get_mut(&key) {
                account.kinds = None;
            }
        }
        for (key, account) in &mut self.all {
            account.findings = verdicts.get(key).copied().unwrap_or_default();
        }
        self.all.into_values().collect()
    }
}

/// Where an account was read: a cloud that is read in bulk does not name its regions beforehand.
fn regions(account: &AccountCoverage) -> Vec<Region> {
    let found = account.cells.iter().filter(|cell| cell.resources > 0).map(|cell| &cell.region);
    let all: BTreeSet<&Region> = account.regions.iter().chain(found).filter(|one| **one != Region::global()).collect();
    all.into_iter().cloned().collect()
}

/// The sources of a run whose data lags, in all accounts together.
pub(crate) fn lagging(calls: &[CallStats]) -> Vec<LaggingSource> {
    let mut sources: BTreeMap<(&Provider, &str), LaggingSource> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.captured.is_some() || call.captured_before.is_some()) {
        let (service, operation) = call.operation.split_once(':').unwrap_or(("", &call.operation));
        let source = sources.entry((&call.provider, service)).or_insert_with(|| LaggingSource {
            provider: call.provider.clone(),
            service: service.to_owned(),
            operations: Vec::new(),
            captured: None,
            captured_before: None,
        });
        if let Err(at) = source.operations.binary_search_by(|known| known.as_str().cmp(operation)) {
            source.operations.insert(at, operation.to_owned());
        }
        source.captured = source.captured.into_iter().chain(call.captured).min();
        source.captured_before = source.captured_before.max(call.captured_before);
    }
    sources.into_values().collect()
}

/// Whether nothing is missing in a cell of this state.
fn read(state: CellState) -> bool {
    matches!(state, CellState::Complete | CellState::Skipped | CellState::Unsupported)
}

fn rows(account: &AccountCoverage) -> Vec<KindRow> {
    let mut rows: BTreeMap<&KindId, KindRow> = BTreeMap::new();
    for cell in &account.cells {
        let row = rows.entry(&cell.kind).or_insert_with(|| KindRow { kind: cell.kind.clone(), cells: BTreeMap::new() });
        let report = CellReport {
            state: cell.state,
            resources: cell.resources,
            vanished: cell.vanished,
            gaps: cell.gaps.iter().map(|gap| gap.count).sum(),
            total: cell.total.as_ref().map(|total| total.count),
            reason: cell.reason.clone(),
        };
        row.cells.insert(cell.region.clone(), report);
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(provider: &str, operation: &str, more: &serde_json::Value) -> CallStats {
        let mut call = json!({"account": "1", "denied": 0, "error": 0, "first": "2026-01-31T10:00:00Z",
            "last": "2026-01-31T10:00:00Z", "ok": 1, "operation": operation, "provider": provider, "region": "global",
            "retries": 0, "samples": [], "throttled": 0});
        call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(call).unwrap()
    }

    #[test]
    fn sources_that_lag_are_put_together_and_all_others_left_out() {
        let [early, late] = ["2026-01-31T09:00:00Z", "2026-01-31T10:00:01Z"];
        let sources = lagging(&[
            call("aws", "s3:ListBuckets", &json!({})),
            call("aws", "iam:GetCredentialReport", &json!({"captured": late})),
            call("aws", "iam:GetCredentialReport", &json!({"captured": early})),
            call("azure", "resourcegraph:Disks", &json!({"captured_before": early})),
            call("azure", "resourcegraph:Accounts", &json!({"captured_before": late})),
        ]);
        let said: Vec<_> = sources
            .iter()
            .map(|one| (crate::words::lagging_source(one), one.operations.join(" "), crate::words::lagging(one)))
            .collect();
        let of =
            |source: &str, operations: &str, when: &str| (source.to_owned(), operations.to_owned(), when.to_owned());
        assert_eq!(
            said,
            [
                of("aws:iam", "GetCredentialReport", "captured by the provider at 2026-01-31 09:00:00 UTC"),
                of(
                    "azure:resourcegraph",
                    "Accounts Disks",
                    "its data can lag, and it does not say by how much; 2026-01-31 10:00:01 UTC at the latest"
                ),
            ]
        );
    }

    #[test]
    fn an_account_was_read_where_something_stands() {
        let cell = |region: &str, resources: u64| {
            json!({"gaps": [], "kind": "azure.compute.disk", "region": region, "resources": resources, "state": "complete",
                "vanished": 0})
        };
        let account: AccountCoverage = serde_json::from_value(json!({"account": "1", "provider": "azure", "gaps": [],
            "regions": ["global"], "cells": [cell("global", 0), cell("westeurope", 2), cell("eastus", 1), cell("x", 0)]}))
        .unwrap();
        assert_eq!(regions(&account).iter().map(Region::as_str).collect::<Vec<_>>(), ["eastus", "westeurope"]);
    }
}
