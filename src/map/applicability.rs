//! The statement of applicability, as far as standings need it: which controls are excluded, and why.

use std::collections::BTreeMap;

use evidenced_model::{CatalogId, ControlId};
use serde::{Deserialize, Serialize};

/// The controls that the organisation has excluded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applicability {
    /// The reason, by catalogue and control.
    pub excluded: BTreeMap<CatalogId, BTreeMap<ControlId, String>>,
}

impl Applicability {
    /// Excludes a control.
    pub fn exclude(&mut self, catalog: CatalogId, control: ControlId, reason: impl Into<String>) {
        self.excluded.entry(catalog).or_default().insert(control, reason.into());
    }

    /// Why a control is excluded; `None` if it applies.
    pub fn reason(&self, catalog: &CatalogId, control: &ControlId) -> Option<&str> {
        self.excluded.get(catalog)?.get(control).map(String::as_str)
    }
}
