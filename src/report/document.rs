//! The report as a document: what `report --format json` prints, and what every other form is made from.
//!
//! Its shape is stable within [`FORMAT`]: members are added, never renamed or removed.

use std::collections::BTreeMap;

use evidenced_model::{
    Account, AgentId, Because, CatalogId, Cause, CellState, CheckId, ControlStanding, Digest, KindId, LogHead,
    Manifest, ObjectiveId, Provider, Region, RestsOn, RunId, RunStatus, Scope, Severity, Standing, Totals, Verdict,
    VerdictCounts, WaiverRef, Window,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::table::Table;
use crate::{AssuranceReport, Automatable, Stamped, StatementRef, WaiverText};

/// The value of [`Report::format`].
pub const FORMAT: &str = "evidenced-report/1";

/// The report of one run. It counts and orders what was sealed; it judges nothing again.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Always [`FORMAT`].
    pub format: &'static str,
    /// The run.
    pub run: RunId,
    /// The agent.
    pub agent: AgentId,
    /// How the run ended.
    pub status: RunStatus,
    /// From the first to the last moment.
    pub window: Window,
    /// Where the store is.
    pub store: String,
    /// The log's newest entry.
    pub head: Option<LogHead>,
    /// The signed statement.
    pub statement: StatementRef,
    /// SHA-256 of the public key.
    pub key: Option<Digest>,
    /// What an authority says of the time, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamped: Option<Stamped>,
    /// How far this can be trusted, in short.
    pub assurance: AssuranceReport,
    /// Whether findings are withheld: the report is made from a pack that does not show everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// What was counted.
    pub totals: Totals,
    /// Controls, by catalogue.
    pub catalogs: Vec<CatalogReport>,
    /// Objectives with their checks, sorted by id.
    pub objectives: Vec<ObjectiveReport>,
    /// Checks with their findings, sorted by id.
    pub checks: Vec<CheckReport>,
    /// What could not be read: the most frequent gap first.
    pub unread: Vec<UnreadGroup>,
    /// The permissions that were missing, sorted.
    pub permissions: Vec<MissingPermission>,
    /// How much of each account was read, sorted by cloud and account.
    pub coverage: Vec<AccountReport>,
    /// What came from sources whose data lags, sorted by cloud and service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lagging: Vec<LaggingSource>,
    /// What somebody has to see to, a sentence each, e.g. waivers that end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<String>,
    /// Waivers, sorted by id.
    pub waivers: Vec<WaiverText>,
    /// What the run says of itself.
    pub manifest: Manifest,
    /// All findings, for the page that filters them. The document holds those in `checks`.
    #[serde(skip)]
    pub table: Table,
}

/// A source whose data lags behind what it speaks of, in all accounts together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaggingSource {
    /// The cloud.
    pub provider: Provider,
    /// The service, e.g. `resourcegraph`.
    pub service: String,
    /// What was asked of it, sorted: operations without the service.
    pub operations: Vec<String>,
    /// Since when the provider had the oldest of what it answered, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Timestamp>,
    /// The latest bound of that moment, where it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_before: Option<Timestamp>,
}

/// The controls of one catalogue.
#[derive(Debug, Clone, Serialize)]
pub struct CatalogReport {
    /// Its id.
    pub id: CatalogId,
    /// The standard's number and edition.
    pub title: String,
    /// Why it cannot be relied on yet.
    pub provisional: Option<String>,
    /// How many controls stand how.
    pub standings: BTreeMap<Standing, u64>,
    /// Its controls, in the order of the catalogue.
    pub controls: Vec<ControlReport>,
}

/// One control.
#[derive(Debug, Clone, Serialize)]
pub struct ControlReport {
    /// Number, label, standing, counts, objectives: as sealed.
    #[serde(flatten)]
    pub sealed: ControlStanding,
    /// How much of it configuration can show at all, where the catalogue says.
    pub automatable: Option<Automatable>,
    /// The kind of evidence that people bring.
    pub manual: Option<String>,
    /// Why it is excluded.
    pub excluded_because: Option<String>,
}

/// One objective.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectiveReport {
    /// Its id.
    pub id: ObjectiveId,
    /// Its sentence: true when the objective is met.
    pub sentence: String,
    /// Its checks, sorted.
    pub checks: Vec<CheckId>,
}

/// One check and what it found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Its id.
    pub id: CheckId,
    /// What is true where it passes.
    pub title: String,
    /// How much a fail matters.
    pub severity: Severity,
    /// What it serves.
    pub objective: ObjectiveId,
    /// Why it is asked.
    pub why: String,
    /// What to do about a fail.
    pub fix: String,
    /// The declarations it waits for; empty for a check that was made.
    pub undeclared: Vec<String>,
    /// The revision that judged; absent where it found nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// SHA-256 of what it asks, as its findings name it; absent where it found nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_sha256: Option<Digest>,
    /// All its findings by verdict; waived fails are fails here.
    pub counts: VerdictCounts,
    /// Fails without a waiver.
    pub fails: Kept,
    /// Fails with a waiver.
    pub waived: Kept,
    /// Unknowns.
    pub unknowns: Kept,
    /// Passes, of which a few examples are kept.
    pub passes: Kept,
    /// The command that shows all its findings.
    pub see: String,
}

/// Findings of one check and verdict: all are counted, the first are kept.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Kept {
    /// How many there are.
    pub count: u64,
    /// How many of them are not in `shown`.
    pub left_out: u64,
    /// The first of them, in the order of the evidence.
    pub shown: Vec<ShownFinding>,
}

/// A finding, cut to what a report can hold. The stored line is the evidence.
#[derive(Debug, Clone, Serialize)]
pub struct ShownFinding {
    /// The answer.
    pub verdict: Verdict,
    /// How much a fail matters.
    pub severity: Severity,
    /// The resource's id; over the limit it is cut and ends in an ellipsis.
    pub resource: String,
    /// Its kind.
    pub kind: KindId,
    /// Where.
    pub scope: Scope,
    /// The check's revision.
    pub revision: u32,
    /// The values that decided.
    pub observed: BTreeMap<String, Shown>,
    /// Why the verdict is unknown.
    pub because: Vec<Because>,
    /// Other resources that the verdict rests on.
    pub rests_on: Vec<RestsOn>,
    /// The waiver in force.
    pub waiver: Option<WaiverRef>,
    /// Where it stands in the store.
    pub evidence: Option<EvidenceRef>,
}

/// A value, whole or cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shown {
    /// Too long for a report: its first characters as JSON text, and how many bytes that text has.
    Cut {
        /// The first characters.
        cut: String,
        /// The length of the whole.
        bytes: u64,
    },
    /// As observed.
    Whole(Value),
}

/// Where a finding stands in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EvidenceRef {
    /// The object that holds its line.
    pub object: String,
    /// The object that holds the resource's line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_object: Option<String>,
    /// A command that prints its line; absent where the path is not one of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show: Option<String>,
}

/// Equal gaps, wherever they occurred.
#[derive(Debug, Clone, Serialize)]
pub struct UnreadGroup {
    /// Why.
    pub cause: Cause,
    /// The call that would have told; absent where nobody answered at all.
    pub call: Option<String>,
    /// The provider's error code.
    pub code: Option<String>,
    /// What would have been needed.
    pub permission: Option<String>,
    /// The fields that are unread for it; empty where a listing or an account was refused.
    pub fields: Vec<String>,
    /// How many times.
    pub count: u64,
    /// In how many places.
    pub places: u64,
    /// How many of them are not in `shown`.
    pub left_out: u64,
    /// The first places, in the order of the coverage.
    pub shown: Vec<UnreadPlace>,
}

/// One place of a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadPlace {
    /// The cloud.
    pub provider: Provider,
    /// The account.
    pub account: Account,
    /// The region; absent for a gap of the account as a whole.
    pub region: Option<Region>,
    /// The kind; absent for a gap of the account as a whole.
    pub kind: Option<KindId>,
    /// How many times.
    pub count: u64,
    /// The first resources.
    pub resources: Vec<String>,
}

/// A permission that was missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingPermission {
    /// Its name.
    pub permission: String,
    /// How many gaps it caused.
    pub gaps: u64,
    /// In how many accounts.
    pub accounts: u64,
}

/// How much of an account was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    /// The cloud.
    pub provider: Provider,
    /// The account.
    pub account: Account,
    /// The regions that were to be read, and those in which something stands; without `global`.
    pub regions: Vec<Region>,
    /// Planned cells by what became of them.
    pub states: BTreeMap<CellState, u64>,
    /// Resources written.
    pub resources: u64,
    /// What was to be told and was not.
    pub gaps: u64,
    /// Its findings; waived fails are fails here.
    pub findings: VerdictCounts,
    /// Cell by cell, one row for each kind; absent where the report has no room for it.
    pub kinds: Option<Vec<KindRow>>,
}

/// The cells of one kind in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindRow {
    /// The kind.
    pub kind: KindId,
    /// Its planned cells, by region.
    pub cells: BTreeMap<Region, CellReport>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellReport {
    /// What became of it.
    pub state: CellState,
    /// Resources written.
    pub resources: u64,
    /// Resources that were gone in the middle of the run.
    pub vanished: u64,
    /// What it should have told and did not.
    pub gaps: u64,
    /// The provider's own count.
    pub total: Option<u64>,
    /// The operator's reason, where it was excluded.
    pub reason: Option<String>,
}
