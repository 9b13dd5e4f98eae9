//! What the endpoint asks the house. Nothing in here judges or reads a cloud.

use std::sync::Arc;

use evidenced_model::{
    Account, CatalogId, CheckId, ControlId, ControlStanding, KindId, LogHead, Provider, Region, RunId, RunStatus,
    Severity, Totals, Verdict,
};
use evidenced_report::Report;
use evidenced_report::period::Period;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The house, as the endpoint sees it. [`Desk::readiness`], [`Desk::status`] and [`Desk::metrics`] answer from memory;
/// the others may wait for a disk or a store, and are called where waiting harms nobody.
pub trait Desk: Send + Sync + 'static {
    /// Whether evidence is where it should be, in time.
    fn readiness(&self) -> Readiness;

    /// What the agent is about.
    fn status(&self) -> Arc<Status>;

    /// Every metric in Prometheus' text format.
    fn metrics(&self) -> String;

    /// Runs, newest first.
    fn runs(&self, page: Page) -> Result<Paged<RunSummary>, DeskError>;

    /// One run; `None` if the log does not name it.
    fn run(&self, run: RunId) -> Result<Option<RunSummary>, DeskError>;

    /// How each control stands, by catalogue and control.
    fn controls(&self, catalog: Option<&CatalogId>) -> Result<Controls, DeskError>;

    /// How one control stands, in each catalogue that has it or in the one that is named; empty if there is none.
    fn control(&self, control: &ControlId, catalog: Option<&CatalogId>) -> Result<Controls, DeskError>;

    /// Findings of a run, in the order in which they are sealed.
    fn findings(&self, query: &FindingsQuery) -> Result<Paged<Box<RawValue>>, DeskError>;

    /// One finding, with its stored line; `None` if the run has none of that kind.
    fn finding(&self, key: &FindingKey) -> Result<Option<StoredFinding>, DeskError>;

    /// The newest run as pages show it: counts, texts, coverage, and few findings or none; `None` if there is no run yet.
    /// Its size must not grow with the findings, as one may be kept.
    fn report(&self) -> Result<Option<Arc<Report>>, DeskError>;

    /// How things stood over time, as far as that is known.
    fn period(&self) -> Result<Option<Arc<Period>>, DeskError> {
        Ok(None)
    }

    /// Asks for a run now. It is queued, and never overlaps another.
    fn start(&self, request: StartRequest) -> Result<Started, DeskError>;
}

/// Why the desk has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The request makes no sense. 400.
    #[error("{0}")]
    Wrong(String),
    /// The request names something that there is not: a run, a control, a schedule, a place in a list. 404.
    #[error("{0}")]
    Missing(String),
    /// It cannot be done now, e.g. a run is queued already. 409.
    #[error("{0}")]
    Busy(String),
    /// The store, or whatever the answer rests on, is away. 503.
    #[error("{0}")]
    Away(String),
}

/// Whether evidence is where it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The last due run of every schedule was collected, sealed and stored in time.
    pub ready: bool,
    /// Why not; empty if it is ready.
    pub reasons: Vec<Reason>,
}

/// One reason for not being ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A word for programs: `starting`, `overdue`, `store`, `spool` or `config`.
    pub code: String,
    /// The schedule that it is about, if it is about one.
    pub schedule: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// A sentence for people: what, and what to do.
    pub what: String,
}

/// What the agent is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's id.
    pub agent: String,
    /// Since when this process runs.
    pub since: Timestamp,
    /// The program's version.
    pub version: String,
    /// The newest log entry; `None` before it was seen.
    pub head: Option<LogHead>,
    /// Where evidence goes.
    pub store: String,
    /// The schedules, in the order of their names.
    pub schedules: Vec<ScheduleStatus>,
    /// What waits for the store.
    pub spool: SpoolStatus,
    /// The age of the newest stored evidence of each account, sorted.
    pub evidence: Vec<EvidenceAge>,
    /// The newest run that was sealed here.
    pub run: Option<RunSummary>,
    /// The config in force, and what is wrong with a newer one.
    pub config: ConfigStatus,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// The slot that is being worked on.
    pub running: Option<Timestamp>,
    /// The newest slot whose run is sealed and stored.
    pub last: Option<SlotStatus>,
    /// The next slot.
    pub next: Option<Timestamp>,
    /// Slots that passed without a run since the process began.
    pub missed: u64,
    /// For how many seconds the newest due slot is overdue; 0 if it is not.
    pub overdue_seconds: u64,
}

/// A slot that has been dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// When it was due.
    pub due: Timestamp,
    /// When its run ended.
    pub ended: Timestamp,
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub status: RunStatus,
}

/// What waits for the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Bytes in use.
    pub bytes: u64,
    /// The most that may be in use.
    pub limit_bytes: u64,
    /// Sealed runs.
    pub runs: u64,
    /// Log entries.
    pub entries: u64,
    /// Why they wait, if something does.
    pub error: Option<String>,
}

/// The newest stored evidence of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceAge {
    /// The cloud.
    pub provider: Provider,
    /// The account.
    pub account: String,
    /// When the run that read it ended.
    pub collected: Timestamp,
    /// How long ago that is.
    pub age_seconds: u64,
    /// The run.
    pub run: RunId,
}

/// The config in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// When it was read.
    pub loaded: Timestamp,
    /// What is wrong with the newer one in the file; the old one stays in force.
    pub error: Option<String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub run: RunId,
    /// The agent.
    pub agent: String,
    /// The schedule's name; `None` if it was asked for.
    pub schedule: Option<String>,
    /// When its slot was due.
    pub due: Option<Timestamp>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Complete or partial.
    pub status: RunStatus,
    /// What was counted.
    pub totals: Totals,
    /// Its entry in the log; `None` while it waits in the spool.
    pub head: Option<LogHead>,
}

/// Controls, with what they rest on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Controls {
    /// The run that the standings are from; `None` if there is none yet.
    pub run: Option<RunId>,
    /// When that run ended.
    pub collected: Option<Timestamp>,
    /// How long ago that is.
    pub age_seconds: Option<u64>,
    /// The standings.
    pub controls: Vec<ControlStanding>,
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many; 1 to 1000.
    pub limit: usize,
    /// What [`Paged::next`] said of the part before; `None` for the first. Up to 512 visible ASCII characters; one that
    /// no answer gave is [`DeskError::Missing`].
    pub cursor: Option<String>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part begins; `None` if there is none.
    pub next: Option<String>,
}

/// Which findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingsQuery {
    /// Of this run; `None` for the newest.
    pub run: Option<RunId>,
    /// With one of these verdicts; empty for all.
    pub verdicts: Vec<Verdict>,
    /// That serve this control.
    pub control: Option<ControlId>,
    /// In this catalogue; `None` for all that have it.
    pub catalog: Option<CatalogId>,
    /// Of this cloud.
    pub provider: Option<Provider>,
    /// Of this account.
    pub account: Option<Account>,
    /// Of one of these severities; empty for all.
    pub severities: Vec<Severity>,
    /// Of checks that match this glob.
    pub check: Option<String>,
    /// About resources that match this glob.
    pub resource: Option<String>,
    /// Which part.
    pub page: Page,
}

/// Which finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingKey {
    /// Of this run; `None` for the newest.
    pub run: Option<RunId>,
    /// Of this check.
    pub check: CheckId,
    /// Of this cloud.
    pub provider: Provider,
    /// Of this account.
    pub account: Account,
    /// Of this region.
    pub region: Region,
    /// Of this kind.
    pub kind: KindId,
    /// About this resource.
    pub resource: String,
}

/// A finding, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFinding {
    /// The run.
    pub run: RunId,
    /// Its line, with its end.
    pub line: String,
    /// The object that holds it.
    pub object: String,
    /// The line of its resource, where there is one, and the object that holds that.
    pub resource: Option<(String, String)>,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartRequest {
    /// With the collectors and the timeout of this schedule; `None`: with everything.
    pub schedule: Option<String>,
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    /// How many runs go before it.
    pub before: u64,
}
