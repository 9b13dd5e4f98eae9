//! What `controls list` and `objectives list` print: one JSON object a line, the id first.

use evidenced_model::{CatalogId, ControlId, ObjectiveId, Strength};
use serde::Serialize;

use crate::{Automatable, Catalog, Confidence, Correspondence, Crosswalk, Duty, Link, Mapping, Relation};

/// A control, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlLine<'a> {
    /// Its number.
    pub id: &'a ControlId,
    /// Its catalogue.
    pub catalog: &'a CatalogId,
    /// Our own short words for it.
    pub label: &'a str,
    /// How much of it configuration can show at all.
    pub automatable: Automatable,
    /// The objectives behind it, strongest first.
    pub objectives: &'a [Link],
    /// The kind of evidence that people bring.
    pub manual: Option<&'a str>,
    /// What configuration cannot show.
    pub left_to_people: &'a str,
    /// Its counterparts in other catalogues.
    pub corresponds: &'a [Correspondence],
    /// How sure we are that the control is in the standard, where there is doubt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<&'a Confidence>,
    /// Why its catalogue cannot be relied on yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisional: Option<&'a str>,
}

/// A clause, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClauseLine<'a> {
    /// Its number.
    pub id: &'a ControlId,
    /// Its catalogue.
    pub catalog: &'a CatalogId,
    /// Our own short words for it.
    pub label: &'a str,
    /// The kind of evidence that people bring.
    pub manual: &'a str,
    /// What this program itself is evidence for.
    pub agent: Option<Duty>,
}

/// A control of an old edition, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OldControlLine<'a> {
    /// Its old number.
    pub id: &'a ControlId,
    /// The old edition.
    pub catalog: &'a CatalogId,
    /// What became of it.
    pub relation: Relation,
    /// Its new numbers.
    pub corresponds: [NewNumbers<'a>; 1],
}

/// Where an old control went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NewNumbers<'a> {
    /// The new edition.
    pub catalog: &'a CatalogId,
    /// The new numbers.
    pub controls: &'a [ControlId],
}

/// An objective, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectiveLine<'a> {
    /// Its id.
    pub id: &'a ObjectiveId,
    /// What is true when it is met.
    pub sentence: &'a str,
    /// The controls that it speaks to.
    pub controls: Vec<ObjectiveControl<'a>>,
}

/// A control that an objective speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ObjectiveControl<'a> {
    /// Its number.
    pub id: &'a ControlId,
    /// Its catalogue.
    pub catalog: &'a CatalogId,
    /// How much the objective says about it.
    pub strength: Strength,
}

impl Mapping {
    /// The controls of a catalogue, as listed.
    pub fn control_lines<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = ControlLine<'a>> {
        catalog.controls.iter().map(move |control| ControlLine {
            id: &control.id,
            catalog: &catalog.id,
            label: &control.label,
            automatable: control.automatable,
            objectives: self.links(&catalog.id, &control.id),
            manual: control.manual.as_deref(),
            left_to_people: self.left_to_people(&catalog.id, control),
            corresponds: &control.corresponds,
            confidence: control.confidence.as_ref(),
            provisional: catalog.provisional.as_deref(),
        })
    }

    /// The clauses of a catalogue, as listed.
    pub fn clause_lines<'a>(&self, catalog: &'a Catalog) -> impl Iterator<Item = ClauseLine<'a>> {
        catalog.clauses.iter().map(move |clause| ClauseLine {
            id: &clause.id,
            catalog: &catalog.id,
            label: &clause.label,
            manual: &clause.manual,
            agent: clause.agent,
        })
    }

    /// All objectives, as listed.
    pub fn objective_lines(&self) -> impl Iterator<Item = ObjectiveLine<'_>> {
        self.objectives().iter().map(|(id, sentence)| {
            let controls = self.controls_of(id);
            let controls = controls.map(|(catalog, id, strength)| ObjectiveControl { id, catalog, strength });
            ObjectiveLine { id, sentence, controls: controls.collect() }
        })
    }
}

impl Crosswalk {
    /// The controls of the old edition, as listed.
    pub fn control_lines(&self) -> impl Iterator<Item = OldControlLine<'_>> {
        self.controls.iter().map(|old| OldControlLine {
            id: &old.id,
            catalog: &self.from,
            relation: old.relation,
            corresponds: [NewNumbers { catalog: &self.to, controls: &old.controls }],
        })
    }
}
