//! A catalogue: the controls of a standard, by number and in our own words.

use evidenced_model::{CatalogId, ControlId};
use serde::{Deserialize, Serialize};

/// The controls of one standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Its name, e.g. `iso27001-2022`.
    #[serde(rename = "catalog")]
    pub id: CatalogId,
    /// The standard's number and edition.
    pub title: String,
    /// Why it cannot be relied on yet. A provisional catalogue is off by default, and says so wherever it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<String>,
    /// Its controls, in the order of the standard.
    pub controls: Vec<Control>,
    /// The requirements on the management system itself, in the order of the standard. Nobody can exclude them, and no
    /// check speaks to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<Clause>,
}

impl Catalog {
    /// The control of a number.
    pub fn control(&self, id: &ControlId) -> Option<&Control> {
        self.controls.iter().find(|control| &control.id == id)
    }

    /// The clause of a number.
    pub fn clause(&self, id: &ControlId) -> Option<&Clause> {
        self.clauses.iter().find(|clause| &clause.id == id)
    }
}

/// One requirement on the management system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its number, e.g. `9.2`.
    pub id: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// The kind of evidence that people bring.
    pub manual: String,
    /// What this program itself is evidence for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Duty>,
}

/// A part of the management system that the program's own work shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// The statement of applicability, sealed with every run.
    Applicability,
    /// Runs by schedule, and slots that are accounted for.
    Operation,
    /// What was measured, how often, and over which part.
    Monitoring,
    /// Packs that an audit can check by itself.
    Audit,
    /// Waivers, and the time that fails took to be mended.
    Improvement,
}

impl Duty {
    /// In a few words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Applicability => "the statement of applicability that is sealed with every run",
            Self::Operation => "runs by schedule, and a log that accounts for every slot",
            Self::Monitoring => "what was read and judged, how often, and over which part",
            Self::Audit => "audit packs that verify by themselves",
            Self::Improvement => "waivers with their ends, and how long fails stood until they were mended",
        }
    }
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its number.
    pub id: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// How much of it configuration can show at all.
    pub automatable: Automatable,
    /// The kind of evidence that people bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<String>,
    /// How sure we are that the control is in the standard, where there is doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Its counterparts in other catalogues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corresponds: Vec<Correspondence>,
}

/// How much of a control configuration can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Automatable {
    /// Nothing, or a hint at most.
    None,
    /// A part.
    Partial,
    /// Its technical side.
    Full,
}

/// How sure we are, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// How sure.
    pub level: Level,
    /// What it rests on.
    pub reason: String,
}

/// How sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Little more than a guess.
    Low,
    /// Likely.
    Medium,
    /// As good as certain.
    High,
}

/// What a control is called in another catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correspondence {
    /// The other catalogue.
    pub catalog: CatalogId,
    /// Its controls there; empty only with a note that says why.
    pub controls: Vec<ControlId>,
    /// What there is to say about it, e.g. `no successor known`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
