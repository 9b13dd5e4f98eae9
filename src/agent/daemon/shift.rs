//! The house in which the rounds are made: real runs, a real spool, real time.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Account, AgentId, Provider, RunId, Slot};
use evidenced_seal::log::{Draft, EntryKind};
use evidenced_serve::{RunEnd, RunSummary, SpoolStatus};
use evidenced_spool::Pushed;
use evidenced_tell::{Change, Event, Teller};
use jiff::{SignedDuration, Timestamp};
use tokio::task::block_in_place;

use super::Daemon;
use super::baselines::Baselines;
use super::board::{Newest, Ran, slot_of};
use super::counts;
use super::ledgers::Ledgers;
use super::life::Order;
use super::means::Means;
use super::rounds::House;
use crate::cycle::{Cycle, Outcome};
use crate::exit::{Ended, Exit};
use crate::keeper::Keeper;
use crate::plan::Scoping;
use crate::progress::Progress;
use crate::scheduling::ScheduleConfig;
use crate::state::State;
use crate::stop::Stop;
use crate::telemetry;

/// After a failure it is tried again to send what waits after so long, and after twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The house under one config.
pub(crate) struct Shift<'a> {
    pub(crate) daemon: &'a Daemon<'a>,
    pub(crate) means: &'a Means,
    pub(crate) keeper: &'a Keeper<'a>,
    pub(crate) state: &'a State,
    pub(crate) baselines: Baselines,
    pub(crate) teller: Teller,
    /// When it is tried next to send what waits, and how long to wait after that.
    pub(crate) push: Option<(Timestamp, Duration)>,
    /// The store failed, and that was told.
    pub(crate) failing: bool,
}

/// Why the rounds ended.
pub(crate) enum Next {
    /// The process is to end.
    End,
    /// Another config is to be used.
    Reload(Box<Means>),
}

impl House for Shift<'_> {
    type Next = Next;

    fn agent(&self) -> &AgentId {
        &self.keeper.agent
    }

    fn now(&self) -> Timestamp {
        self.daemon.time.now()
    }

    fn since(&self) -> Timestamp {
        self.daemon.since
    }

    fn ends(&mut self) -> Option<Next> {
        let life = &self.daemon.life;
        if life.is_ending() {
            return Some(Next::End);
        }
        let reload = life.takes_reload();
        let means = reload.then(|| self.daemon.reload(&self.means.loaded)).flatten();
        means.map(|means| Next::Reload(Box::new(means)))
    }

    fn order(&mut self) -> Option<Order> {
        self.daemon.life.takes_order()
    }

    fn note(&mut self, draft: Draft) {
        if let Err(error) = block_in_place(|| self.keeper.spool.enqueue(draft)) {
            tracing::error!(%error, "something cannot be written down for the log");
        }
    }

    fn keep(&mut self, ledgers: &Ledgers) {
        ledgers.keep(self.state);
    }

    fn missed(&mut self, schedule: &str, count: u64, first: Timestamp, last: Timestamp) {
        self.daemon.board.missed(schedule, count);
        self.daemon.metrics.slots_missed(schedule, count);
        self.tell(Some(schedule), None, Change::SlotsMissed { count, first, last });
    }

    fn next(&mut self, schedule: &str, next: Option<Timestamp>) {
        self.daemon.board.next(schedule, next);
    }

    async fn run(&mut self, schedule: Option<&ScheduleConfig>, slot: Option<Slot>) -> bool {
        let due = slot.as_ref().map(|slot| slot.due);
        let name = schedule.map(|schedule| schedule.name.as_str());
        if let Some(name) = name {
            self.daemon.board.running(name, due);
        }
        let ended = self.cycle(schedule, slot).await;
        if let Some(name) = name {
            self.daemon.board.running(name, None);
        }
        ended
    }

    fn send(&mut self) -> Option<Timestamp> {
        if self.push.is_some_and(|(at, _)| at <= self.daemon.time.now()) {
            self.push_now();
        }
        self.push.map(|(at, _)| at)
    }

    async fn wait(&mut self, until: Timestamp) {
        tokio::select! {
            () = self.daemon.time.sleep_until(until) => {}
            () = self.daemon.life.woken() => {}
        }
    }
}

impl Shift<'_> {
    /// One run, from its beginning to the store.
    async fn cycle(&mut self, schedule: Option<&ScheduleConfig>, slot: Option<Slot>) -> bool {
        let daemon = self.daemon;
        let name = schedule.map(|schedule| schedule.name.clone());
        let stop = Arc::new(Stop::default());
        let rules = match block_in_place(|| self.means.rules(daemon.time.now())) {
            Ok(rules) => rules,
            Err(error) => {
                if let Some(slot) = slot {
                    self.note(Draft::new(EntryKind::Missed, Some(error.message.clone())).in_slot(slot));
                }
                self.came_to_nothing(name.as_deref(), &error, false, Duration::ZERO);
                return true;
            }
        };
        daemon.life.under_way(Some(Arc::clone(&stop)));
        let config = &self.means.loaded.config;
        let most = Duration::from_secs(config.limits.collector_timeout_seconds);
        let timeout = schedule.map(|schedule| schedule.timeout.0);
        let cycle = Cycle {
            clouds: &daemon.context.clouds,
            binary: daemon.binary.clone(),
            clock: daemon.clock(),
            keeper: self.keeper,
            loaded: &self.means.loaded,
            library: &rules.library,
            declared: &rules.declared,
            mapping: &rules.mapping,
            progress: Arc::new(Progress::new(true)),
            scoping: Scoping {
                collectors: schedule.map(|schedule| schedule.collectors.clone()).unwrap_or_default(),
                collect: config.collect,
                timeout: most.min(timeout.unwrap_or(most)),
            },
            state: self.state,
            stop: Arc::clone(&stop),
            slot,
            timeout,
        };
        let began = std::time::Instant::now();
        let ended = cycle.run().await;
        daemon.life.under_way(None);
        match ended {
            Ok(outcome) => {
                self.sealed(name.as_deref(), outcome, began.elapsed()).await;
                true
            }
            Err(error) => {
                self.came_to_nothing(name.as_deref(), &error, stop.is_set(), began.elapsed());
                !daemon.life.is_ending()
            }
        }
    }

    /// A run was not begun, or not sealed.
    fn came_to_nothing(&mut self, schedule: Option<&str>, error: &Ended, stopped: bool, took: Duration) {
        // Another agent of the same id is at work, and the log says so: its run counts as well as ours.
        let left_out = error.exit == Exit::Done;
        let end = match (left_out || error.exit == Exit::Spooled, stopped) {
            (_, true) => RunEnd::Abandoned,
            (true, false) => RunEnd::Skipped,
            (false, false) => RunEnd::Failed,
        };
        telemetry::run_ended(schedule, end.as_str(), took);
        self.daemon.metrics.run_ended(schedule, end, (end != RunEnd::Skipped).then_some(took));
        if left_out {
            tracing::info!(schedule, reason = error.message, "a run is left out");
        } else {
            tracing::error!(schedule, error = error.message, "a run came to nothing");
        }
        if let Some(name) = schedule {
            self.daemon.board.trouble(name, &error.message);
        }
        self.push_now();
        self.daemon.look_back();
    }

    async fn sealed(&mut self, schedule: Option<&str>, outcome: Outcome, took: Duration) {
        let daemon = self.daemon;
        let complete = outcome.header.status == evidenced_model::RunStatus::Complete;
        let end = if complete { RunEnd::Complete } else { RunEnd::Partial };
        daemon.metrics.run_ended(schedule, end, Some(took));
        telemetry::run_ended(schedule, end.as_str(), took);
        counts::newest(&daemon.metrics, &outcome);
        for (check, times) in &outcome.defects {
            tracing::error!(check, times, "a check could not decide by its own fault; please report this");
        }
        let (ran, newest) = described(&outcome, schedule);
        let run = ran.summary.run;
        tracing::info!(
            %run,
            schedule,
            complete,
            resources = ran.summary.totals.resources,
            gaps = ran.summary.totals.gaps,
            head = %outcome.header.head.map(|head| head.to_string()).unwrap_or_default(),
            "a run is sealed"
        );
        daemon.board.sealed(ran, newest);
        for change in self.baselines.changes(self.state, schedule.unwrap_or_default(), outcome.tallies.seen) {
            self.tell(schedule, Some(run), change);
        }
        self.pushed(&outcome.pushed);
        if let Some(stamps) = &self.means.stamps {
            stamps.catch_up(&self.means.store, &self.keeper.agent, &self.means.keys).await;
        }
    }

    /// Sends what waits, now.
    pub(crate) fn push_now(&mut self) {
        let pushed = self.keeper.push();
        self.pushed(&pushed);
    }

    /// What came of sending.
    fn pushed(&mut self, pushed: &Pushed) {
        let daemon = self.daemon;
        let now = daemon.time.now();
        daemon.board.stored(&pushed.runs);
        daemon.metrics.pushed(pushed.stopped.is_none() && pushed.refusal().is_none());
        let error = pushed.stopped.as_ref().map(ToString::to_string);
        let error = error.or_else(|| pushed.refusal());
        let status = SpoolStatus {
            bytes: self.keeper.spool.used(),
            limit_bytes: self.keeper.spool.limit(),
            runs: pushed.runs_left as u64,
            entries: pushed.entries_left as u64,
            error: error.clone(),
        };
        telemetry::waiting(status.bytes, status.runs);
        daemon.board.spool(status, pushed.head, now);
        let waits = pushed.runs_left + pushed.entries_left > 0;
        match (waits && error.is_some(), self.failing) {
            (true, false) => {
                let (runs, error) = (pushed.runs_left as u64, error.unwrap_or_default());
                self.tell(None, None, Change::StoreFailing { runs, error });
                self.failing = true;
            }
            (false, true) if !waits => {
                self.tell(None, None, Change::StoreBack);
                self.failing = false;
            }
            _ => {}
        }
        self.push = waits.then(|| {
            let wait = self.push.map_or(FIRST_WAIT, |(_, wait)| wait);
            let at = now.checked_add(SignedDuration::try_from(wait).unwrap_or_default()).unwrap_or(now);
            (at, (wait * 2).min(LONGEST_WAIT))
        });
    }

    fn tell(&self, schedule: Option<&str>, run: Option<RunId>, change: Change) {
        let (agent, at) = (self.keeper.agent.clone(), self.daemon.time.now());
        self.teller.tell(Event { agent, at, schedule: schedule.map(str::to_owned), run, change });
    }
}

/// A run as the board remembers it.
fn described(outcome: &Outcome, schedule: Option<&str>) -> (Ran, Newest) {
    let manifest = &outcome.header.manifest;
    let (named, due) = slot_of(manifest.slot.clone());
    let summary = RunSummary {
        run: manifest.run,
        agent: manifest.agent.to_string(),
        schedule: named.or_else(|| schedule.map(str::to_owned)),
        due,
        start: manifest.window.start,
        end: manifest.window.end,
        status: outcome.header.status,
        totals: manifest.totals,
        // It counts as stored once the push says so.
        head: None,
    };
    let ran = Ran { summary, read: read(manifest), saw: !outcome.blind };
    let controls = Arc::new(outcome.controls.clone());
    (ran, Newest { run: manifest.run, collected: manifest.window.end, controls })
}

/// The accounts that a run read.
pub(crate) fn read(manifest: &evidenced_model::Manifest) -> Vec<(Provider, String)> {
    let read = |state| state == evidenced_model::manifest::Listing::Read;
    let name = |account: &Account| account.to_string();
    let accounts = manifest.accounts.iter().filter(|account| read(account.state));
    accounts.map(|account| (account.provider.clone(), name(&account.account))).collect()
}
