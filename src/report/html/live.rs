//! What the daemon knows of itself, as its first page shows it.

use jiff::Timestamp;
use serde::Serialize;

use crate::words::{long, moment, size};

/// The state of the daemon.
#[derive(Debug, Clone, Serialize)]
pub struct Live {
    /// The agent's id.
    pub agent: String,
    /// The program's version.
    pub version: String,
    /// Since when it runs.
    since: String,
    /// Evidence is where it should be, in time.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<LiveReason>,
    /// Why a newer config is not in force.
    pub config_error: Option<String>,
    /// Where evidence goes.
    pub store: String,
    /// The head of the log.
    pub head: Option<String>,
    /// What waits for the store: runs, entries, bytes in use and the most that may be.
    spool: Option<[String; 4]>,
    /// Why it waits.
    pub spool_error: Option<String>,
    /// The schedules.
    pub schedules: Vec<LiveSchedule>,
    /// The age of each account's evidence.
    pub evidence: Vec<LiveAge>,
    /// Why the newest run cannot be shown.
    pub away: Option<String>,
}

/// Why the daemon is not ready.
#[derive(Debug, Clone, Serialize)]
pub struct LiveReason {
    what: String,
    schedule: Option<String>,
    since: String,
}

/// A schedule.
#[derive(Debug, Clone, Serialize)]
pub struct LiveSchedule {
    name: String,
    /// For the style sheet: `good`, `bad` or `busy`.
    state: &'static str,
    words: String,
    last: Option<String>,
    next: Option<String>,
    missed: u64,
}

/// The newest evidence of an account.
#[derive(Debug, Clone, Serialize)]
pub struct LiveAge {
    provider: String,
    account: String,
    collected: String,
    age: String,
    run: String,
}

impl Live {
    /// Of an agent, its version, and since when it runs.
    pub fn new(agent: &str, version: &str, since: Timestamp) -> Self {
        Self {
            agent: agent.to_owned(),
            version: version.to_owned(),
            since: moment(since),
            ready: false,
            reasons: Vec::new(),
            config_error: None,
            store: String::new(),
            head: None,
            spool: None,
            spool_error: None,
            schedules: Vec::new(),
            evidence: Vec::new(),
            away: None,
        }
    }

    /// What waits for the store, in runs, log entries and bytes.
    pub fn waits(&mut self, runs: u64, entries: u64, bytes: u64, limit: u64) -> &mut Self {
        self.spool = Some([runs.to_string(), entries.to_string(), size(bytes), size(limit)]);
        self
    }
}

impl LiveReason {
    /// Since when, and what.
    pub fn new(what: &str, schedule: Option<&str>, since: Timestamp) -> Self {
        Self { what: what.to_owned(), schedule: schedule.map(str::to_owned), since: moment(since) }
    }
}

impl LiveSchedule {
    /// A schedule: what it is working on, for how many seconds it is overdue, its last run's end and outcome, its next
    /// slot, and how many it missed.
    pub fn new(
        name: &str,
        running: Option<Timestamp>,
        overdue_seconds: u64,
        last: Option<(Timestamp, &str)>,
        next: Option<Timestamp>,
        missed: u64,
    ) -> Self {
        let (state, words) = if overdue_seconds > 0 {
            ("bad", format!("overdue for {}", long(overdue_seconds)))
        } else if let Some(slot) = running {
            ("busy", format!("running, due {}", moment(slot)))
        } else {
            ("good", "in time".to_owned())
        };
        let last = last.map(|(ended, how)| format!("{}, {how}", moment(ended)));
        Self { name: name.to_owned(), state, words, last, next: next.map(moment), missed }
    }
}

impl LiveAge {
    /// An account, when its evidence was collected, how many seconds ago that is, and by which run.
    pub fn new(provider: &str, account: &str, collected: Timestamp, age_seconds: u64, run: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            account: account.to_owned(),
            collected: moment(collected),
            age: long(age_seconds),
            run: run.to_owned(),
        }
    }
}
