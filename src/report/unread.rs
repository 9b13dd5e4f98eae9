//! What could not be read: equal gaps of all accounts put together, and the permissions that were missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{Account, AccountCoverage, Cause, Cell, CellState, Provider, Refusal};

use crate::document::{MissingPermission, UnreadGroup, UnreadPlace};

/// Collects gaps while coverage documents come in.
#[derive(Debug)]
pub(crate) struct Gaps {
    most: usize,
    groups: BTreeMap<Key, UnreadGroup>,
    permissions: BTreeMap<String, Missing>,
}

/// All gaps, put together.
pub(crate) struct Unread {
    pub(crate) groups: Vec<UnreadGroup>,
    pub(crate) permissions: Vec<MissingPermission>,
}

type Key = (Cause, Option<Refusal>, Vec<String>);

#[derive(Debug, Default)]
struct Missing {
    gaps: u64,
    accounts: BTreeSet<(Provider, Account)>,
}

impl Gaps {
    /// Keeps so many places of each gap.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, groups: BTreeMap::new(), permissions: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, account: &AccountCoverage) {
        let place = |cell: Option<&Cell>, count: u64, resources: &[String]| UnreadPlace {
            provider: account.provider.clone(),
            account: account.account.clone(),
            region: cell.map(|cell| cell.region.clone()),
            kind: cell.map(|cell| cell.kind.clone()),
            count,
            resources: resources.to_vec(),
        };
        for refusal in &account.gaps {
            self.put(refusal.cause, Some(refusal), &[], place(None, 1, &[]));
        }
        for cell in &account.cells {
            for gap in &cell.gaps {
                let place = place(Some(cell), gap.count, &gap.resources);
                self.put(gap.refusal.cause, Some(&gap.refusal), &gap.fields, place);
            }
            if let Some(cause) = unexplained(cell) {
                self.put(cause, None, &[], place(Some(cell), 1, &[]));
            }
        }
    }

    pub(crate) fn finish(self) -> Unread {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by_key(|group| Reverse(group.count));
        let permissions = self.permissions.into_iter().map(|(permission, missing)| MissingPermission {
            permission,
            gaps: missing.gaps,
            accounts: missing.accounts.len() as u64,
        });
        Unread { groups, permissions: permissions.collect() }
    }

    fn put(&mut self, cause: Cause, refusal: Option<&Refusal>, fields: &[String], place: UnreadPlace) {
        if let (Cause::Denied, Some(permission)) = (cause, refusal.and_then(|refusal| refusal.permission.as_ref())) {
            let missing = self.permissions.entry(permission.clone()).or_default();
            missing.gaps += place.count;
            missing.accounts.insert((place.provider.clone(), place.account.clone()));
        }
        let key = (cause, refusal.cloned(), fields.to_vec());
        let group = self.groups.entry(key).or_insert_with(|| UnreadGroup {
            cause,
            call: refusal.map(|refusal| refusal.call.clone()),
            code: refusal.and_then(|refusal| refusal.code.clone()),
            permission: refusal.and_then(|refusal| refusal.permission.clone()),
            fields: fields.to_vec(),
            count: 0,
            places: 0,
            left_out: 0,
            shown: Vec::new(),
        });
        group.count += place.count;
        group.places += 1;
        if group.shown.len() < self.most {
            group.shown.push(place);
        } else {
            group.left_out += 1;
        }
    }
}

/// The cause of a cell that was not read and gives no gap that would say why.
fn unexplained(cell: &Cell) -> Option<Cause> {
    if !cell.gaps.is_empty() {
        return None;
    }
    match cell.state {
        CellState::Complete | CellState::Skipped | CellState::Unsupported => None,
        CellState::Denied => Some(Cause::Denied),
        CellState::Barred => Some(Cause::Barred),
        CellState::Throttled => Some(Cause::Throttled),
        CellState::Partial | CellState::Failed => Some(Cause::Silent),
    }
}
