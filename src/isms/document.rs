//! The declaration as it was understood: one form for judging, for the seal and for the log.

use std::collections::BTreeMap;

use evidenced_model::{Account, CatalogId, ControlId};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Everything that an organisation declares. Made by [`Isms::load`]; it is read back from its JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isms {
    /// Lists that parameters of checks are set to, by the parameter's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) allow: BTreeMap<String, Vec<String>>,
    /// What is said of controls. A control that is not there applies, and nothing is stated about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) applicability: BTreeMap<CatalogId, BTreeMap<ControlId, Statement>>,
    /// Who may approve waivers, by name; nobody is listed where anybody may.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) approvers: BTreeMap<String, Approver>,
    /// Whose statement it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) organisation: Option<String>,
    /// Who answers for resources; the first that fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) owners: Vec<Owner>,
    /// Sets of resources, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) scopes: BTreeMap<String, Scoped>,
    /// The waivers, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waivers: Vec<Waiver>,
}

/// What is said of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Whether it applies.
    pub applies: bool,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How far it is, in the organisation's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Why it applies, or does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Somebody who may approve waivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The last day on which he may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// Fails that somebody has accepted for a time. It never changes a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Who approved it.
    pub approved_by: String,
    /// Patterns of the checks whose fails it covers.
    pub checks: Vec<String>,
    /// The last day of its force (UTC).
    pub expires: Date,
    /// The first day of its force (UTC); without one, from its log entry on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Which resources it covers.
    pub resources: Selector,
    /// When it was written down for the log; it has no force before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Where it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

/// Which resources a waiver covers: each member that is not empty has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The account is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// The id fits one of these patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// All of these tags are there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A named set of resources: what fits any of its members belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoped {
    /// All resources of these accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// The resources of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// All resources of these organisational units. Recorded; nothing reads units yet, so that it cannot be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ous: Vec<String>,
    /// Resources with one of these tags, by key: the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Vec<String>>,
}

/// Who answers for resources: each member that is not empty has to fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The account is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// The kind fits one of these patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Who.
    pub owner: String,
    /// All of these tags are there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Isms {
    /// Whose statement it is.
    pub fn organisation(&self) -> Option<&str> {
        self.organisation.as_deref()
    }

    /// What is said of a control.
    pub fn statement(&self, catalog: &CatalogId, control: &ControlId) -> Option<&Statement> {
        self.applicability.get(catalog)?.get(control)
    }

    /// Everything that is said of controls.
    pub fn statements(&self) -> impl Iterator<Item = (&CatalogId, &ControlId, &Statement)> {
        let of = |(catalog, controls)| (catalog, controls);
        let all = self.applicability.iter().map(of);
        all.flat_map(|(catalog, controls): (_, &BTreeMap<_, _>)| {
            controls.iter().map(move |(control, said)| (catalog, control, said))
        })
    }

    /// Why a control does not apply; `None` if it does.
    pub fn excluded(&self, catalog: &CatalogId, control: &ControlId) -> Option<&str> {
        let said = self.statement(catalog, control).filter(|said| !said.applies)?;
        Some(said.why.as_deref().unwrap_or_default())
    }

    /// Who answers for a control.
    pub fn control_owner(&self, catalog: &CatalogId, control: &ControlId) -> Option<&str> {
        self.statement(catalog, control)?.owner.as_deref()
    }

    /// The waivers, by id, whether they are in force or not.
    pub fn waivers(&self) -> &[Waiver] {
        &self.waivers
    }

    /// The scopes, by name.
    pub fn scopes(&self) -> &BTreeMap<String, Scoped> {
        &self.scopes
    }

    /// Who answers for resources, in the order in which it is looked for.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }
}
