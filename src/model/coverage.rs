//! What was looked at, and what was not: one cell for each account, region and kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Account, Cause, KindId, Provider, Refusal, Region, Scope};

/// How much of a population was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellState {
    /// Every resource was listed; single fields may still be unread (see the gaps).
    Complete,
    /// The listing broke off after some resources.
    Partial,
    /// The listing was refused.
    Denied,
    /// An organisation policy forbids the region or service.
    Barred,
    /// The listing was throttled away.
    Throttled,
    /// The listing failed, timed out, was malformed, or nobody answered for the cell.
    Failed,
    /// The operator excluded it.
    Skipped,
    /// The region does not have the service.
    Unsupported,
}

impl From<Cause> for CellState {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Denied => Self::Denied,
            Cause::Barred => Self::Barred,
            Cause::Throttled => Self::Throttled,
            Cause::Unsupported => Self::Unsupported,
            Cause::Skipped => Self::Skipped,
            Cause::TimedOut | Cause::Failed | Cause::Malformed | Cause::Panicked | Cause::Silent => Self::Failed,
        }
    }
}

impl CellState {
    /// The word used in evidence and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Denied => "denied",
            Self::Barred => "barred",
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unsupported => "unsupported",
        }
    }
}

/// One planned cell and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What it should have told and did not, equal refusals counted together, in order.
    pub gaps: Vec<GapCount>,
    /// The kind.
    pub kind: KindId,
    /// The operator's reason, where the cell was excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The region, or `global`.
    pub region: Region,
    /// Resources written.
    pub resources: u64,
    /// How much was read.
    pub state: CellState,
    /// The provider's own count, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<ControlTotal>,
    /// Resources that were gone between listing and reading.
    pub vanished: u64,
}

/// An independent count of a population.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlTotal {
    /// How many the provider says there are.
    pub count: u64,
    /// The operation that said so, e.g. `iam:GetAccountSummary`.
    pub source: String,
}

/// Equal gaps, counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapCount {
    /// How many times.
    pub count: u64,
    /// The fields that are unread for it; empty where the listing itself was refused.
    pub fields: Vec<String>,
    /// Why.
    #[serde(flatten)]
    pub refusal: Refusal,
    /// The first resources by id, at most five.
    pub resources: Vec<String>,
}

/// The coverage of one account, as sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountCoverage {
    /// The account.
    pub account: Account,
    /// Every planned cell, sorted by region and kind.
    pub cells: Vec<Cell>,
    /// Gaps of the account as a whole (no credentials, assume-role denied).
    pub gaps: Vec<Refusal>,
    /// The cloud.
    pub provider: Provider,
    /// The regions this run was to read, sorted, without `global`.
    pub regions: Vec<Region>,
}

/// The coverage of a whole run, by account: what judging needs to know about populations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// By provider and account.
    pub accounts: BTreeMap<(Provider, Account), AccountCoverage>,
}

impl Coverage {
    /// The cells of a kind in an account; empty if the kind was not planned there.
    pub fn cells<'a>(
        &'a self,
        provider: &Provider,
        account: &Account,
        kind: &'a KindId,
    ) -> impl Iterator<Item = &'a Cell> {
        self.accounts
            .get(&(provider.clone(), account.clone()))
            .into_iter()
            .flat_map(|account| &account.cells)
            .filter(move |cell| &cell.kind == kind)
    }

    /// The cell of a kind in one place.
    pub fn cell<'a>(&'a self, scope: &'a Scope, kind: &'a KindId) -> Option<&'a Cell> {
        self.cells(&scope.provider, &scope.account, kind).find(|cell| cell.region == scope.region)
    }
}
