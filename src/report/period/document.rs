//! What `report --from --to` says: a period as a document, and what every other form of it is made from.
//!
//! Its shape is stable within [`FORMAT`]: members are added, never renamed or removed. Times are in UTC; a span is from
//! its first moment to, but not with, its last.

use std::collections::BTreeMap;

use evidenced_model::{
    Account, AgentId, Assurance, Because, CatalogId, Cause, CellState, CheckId, ControlId, Digest, KindId, LogHead,
    ObjectiveId, Provider, Region, RunId, RunStatus, Scope, Severity, Shard, Standing, Strength, Tally, Verdict,
    VerdictCounts,
};
use jiff::Timestamp;
use serde::Serialize;

use crate::document::{EvidenceRef, Shown};

/// The value of [`Period::format`].
pub const FORMAT: &str = "evidenced-period/1";

/// What the evidence says of a period.
#[derive(Debug, Clone, Serialize)]
pub struct Period {
    /// Always [`FORMAT`].
    pub format: &'static str,
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
    /// Where the evidence was read from.
    pub store: String,
    /// What was looked at: one agent or shard each.
    pub agents: Vec<AgentPeriod>,
    /// What was to be looked at when, and was not.
    pub schedules: Vec<SchedulePeriod>,
    /// Every control asked for, catalogue by catalogue.
    pub catalogs: Vec<CatalogPeriod>,
    /// Every check that was made.
    pub checks: Vec<CheckPeriod>,
    /// Every fail that stood at any time, the worst and longest first.
    pub fails: Stretch<FailPeriod>,
    /// Every change of a verdict, in order of time.
    pub changes: Stretch<VerdictChange>,
    /// What could not be read, and for how long.
    pub holes: Vec<CoverageHole>,
    /// Waivers that were in force.
    pub waivers: Vec<WaiverPeriod>,
    /// What people brought.
    pub attachments: Vec<AttachmentPeriod>,
    /// What was changed in how is judged.
    pub upgrades: Vec<Upgrade>,
    /// What a reader has to know before he relies on it, in words.
    pub cautions: Vec<String>,
}

/// A list that may be cut.
#[derive(Debug, Clone, Serialize)]
pub struct Stretch<T> {
    /// How many there are.
    pub count: u64,
    /// How many of them are not in the list.
    pub left_out: u64,
    /// Those that are.
    pub shown: Vec<T>,
}

impl<T> Default for Stretch<T> {
    fn default() -> Self {
        Self { count: 0, left_out: 0, shown: Vec::new() }
    }
}

/// The log of one agent, as far as the period goes.
#[derive(Debug, Clone, Serialize)]
pub struct AgentPeriod {
    /// The agent.
    pub agent: AgentId,
    /// Which share of the accounts it read, as its newest run says; `None` if it has no run.
    pub shard: Option<Shard>,
    /// The newest entry of its log when this was made.
    pub head: Option<LogHead>,
    /// Entries of the log in the period.
    pub entries: u64,
    /// Runs that were sealed.
    pub sealed: u64,
    /// Of them, those that had gaps.
    pub partial: u64,
    /// Of them, those that belong to no slot of a schedule.
    pub asked_for: u64,
    /// Runs that began and were given up.
    pub abandoned: u64,
    /// Runs that began and of which the log names no end.
    pub open: u64,
    /// Runs whose clock cannot be relied on.
    pub suspect: u64,
    /// The programs that were used, in order.
    pub versions: Vec<VersionSpan>,
    /// How far its newest run can be trusted.
    pub assurance: Option<Assurance>,
    /// Its runs, in order of time: one point of the time line each.
    pub runs: Vec<RunPoint>,
}

/// A program that made runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionSpan {
    /// Its version.
    pub version: String,
    /// SHA-256 of the executable.
    pub sha256: Option<Digest>,
    /// When its first run of the period ended.
    pub first: Timestamp,
    /// When its last run ended.
    pub last: Timestamp,
    /// How many runs it made.
    pub runs: u64,
}

/// One run on the time line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunPoint {
    /// The run.
    pub run: RunId,
    /// When it had read everything.
    pub at: Timestamp,
    /// Complete or partial.
    pub status: RunStatus,
    /// Its findings.
    pub findings: VerdictCounts,
    /// What it should have told and did not.
    pub gaps: u64,
    /// The resources it read.
    pub resources: u64,
    /// The slot it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// It began long after its slot.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// What became of a schedule's slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchedulePeriod {
    /// Whose schedule.
    pub agent: AgentId,
    /// Its name.
    pub schedule: String,
    /// As it was in force last: the cron expression with its time zone.
    pub cron: Option<String>,
    /// Slots that fell due in the period.
    pub slots: u64,
    /// With a sealed run that began in time.
    pub in_time: u64,
    /// With a sealed run that began late. It does not stand for a slot that was missed.
    pub late: u64,
    /// Nobody was there.
    pub missed: u64,
    /// Left out, for a reason that the log gives.
    pub skipped: u64,
    /// Begun and given up.
    pub abandoned: u64,
    /// Of which the log says nothing at all.
    pub unaccounted: u64,
    /// Slots in a row without a run, in order.
    pub holes: Vec<SlotHole>,
}

/// Slots in a row without a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotHole {
    /// The first slot without a run.
    pub from: Timestamp,
    /// The next slot with one, or the end of the period.
    pub until: Timestamp,
    /// How many.
    pub slots: u64,
    /// What became of them.
    pub what: SlotState,
    /// Why, as the log says of the first.
    pub reason: Option<String>,
}

/// What became of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Nobody was there.
    Missed,
    /// Left out.
    Skipped,
    /// Begun and given up.
    Abandoned,
    /// The log says nothing of it.
    Unaccounted,
}

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
    /// What people brought for it, by [`AttachmentPeriod::id`].
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

/// A waiver over the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaiverPeriod {
    /// Its id.
    pub id: String,
    /// Who approved it.
    pub approved_by: String,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// Until when it was granted: a date.
    pub expires: String,
    /// The log entry from which on it works.
    pub from: Timestamp,
    /// When it ended: withdrawn or expired; `None` while it is in force.
    pub until: Option<Timestamp>,
    /// How it ended: `withdrawn`, `expired`, or nothing.
    pub end: Option<String>,
    /// Fails it stood over at any time.
    pub fails: u64,
}

/// A document that somebody brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachmentPeriod {
    /// SHA-256 of its record.
    pub id: Digest,
    /// The controls it is for.
    pub controls: Vec<(CatalogId, ControlId)>,
    /// Its title, or the file's name.
    pub title: String,
    /// The file's name.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Its bytes.
    pub bytes: u64,
    /// Who brought it.
    pub by: String,
    /// When it was sealed.
    pub at: Timestamp,
    /// Until when it counts: a date.
    pub valid_until: Option<String>,
    /// Whether it ran out before the end of the period.
    pub expired: bool,
}

/// A change in how is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upgrade {
    /// The look that was made with it first.
    pub at: Timestamp,
    /// The agent.
    pub agent: AgentId,
    /// The run.
    pub run: RunId,
    /// The program before and after, if it is another.
    pub versions: Option<(String, String)>,
    /// Checks whose meaning changed: revision before and after.
    pub checks: Vec<(CheckId, u32, u32)>,
    /// Checks that are new.
    pub added: Vec<CheckId>,
    /// Checks that are gone.
    pub removed: Vec<CheckId>,
    /// Parameters that changed: their names.
    pub params: Vec<String>,
    /// Verdicts that changed for this reason alone.
    pub verdicts: u64,
    /// The log says so, and the last run before was judged again.
    pub rejudged: bool,
}
