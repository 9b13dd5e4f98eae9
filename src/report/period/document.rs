//! What `report --from --to` says: a period as a document, and what every other form of it is made from.
//!
//! Its shape is stable within [`FORMAT`]: members are added, never renamed or removed. Times are in UTC; a span is from
//! its first moment to, but not with, its last.

use evidenced_model::{
    AgentId, Assurance, CatalogId, CheckId, ControlId, Digest, LogHead, RunId, RunStatus, Shard, VerdictCounts,
};
use jiff::Timestamp;
use serde::Serialize;

mod controls;
mod findings;

pub use controls::*;
pub use findings::*;

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
