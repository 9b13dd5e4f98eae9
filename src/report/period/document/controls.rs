//! Controls and clauses over a period.

use std::collections::BTreeMap;

use evidenced_model::{
    AgentId, CatalogId, CheckId, ControlId, Digest, ObjectiveId, Provider, RunId, Standing, Strength, Tally,
};
use jiff::Timestamp;
use serde::Serialize;

/// A catalogue over the period.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogPeriod {
    /// The catalogue.
    pub id: CatalogId,
    /// Its title.
    pub title: String,
    /// What is not yet certain about it.
    pub provisional: Option<String>,
    /// Its controls, in its order.
    pub controls: Vec<ControlPeriod>,
    /// The clauses of the standard itself, in its order.
    pub clauses: Vec<ClausePeriod>,
}

/// A clause of a standard, for which people bring the evidence, and the agent a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClausePeriod {
    /// Its number.
    pub clause: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// The evidence that people bring.
    pub manual: String,
    /// Who answers for it, by the statement of applicability.
    pub owner: Option<String>,
    /// What the agent itself shows of it in this period, in words.
    pub facts: Vec<String>,
    /// What people brought for it, by [`super::AttachmentPeriod::id`].
    pub attachments: Vec<Digest>,
}

/// A control over the period.
#[derive(Debug, Clone, Serialize)]
pub struct ControlPeriod {
    /// Its number.
    pub control: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// What configuration cannot show.
    pub left_to_people: String,
    /// Who answers for it, by the statement of applicability.
    pub owner: Option<String>,
    /// Why it does not apply, if it is excluded at the end of the period.
    pub excluded_because: Option<String>,
    /// The objectives behind it.
    pub objectives: Vec<ObjectiveLink>,
    /// In each cloud by itself.
    pub clouds: BTreeMap<Provider, ControlSpan>,
    /// All clouds together.
    pub together: ControlSpan,
    /// What people brought for it, by [`super::AttachmentPeriod::id`].
    pub attachments: Vec<Digest>,
}

/// An objective behind a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectiveLink {
    /// The objective.
    pub objective: ObjectiveId,
    /// Its sentence.
    pub sentence: String,
    /// How much it says about the control.
    pub strength: Strength,
    /// The checks that serve it.
    pub checks: Vec<CheckId>,
}

/// How a control stood over the period. It never says that somebody is compliant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlSpan {
    /// Whether it was looked at through the whole period.
    pub looked: Looked,
    /// What was seen, whenever somebody looked.
    pub saw: Saw,
    /// The first look.
    pub first: Option<Timestamp>,
    /// The last look.
    pub last: Option<Timestamp>,
    /// Runs that looked.
    pub looks: u64,
    /// Looks by what they saw.
    pub seen: BTreeMap<Standing, u64>,
    /// The standing, from look to look, changes only.
    pub spans: Vec<StandingSpan>,
    /// When nobody looked although somebody should have, or could not see: merged, in order.
    pub gaps: Vec<Gap>,
    /// Numerators and denominators at the last look.
    pub counts: Option<Tally>,
    /// The changes of verdicts behind its decisive links.
    pub changes: u64,
    /// Fails that stood at any time behind them.
    pub fails: u64,
    /// Of them, those that stood at the last look.
    pub open: u64,
}

/// Whether somebody looked through the whole period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Looked {
    /// In every slot, and everything that it needs could be read.
    Continuous,
    /// With gaps.
    Gapped,
    /// Never.
    NotLookedAt,
}

/// What was seen over the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Saw {
    /// At some look, something contradicted it.
    Contradicted,
    /// At some look, not enough was read; nothing contradicted it.
    Incomplete,
    /// Every look supported it, some with exceptions.
    SupportedWithExceptions,
    /// Every look supported it.
    Supported,
    /// There was nothing that it could be asked of.
    NoSubject,
    /// Nothing automatic.
    Manual,
    /// Excluded by the statement of applicability.
    Excluded,
    /// Nobody looked.
    Nothing,
}

/// A standing, from the look that saw it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StandingSpan {
    /// The standing.
    pub standing: Standing,
    /// The look that saw it first.
    pub from: Timestamp,
    /// The look that saw another, or the end of the period.
    pub until: Timestamp,
    /// The run of the first look; `None` if it stood when the period began.
    pub run: Option<RunId>,
    /// The agent of that run.
    pub agent: Option<AgentId>,
    /// Numerators and denominators at the first look.
    pub counts: Tally,
}

/// A time in which nobody looked or could not see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// From.
    pub from: Timestamp,
    /// Until.
    pub until: Timestamp,
    /// Why, in words.
    pub what: String,
}
