//! Where something was read: provider, account, region.

use serde::{Deserialize, Serialize};

use crate::{Account, Provider, Region};

/// One place that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The account; for tenant-wide kinds the tenant or the management account.
    pub account: Account,
    /// The cloud.
    pub provider: Provider,
    /// The region; [`Region::global`] where there is none.
    pub region: Region,
}

impl Scope {
    /// The same account, another region.
    #[must_use]
    pub fn in_region(&self, region: Region) -> Self {
        Self { region, ..self.clone() }
    }

    /// The same account, without a region.
    #[must_use]
    pub fn global(&self) -> Self {
        self.in_region(Region::global())
    }

    /// The account's name in trees and file names, e.g. `aws:123456789012`.
    pub fn account_key(&self) -> String {
        format!("{}:{}", self.provider, self.account)
    }
}
