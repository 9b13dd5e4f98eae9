//! How much of each account was read, kept cell by cell while there is room.

use std::collections::BTreeMap;

use evidenced_model::{Account, AccountCoverage, CellState, KindId, Provider, VerdictCounts};

use crate::document::{AccountReport, CellReport, KindRow};

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
            regions: account.regions.clone(),
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
