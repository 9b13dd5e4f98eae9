//! What a period is fed with: rules, runs, lines and standings, in the order of time.

use std::collections::{BTreeMap, BTreeSet};

use evidenced_model::{
    Account, Assurance, CatalogId, CheckId, ControlId, Digest, Finding, KindId, ObjectiveId, Provider, RunId,
    RunStatus, Severity, Shard, Standing, Strength, Totals, Verdict,
};
use jiff::Timestamp;
use serde_json::Value;

/// What runs were judged by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// Every check that was on.
    pub checks: BTreeMap<CheckId, CheckRule>,
    /// The values that checks compare with, defaults included.
    pub params: BTreeMap<String, Value>,
    /// The catalogues, in the order in which they are shown.
    pub catalogs: Vec<CatalogRule>,
    /// The sentences of the objectives.
    pub objectives: BTreeMap<ObjectiveId, String>,
    /// The least severity of a fail that contradicts.
    pub threshold: Option<Severity>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRule {
    /// Its revision.
    pub revision: u32,
    /// SHA-256 of what gives it its meaning.
    pub sha256: Digest,
    /// Its title.
    pub title: String,
    /// How much a fail matters.
    pub severity: Severity,
    /// What it serves.
    pub objective: ObjectiveId,
    /// What to do about a fail.
    pub fix: String,
    /// The kind it asks about.
    pub kind: KindId,
    /// The cloud.
    pub provider: Provider,
    /// The parameters that it reads.
    pub params: BTreeSet<String>,
}

/// A catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRule {
    /// Its name.
    pub id: CatalogId,
    /// Its title.
    pub title: String,
    /// What is not yet certain about it.
    pub provisional: Option<String>,
    /// Its controls, in its order.
    pub controls: Vec<ControlRule>,
    /// The clauses of the standard itself, in its order.
    pub clauses: Vec<ClauseRule>,
}

/// A clause of a standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseRule {
    /// Its number.
    pub id: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// The evidence that people bring.
    pub manual: String,
    /// What the agent itself is evidence for.
    pub agent: Option<AgentPart>,
}

/// What of a management system the agent itself is evidence for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentPart {
    /// Which controls apply.
    Applicability,
    /// What is planned is done.
    Operation,
    /// What is done is watched.
    Monitoring,
    /// Audits have evidence.
    Audit,
    /// What is wrong is mended.
    Improvement,
}

/// A control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRule {
    /// Its number.
    pub id: ControlId,
    /// Our own short words for it.
    pub label: String,
    /// What configuration cannot show.
    pub left_to_people: String,
    /// The objectives behind it, strongest first.
    pub links: Vec<(ObjectiveId, Strength)>,
}

/// What a run says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// The run.
    pub run: RunId,
    /// When it had read everything.
    pub at: Timestamp,
    /// Complete or partial.
    pub status: RunStatus,
    /// What it counted.
    pub totals: Totals,
    /// The slot it was for.
    pub due: Option<Timestamp>,
    /// The log says that it began late.
    pub late: bool,
    /// The version of the program.
    pub version: String,
    /// SHA-256 of the program.
    pub sha256: Option<Digest>,
    /// Its clock cannot be relied on.
    pub suspect: bool,
    /// Its share of the accounts.
    pub shard: Shard,
    /// How far it can be trusted.
    pub assurance: Assurance,
    /// The accounts that it read.
    pub read: BTreeSet<(Provider, Account)>,
}

/// A line as it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'l> {
    /// The finding.
    pub finding: &'l Finding,
    /// The file that it stands in.
    pub file: &'l str,
}

/// How a control stood, as a run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingFact {
    /// Its catalogue.
    pub catalog: CatalogId,
    /// Its number.
    pub control: ControlId,
    /// All clouds together.
    pub standing: Standing,
    /// Each cloud by itself.
    pub providers: BTreeMap<Provider, Standing>,
}

/// What the last run before came to when it was judged again by new rules: where the verdict is another.
pub type Rejudged = BTreeMap<(CheckId, evidenced_model::Scope, String), Option<Verdict>>;

/// What an agent's statement of applicability says from a log entry on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// The waivers, by id.
    pub waivers: BTreeMap<String, DeclaredWaiver>,
    /// Why controls do not apply.
    pub excluded: BTreeMap<(CatalogId, ControlId), String>,
    /// Who answers for controls.
    pub owners: BTreeMap<(CatalogId, ControlId), String>,
}

/// A waiver as it was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredWaiver {
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// The last day.
    pub expires: jiff::civil::Date,
}

/// Entries of an agent's log, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFacts {
    /// The newest entry.
    pub head: Option<evidenced_model::LogHead>,
    /// Entries in the period.
    pub entries: u64,
    /// Runs given up.
    pub abandoned: u64,
    /// Runs without an end.
    pub open: u64,
}

/// How much a period keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodLimits {
    /// Changes of verdicts.
    pub changes: usize,
    /// Fails.
    pub fails: usize,
    /// Bytes of one observed value.
    pub value_bytes: usize,
    /// Bytes of all observed values of one line.
    pub line_bytes: usize,
}

impl Default for PeriodLimits {
    fn default() -> Self {
        Self { changes: 50_000, fails: 10_000, value_bytes: 256, line_bytes: 1024 }
    }
}
