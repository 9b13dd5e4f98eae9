//! The rounds: wait for the next slot, run it, account for it; send what waits; one thing at a time.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Account, Provider, RunId, Slot};
use evidenced_schedule::{Due, Timetable};
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
use crate::cycle::{Cycle, Outcome};
use crate::exit::{Ended, Exit};
use crate::keeper::Keeper;
use crate::plan::Scoping;
use crate::progress::Progress;
use crate::scheduling::ScheduleConfig;
use crate::state::State;
use crate::stop::Stop;

/// A run that begins so long after its time is logged as late.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// After a failure it is tried again to send what waits after so long, and after twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_mins(10);
/// With nothing to do, it is looked after so long.
const IDLE: SignedDuration = SignedDuration::from_mins(60);

/// The rounds under one config.
pub(crate) struct Rounds<'a> {
    pub(crate) daemon: &'a Daemon<'a>,
    pub(crate) means: &'a Means,
    pub(crate) keeper: &'a Keeper<'a>,
    pub(crate) state: &'a State,
    pub(crate) schedules: Vec<(ScheduleConfig, Timetable)>,
    pub(crate) ledgers: Ledgers,
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

/// A slot whose time has come.
struct Turn {
    schedule: usize,
    due: Due,
}

impl Rounds<'_> {
    /// Goes round until the process is to end or another config is to be used.
    pub(crate) async fn go(mut self) -> Result<Next, Ended> {
        let life = &self.daemon.life;
        self.push_now();
        loop {
            self.daemon.pulse.beat();
            if life.is_ending() {
                return Ok(Next::End);
            }
            if life.takes_reload()
                && let Some(means) = self.daemon.reload(&self.means.loaded)
            {
                return Ok(Next::Reload(Box::new(means)));
            }
            if let Some(order) = life.takes_order() {
                self.ordered(&order).await;
                continue;
            }
            let now = self.daemon.time.now();
            if let Some(turn) = self.turn(now) {
                self.slot(turn).await;
                continue;
            }
            if self.push.is_some_and(|(at, _)| at <= now) {
                self.push_now();
                continue;
            }
            let until = self.until(now);
            tokio::select! {
                () = self.daemon.time.sleep_until(until) => {}
                () = life.woken() => {}
            }
        }
    }

    /// The slot whose time came first, of any schedule.
    fn turn(&self, now: Timestamp) -> Option<Turn> {
        let turns = self.schedules.iter().enumerate().filter_map(|(index, (schedule, table))| {
            let due = self.ledgers.of(&schedule.name)?.due(table, now)?;
            let newest = due.slot.or(due.given_up)?;
            let begins = table.begins(&self.keeper.agent, &schedule.name, newest);
            (begins <= now).then_some((begins, Turn { schedule: index, due }))
        });
        turns.min_by_key(|(begins, _)| *begins).map(|(_, turn)| turn)
    }

    /// Until when there is nothing to do.
    fn until(&self, now: Timestamp) -> Timestamp {
        let begins = self.schedules.iter().filter_map(|(schedule, table)| {
            let ledger = self.ledgers.of(&schedule.name)?;
            // One whose jitter is not over yet, or the next.
            let slot = ledger.due(table, now).and_then(|due| due.slot).or_else(|| ledger.next(table, now))?;
            Some(table.begins(&self.keeper.agent, &schedule.name, slot))
        });
        let push = self.push.map(|(at, _)| at);
        let idle = now.checked_add(IDLE).unwrap_or(now);
        begins.chain(push).chain([idle]).min().unwrap_or(idle)
    }

    /// Runs a slot; whatever happens, it and those before it are accounted for.
    async fn slot(&mut self, turn: Turn) {
        let (schedule, table) = self.schedules[turn.schedule].clone();
        let name = &schedule.name;
        self.tell_missed(name, &turn.due);
        if let Some(slot) = turn.due.given_up {
            let reason = "two runs for it were begun and did not come to their end";
            self.note(Draft::new(EntryKind::Missed, Some(reason.to_owned())).in_slot(slot_in(name, slot)));
            self.settle(name, slot);
        }
        let Some(slot) = turn.due.slot else { return };
        let now = self.daemon.time.now();
        let late = now.duration_since(table.begins(&self.keeper.agent, name, slot));
        if late > LATE {
            let reason = format!("its run begins {} s late", late.as_secs());
            self.note(Draft::new(EntryKind::Late, Some(reason)).in_slot(slot_in(name, slot)));
        }
        self.ledgers.change(self.state, name, |ledger| ledger.begin(slot));
        self.daemon.board.running(name, Some(slot));
        self.cycle(Some(&schedule), Some(slot_in(name, slot))).await;
        self.daemon.board.running(name, None);
        if self.daemon.life.is_ending() {
            // It may have been given up; whoever begins next decides whether there is time for it still.
            return self.ended_early(name, slot);
        }
        self.settle(name, slot);
        // What came due meanwhile is not run on top.
        let now = self.daemon.time.now();
        let meanwhile: Vec<Timestamp> = table
            .between(slot, now)
            .take_while(|later| table.begins(&self.keeper.agent, name, *later) <= now)
            .collect();
        for later in meanwhile {
            let reason = format!("the run of the slot {slot} was still going");
            self.note(Draft::new(EntryKind::Skipped, Some(reason)).in_slot(slot_in(name, later)));
            self.settle(name, later);
        }
        self.next(name, &table);
    }

    /// The process ends. A run that was sealed is accounted for; one that was given up may be tried again.
    fn ended_early(&mut self, name: &str, slot: Timestamp) {
        let sealed = self.daemon.board.runs().iter().any(|run| run.due == Some(slot) && run.schedule.as_deref() == Some(name));
        if sealed {
            self.settle(name, slot);
        }
    }

    fn settle(&mut self, name: &str, slot: Timestamp) {
        let now = self.daemon.time.now();
        self.ledgers.change(self.state, name, |ledger| ledger.settle(slot, now));
    }

    pub(crate) fn next(&self, name: &str, table: &Timetable) {
        let now = self.daemon.time.now();
        let next = self.ledgers.of(name).and_then(|ledger| ledger.next(table, now));
        self.daemon.board.next(name, next);
    }

    /// Slots that passed without a run go into the log.
    fn tell_missed(&mut self, name: &str, due: &Due) {
        let since = self.daemon.since;
        let why = |slot: Timestamp| {
            if slot < since { "the daemon was not running" } else { "the daemon was busy, or the machine slept" }
        };
        let mut count = due.missed.len() as u64;
        let mut first = due.missed.first().copied();
        if let Some((more, from, to)) = due.before {
            let reason = format!("{more} slots from this one until {to}: {}", why(from));
            self.note(Draft::new(EntryKind::Missed, Some(reason)).in_slot(slot_in(name, from)));
            (count, first) = (count + more, Some(from));
        }
        for slot in &due.missed {
            self.note(Draft::new(EntryKind::Missed, Some(why(*slot).to_owned())).in_slot(slot_in(name, *slot)));
        }
        let last = due.missed.last().copied().or(due.before.map(|(_, _, last)| last));
        let (Some(first), Some(last)) = (first, last) else { return };
        self.settle(name, last);
        self.daemon.board.missed(name, count);
        self.daemon.metrics.slots_missed(name, count);
        tracing::warn!(schedule = name, count, %first, %last, "slots passed without a run; the log says so");
        self.tell(Some(name), None, Change::SlotsMissed { count, first, last });
    }

    /// A run that somebody asked for.
    async fn ordered(&mut self, order: &Order) {
        let named = order.schedule.as_ref();
        let schedule = named.and_then(|name| self.schedules.iter().find(|(one, _)| one.name == *name));
        let schedule = schedule.map(|(schedule, _)| schedule.clone());
        self.cycle(schedule.as_ref(), None).await;
    }

    /// One run, from its beginning to the store.
    async fn cycle(&mut self, schedule: Option<&ScheduleConfig>, slot: Option<Slot>) {
        let daemon = self.daemon;
        let name = schedule.map(|schedule| schedule.name.clone());
        let stop = Arc::new(Stop::default());
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
            Ok(outcome) => self.sealed(name.as_deref(), outcome, began.elapsed()).await,
            Err(error) => {
                self.came_to_nothing(name.as_deref(), &error, stop.is_set(), began.elapsed());
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
    fn push_now(&mut self) {
        let pushed = self.keeper.push();
        self.pushed(&pushed);
    }

    /// What came of sending.
    fn pushed(&mut self, pushed: &Pushed) {
        let daemon = self.daemon;
        let now = daemon.time.now();
        daemon.board.stored(&pushed.runs);
        daemon.metrics.pushed(pushed.stopped.is_none() && pushed.refused.is_empty());
        let error = pushed.stopped.as_ref().map(ToString::to_string);
        let error = error.or_else(|| pushed.refused.first().map(|(run, why)| format!("{run} is refused: {why}")));
        let status = SpoolStatus {
            bytes: self.keeper.spool.used(),
            limit_bytes: self.keeper.spool.limit(),
            runs: pushed.runs_left as u64,
            entries: pushed.entries_left as u64,
            error: error.clone(),
        };
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

    fn note(&self, draft: Draft) {
        if let Err(error) = block_in_place(|| self.keeper.spool.enqueue(draft)) {
            tracing::error!(%error, "something cannot be written down for the log");
        }
    }

    fn tell(&self, schedule: Option<&str>, run: Option<RunId>, change: Change) {
        let (agent, at) = (self.keeper.agent.clone(), self.daemon.time.now());
        self.teller.tell(Event { agent, at, schedule: schedule.map(str::to_owned), run, change });
    }
}

fn slot_in(schedule: &str, due: Timestamp) -> Slot {
    Slot { due, schedule: schedule.to_owned() }
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
