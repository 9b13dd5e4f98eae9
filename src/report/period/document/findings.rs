//! Checks, fails, changes of verdicts and holes over a period.

use std::collections::BTreeMap;

use evidenced_model::{
    Account, AgentId, Because, Cause, CellState, CheckId, KindId, ObjectiveId, Provider, Region, RunId, Scope,
    Severity, Verdict, VerdictCounts,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::document::{EvidenceRef, Shown};

/// A check over the period.
#[derive(Debug, Clone, Serialize)]
pub struct CheckPeriod {
    /// The check.
    pub id: CheckId,
    /// Its title.
    pub title: String,
    /// How much a fail matters.
    pub severity: Severity,
    /// What it serves.
    pub objective: ObjectiveId,
    /// What to do about a fail.
    pub fix: String,
    /// Its findings at the last look.
    pub counts: VerdictCounts,
    /// Fails that began in the period.
    pub began: u64,
    /// Fails that ended in the period.
    pub ended: u64,
    /// Fails that stand at the end.
    pub open: u64,
    /// How long ended fails stood, in seconds: the middle one.
    pub mend_median: Option<u64>,
    /// The longest that any fail stood, in seconds.
    pub longest: Option<u64>,
    /// The revisions that judged, each with its first look.
    pub revisions: Vec<(u32, Timestamp)>,
}

/// A fail that stood.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailPeriod {
    /// The check.
    pub check: CheckId,
    /// How much it matters.
    pub severity: Severity,
    /// The resource or place.
    pub resource: String,
    /// Its kind.
    pub kind: KindId,
    /// Where.
    pub scope: Scope,
    /// Who answers for the resource, where that was declared.
    pub owner: Option<String>,
    /// The look that saw it first: before the period, if it stood when the period began and is known that far back.
    pub since: Timestamp,
    /// It stood already at the first look of the period, so that nobody knows how long before.
    pub from_before: bool,
    /// The last look that saw it.
    pub seen_last: Timestamp,
    /// The look that saw it end; `None` while it stands.
    pub until: Option<Timestamp>,
    /// How it ended.
    pub end: Option<FailEnd>,
    /// How long it stood at least, in seconds: from `since` to `seen_last`.
    pub seconds: u64,
    /// The waivers that were in force over it, with the look from which on.
    pub waived: Vec<(String, Timestamp)>,
    /// The values that decided, at its last look.
    pub observed: BTreeMap<String, Shown>,
    /// The stored line of its last look.
    pub evidence: Option<EvidenceRef>,
    /// The run of its first look.
    pub run: RunId,
    /// The agent.
    pub agent: AgentId,
}

/// How a fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailEnd {
    /// It passes.
    Passed,
    /// The question does not arise any more.
    NotApplicable,
    /// The resource is gone.
    Gone,
    /// It could not be read any more: whether it stands, nobody knows.
    Unread,
    /// The check, its parameters or what is enabled changed.
    Rejudged,
}

/// A change of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerdictChange {
    /// The look that saw it.
    pub at: Timestamp,
    /// The agent that looked.
    pub agent: AgentId,
    /// The run of the look before.
    pub before_run: RunId,
    /// The run of the look.
    pub run: RunId,
    /// The check.
    pub check: CheckId,
    /// The resource or place.
    pub resource: String,
    /// Its kind.
    pub kind: KindId,
    /// Where.
    pub scope: Scope,
    /// How much a fail matters.
    pub severity: Severity,
    /// What it said; `None` if nothing.
    pub before: Option<Verdict>,
    /// What it says; `None` if nothing.
    pub after: Option<Verdict>,
    /// Why it changed.
    pub cause: ChangeCause,
    /// The values that decided before.
    pub observed_before: BTreeMap<String, Shown>,
    /// The values that decide now.
    pub observed_after: BTreeMap<String, Shown>,
    /// Why nothing can be said now.
    pub because: Vec<Because>,
    /// The stored line before.
    pub evidence_before: Option<EvidenceRef>,
    /// The stored line now.
    pub evidence_after: Option<EvidenceRef>,
}

/// Why a verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCause {
    /// The cloud is another: a setting, or a resource that came or went.
    Cloud,
    /// More or less of it could be read.
    Reading,
    /// The check is another.
    Check,
    /// The values that it compares with are others.
    Params,
    /// Nothing changed but the time.
    Time,
}

/// A population or field that could not be read, from look to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoverageHole {
    /// The agent.
    pub agent: AgentId,
    /// The cloud.
    pub provider: Provider,
    /// The account.
    pub account: Account,
    /// The region.
    pub region: Option<Region>,
    /// The kind; `None` if it is the account as a whole.
    pub kind: Option<KindId>,
    /// How much was read.
    pub state: CellState,
    /// Why, as far as one word says it.
    pub cause: Option<Cause>,
    /// The permissions that were missing, sorted.
    pub permissions: Vec<String>,
    /// The fields that were not read; empty where the listing itself was refused.
    pub fields: Vec<String>,
    /// The look that saw it first.
    pub from: Timestamp,
    /// The look that saw it closed; `None` while it is open.
    pub until: Option<Timestamp>,
    /// Looks that saw it.
    pub looks: u64,
}
