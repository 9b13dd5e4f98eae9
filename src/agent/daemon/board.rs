//! What the daemon knows of itself, in memory: written by the rounds, read by the endpoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evidenced_model::{ControlStanding, LogHead, Provider, RunId, Slot};
use evidenced_schedule::Timetable;
use evidenced_serve::{
    ConfigStatus, EvidenceAge, Readiness, Reason, RunSummary, ScheduleStatus, SlotStatus, SpoolStatus, Status,
};
use jiff::{SignedDuration, Timestamp};

/// So many runs are remembered; older ones are read from the store.
const RUNS: usize = 200;

/// The board. Clones are the same.
#[derive(Clone)]
pub(crate) struct Board(Arc<Mutex<State>>);

struct State {
    agent: String,
    since: Timestamp,
    config: ConfigStatus,
    config_error_since: Option<Timestamp>,
    store: String,
    head: Option<LogHead>,
    spool: SpoolStatus,
    spool_since: Option<Timestamp>,
    schedules: BTreeMap<String, Watched>,
    evidence: BTreeMap<(Provider, String), (Timestamp, RunId)>,
    runs: VecDeque<Ran>,
    newest: Option<Newest>,
}

/// A schedule while it is watched.
#[derive(Clone)]
struct Watched {
    table: Timetable,
    timeout: SignedDuration,
    /// From when on its slots are expected.
    from: Timestamp,
    running: Option<Timestamp>,
    last: Option<SlotStatus>,
    next: Option<Timestamp>,
    missed: u64,
    /// What its last run came to, if to no evidence.
    trouble: Option<String>,
    /// There is evidence of its own, though perhaps not for a slot.
    stored: bool,
}

/// A run that was sealed here.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) summary: RunSummary,
    /// The accounts that it read.
    pub(crate) read: Vec<(Provider, String)>,
    /// Something at all was read.
    pub(crate) saw: bool,
}

/// The newest run's controls.
#[derive(Clone)]
pub(crate) struct Newest {
    pub(crate) run: RunId,
    pub(crate) collected: Timestamp,
    pub(crate) controls: Arc<Vec<ControlStanding>>,
}

impl Board {
    /// Of an agent that begins.
    pub(crate) fn new(agent: String, store: String, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            agent,
            since: now,
            config: ConfigStatus { loaded: now, error: None },
            config_error_since: None,
            store,
            head: None,
            spool: SpoolStatus::default(),
            spool_since: None,
            schedules: BTreeMap::new(),
            evidence: BTreeMap::new(),
            runs: VecDeque::new(),
            newest: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another config is in force.
    pub(crate) fn loaded(&self, agent: String, store: String, now: Timestamp) {
        let mut state = self.state();
        (state.agent, state.store) = (agent, store);
        state.config = ConfigStatus { loaded: now, error: None };
        state.config_error_since = None;
        state.schedules.clear();
    }

    /// A newer config is wrong, and the old one stays in force.
    pub(crate) fn config_is_wrong(&self, error: &str, now: Timestamp) {
        let mut state = self.state();
        state.config.error = Some(error.to_owned());
        state.config_error_since.get_or_insert(now);
    }

    /// What was wrong with a newer config was put right.
    pub(crate) fn config_is_right(&self) {
        let mut state = self.state();
        state.config.error = None;
        state.config_error_since = None;
    }

    /// A schedule is watched; its slots are expected from a moment on.
    pub(crate) fn watch(&self, name: &str, table: Timetable, timeout: SignedDuration, from: Timestamp) {
        let watched = Watched {
            table,
            timeout,
            from,
            running: None,
            last: None,
            next: None,
            missed: 0,
            trouble: None,
            stored: false,
        };
        let mut state = self.state();
        state.schedules.insert(name.to_owned(), watched);
        // After a change of the config its runs are still evidence.
        let stored = state.runs.iter().filter(|ran| ran.summary.head.is_some()).cloned().collect::<Vec<_>>();
        stored.iter().rev().for_each(|ran| state.evidence(ran));
    }

    /// The next slot of a schedule.
    pub(crate) fn next(&self, name: &str, next: Option<Timestamp>) {
        if let Some(schedule) = self.state().schedules.get_mut(name) {
            schedule.next = next;
        }
    }

    /// So many slots passed without a run.
    pub(crate) fn missed(&self, name: &str, slots: u64) {
        if let Some(schedule) = self.state().schedules.get_mut(name) {
            schedule.missed += slots;
        }
    }

    /// The run of a slot begins, or has ended.
    pub(crate) fn running(&self, name: &str, slot: Option<Timestamp>) {
        if let Some(schedule) = self.state().schedules.get_mut(name) {
            schedule.running = slot;
        }
    }

    /// The run of a schedule came to nothing.
    pub(crate) fn trouble(&self, name: &str, what: &str) {
        if let Some(schedule) = self.state().schedules.get_mut(name) {
            schedule.trouble = Some(what.to_owned());
        }
    }

    /// A run was sealed. It counts as evidence once it is stored.
    pub(crate) fn sealed(&self, ran: Ran, newest: Newest) {
        let mut state = self.state();
        if let (false, Some(schedule)) = (ran.saw, ran.summary.schedule.clone()) {
            let what = "its last run could read nothing at all; check the credentials and the network";
            if let Some(schedule) = state.schedules.get_mut(&schedule) {
                schedule.trouble = Some(what.to_owned());
            }
        }
        state.newest = Some(newest);
        state.runs.push_front(ran);
        state.runs.truncate(RUNS);
    }

    /// Runs are in the store and named by the log.
    pub(crate) fn stored(&self, runs: &[(RunId, LogHead)]) {
        let mut state = self.state();
        for (run, head) in runs {
            let Some(ran) = state.runs.iter_mut().find(|ran| ran.summary.run == *run) else { continue };
            ran.summary.head = Some(*head);
            let ran = ran.clone();
            state.evidence(&ran);
        }
    }

    /// Something stored earlier, newest first, of this agent.
    pub(crate) fn found(&self, ran: Ran, newest: Option<Newest>) {
        let mut state = self.state();
        state.evidence(&ran);
        if state.newest.is_none() {
            state.newest = newest;
        }
        if !state.runs.iter().any(|known| known.summary.run == ran.summary.run) && state.runs.len() < RUNS {
            state.runs.push_back(ran);
        }
    }

    /// What waits, and the head of the log where it was seen.
    pub(crate) fn spool(&self, spool: SpoolStatus, head: Option<LogHead>, now: Timestamp) {
        let mut state = self.state();
        state.head = head.or(state.head);
        let waits = spool.runs + spool.entries > 0 && spool.error.is_some();
        state.spool_since = if waits { state.spool_since.or(Some(now)) } else { None };
        state.spool = spool;
    }

    /// Whether evidence is where it should be.
    pub(crate) fn readiness(&self, now: Timestamp) -> Readiness {
        self.state().readiness(now)
    }

    /// Everything, for people and programs.
    pub(crate) fn status(&self, now: Timestamp) -> Status {
        let state = self.state();
        let schedules = state.schedules.iter().map(|(name, schedule)| ScheduleStatus {
            name: name.clone(),
            running: schedule.running,
            last: schedule.last.clone(),
            next: schedule.next,
            missed: schedule.missed,
            overdue_seconds: schedule.overdue(now).map_or(0, |since| seconds(since, now)),
        });
        Status {
            agent: state.agent.clone(),
            since: state.since,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            head: state.head,
            store: state.store.clone(),
            schedules: schedules.collect(),
            spool: state.spool.clone(),
            evidence: state.ages(now),
            run: state.runs.front().map(|ran| ran.summary.clone()),
            config: state.config.clone(),
        }
    }

    /// The newest run's controls.
    pub(crate) fn newest(&self) -> Option<Newest> {
        self.state().newest.clone()
    }

    /// The runs that are remembered, newest first.
    pub(crate) fn runs(&self) -> Vec<RunSummary> {
        self.state().runs.iter().map(|ran| ran.summary.clone()).collect()
    }
}

impl State {
    /// A stored run is evidence of its accounts, and of its slot.
    fn evidence(&mut self, ran: &Ran) {
        let RunSummary { run, end, status, due, schedule, .. } = &ran.summary;
        if !ran.saw {
            return;
        }
        for place in &ran.read {
            let newest = self.evidence.entry(place.clone()).or_insert((*end, *run));
            if newest.0 <= *end {
                *newest = (*end, *run);
            }
        }
        let Some(schedule) = schedule.as_ref().and_then(|name| self.schedules.get_mut(name)) else { return };
        schedule.stored = true;
        if let Some(due) = *due
            && schedule.last.as_ref().is_none_or(|last| last.due <= due)
        {
            schedule.last = Some(SlotStatus { due, ended: *end, run: *run, status: *status });
            schedule.trouble = None;
        }
    }

    fn ages(&self, now: Timestamp) -> Vec<EvidenceAge> {
        let age = |((provider, account), (collected, run)): (&(Provider, String), &(Timestamp, RunId))| EvidenceAge {
            provider: provider.clone(),
            account: account.clone(),
            collected: *collected,
            age_seconds: seconds(*collected, now),
            run: *run,
        };
        self.evidence.iter().map(age).collect()
    }

    fn readiness(&self, now: Timestamp) -> Readiness {
        let mut reasons = Vec::new();
        for (name, schedule) in &self.schedules {
            let reason = |code: &str, since: Timestamp, what: String| Reason {
                code: code.to_owned(),
                schedule: Some(name.clone()),
                since,
                what,
            };
            if let Some(since) = schedule.overdue(now) {
                let mut what = match &schedule.last {
                    Some(last) => format!("the newest stored evidence is of the slot {}", last.due),
                    None => "there is no stored evidence yet".to_owned(),
                };
                if let Some(trouble) = &schedule.trouble {
                    what = format!("{what}; {trouble}");
                }
                reasons.push(reason("overdue", since, what));
            } else if !schedule.stored {
                let next = schedule.next.map_or_else(String::new, |next| format!(" (it is due at {next})"));
                reasons.push(reason("starting", self.since, format!("its first run is still to come{next}")));
            }
        }
        let overdue = reasons.iter().any(|reason| reason.code == "overdue");
        let general =
            |code: &str, since: Timestamp, what: String| Reason { code: code.to_owned(), schedule: None, since, what };
        if self.schedules.is_empty() {
            reasons.push(general("starting", self.since, "the daemon is starting".to_owned()));
        }
        // What waits is only late once its schedule is.
        if let (true, Some(since), Some(error)) = (overdue, self.spool_since, &self.spool.error) {
            let full = self.spool.bytes >= self.spool.limit_bytes;
            let runs = self.spool.runs;
            let what = format!("{runs} sealed runs wait on this disk: {error}");
            reasons.push(general(if full { "spool" } else { "store" }, since, what));
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }
}

impl Watched {
    /// Since when evidence is overdue: the end of the time in which the first slot without any should have come.
    fn overdue(&self, now: Timestamp) -> Option<Timestamp> {
        let done = self.last.as_ref().map_or(self.from, |last| last.due.max(self.from));
        let allowed = self.table.jitter().saturating_add(self.timeout);
        let late = self.table.after(done)?.checked_add(allowed).ok()?;
        (late < now).then_some(late)
    }
}

/// The slot of a run, as its summary says it.
pub(crate) fn slot_of(slot: Option<Slot>) -> (Option<String>, Option<Timestamp>) {
    slot.map_or((None, None), |slot| (Some(slot.schedule), Some(slot.due)))
}

fn seconds(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use evidenced_model::{Digest, RunStatus, Totals};

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-01-01T{text}Z").parse().unwrap()
    }

    fn board() -> Board {
        let board = Board::new("test".to_owned(), "memory".to_owned(), at("00:30:00"));
        let table = Timetable::new("0 0 * * * *", "UTC", SignedDuration::from_mins(5)).unwrap();
        board.watch("hourly", table, SignedDuration::from_mins(10), at("00:30:00"));
        board
    }

    fn run(due: &str, saw: bool) -> (Ran, Newest) {
        let run = RunId::from_parts(u64::try_from(at(due).as_millisecond()).unwrap(), 1);
        let summary = RunSummary {
            run,
            agent: "test".to_owned(),
            schedule: Some("hourly".to_owned()),
            due: Some(at(due)),
            start: at(due),
            end: at(due),
            status: RunStatus::Complete,
            totals: Totals::default(),
            head: None,
        };
        let read = vec![("aws".parse().unwrap(), "123456789012".to_owned())];
        (Ran { summary, read, saw }, Newest { run, collected: at(due), controls: Arc::default() })
    }

    fn codes(board: &Board, now: &str) -> Vec<String> {
        board.readiness(at(now)).reasons.into_iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn it_is_ready_once_the_due_run_is_stored_and_not_any_more_when_the_next_is_late() {
        let board = board();
        assert_eq!(codes(&board, "00:59:00"), ["starting"]);
        let (ran, newest) = run("01:00:00", true);
        let id = ran.summary.run;
        board.sealed(ran, newest);
        assert_eq!(codes(&board, "01:01:00"), ["starting"], "sealed is not stored");
        board.stored(&[(id, LogHead { digest: Digest::ZERO, index: 2 })]);
        assert_eq!(codes(&board, "02:14:59"), Vec::<String>::new());
        assert_eq!(board.status(at("02:00:00")).evidence[0].age_seconds, 3600);
        assert_eq!(codes(&board, "02:15:01"), ["overdue"]);
        assert_eq!(board.status(at("02:16:00")).schedules[0].overdue_seconds, 60);
    }

    #[test]
    fn a_run_that_saw_nothing_is_no_evidence_and_what_waits_is_named_when_it_is_late() {
        let board = board();
        let (ran, newest) = run("01:00:00", false);
        let id = ran.summary.run;
        board.sealed(ran, newest);
        board.stored(&[(id, LogHead { digest: Digest::ZERO, index: 2 })]);
        let reasons = board.readiness(at("01:16:00")).reasons;
        assert!(reasons[0].what.contains("could read nothing at all"), "{reasons:?}");
        let spool = SpoolStatus { runs: 1, limit_bytes: 10, error: Some("away".to_owned()), ..SpoolStatus::default() };
        board.spool(spool, None, at("01:10:00"));
        assert_eq!(codes(&board, "01:16:00"), ["overdue", "store"]);
        assert_eq!(codes(&board, "01:14:00"), ["starting"]);
    }
}
