//! A crosswalk: where the controls of an old edition went, for users with an old statement of applicability.

use evidenced_model::{CatalogId, ControlId};
use serde::{Deserialize, Serialize};

/// The way from one edition to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crosswalk {
    /// The old edition; it has no catalogue of its own.
    pub from: CatalogId,
    /// The new one.
    pub to: CatalogId,
    /// The old controls, in the old order.
    pub controls: Vec<Move>,
    /// Controls of the new edition that have no forerunner.
    pub new: Vec<ControlId>,
}

/// Where one old control went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The old number.
    pub id: ControlId,
    /// What became of it.
    pub relation: Relation,
    /// The new numbers.
    pub controls: Vec<ControlId>,
}

/// What became of an old control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// One old, one new.
    OneToOne,
    /// Several old ones became one.
    MergedInto,
    /// One old one became several.
    Split,
}

impl Crosswalk {
    /// The new numbers of an old control, e.g. `A.9.2.3`; empty if the old edition has no such control.
    pub fn find(&self, old: &str) -> &[ControlId] {
        self.controls.iter().find(|old_control| old_control.id.as_str() == old).map_or(&[], |found| &found.controls)
    }

    /// The old numbers of a new control; empty if it is new.
    pub fn origins<'a>(&'a self, new: &'a str) -> impl Iterator<Item = &'a ControlId> {
        self.controls.iter().filter(move |old| old.controls.iter().any(|id| id.as_str() == new)).map(|old| &old.id)
    }
}
