//! The rounds: wait for the next slot, run it, account for it; one thing at a time.

use evidenced_model::{AgentId, Slot};
use evidenced_schedule::{Due, Timetable};
use evidenced_seal::log::{Draft, EntryKind};
use jiff::{SignedDuration, Timestamp};

use super::ledgers::Ledgers;
use super::life::Order;
use crate::scheduling::ScheduleConfig;

/// A run that begins so long after its time is logged as late.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// With nothing to do, it is looked after so long.
const IDLE: SignedDuration = SignedDuration::from_mins(60);

/// What the rounds are made in: time, runs, and what is written down.
pub(crate) trait House {
    /// Why the rounds end.
    type Next;

    /// The agent.
    fn agent(&self) -> &AgentId;

    /// Now.
    fn now(&self) -> Timestamp;

    /// Since when there is somebody who makes rounds.
    fn since(&self) -> Timestamp;

    /// Why the rounds are to end, if they are.
    fn ends(&mut self) -> Option<Self::Next>;

    /// A run that somebody asked for.
    fn order(&mut self) -> Option<Order>;

    /// Writes down what is to be told in the log.
    fn note(&mut self, draft: Draft);

    /// Keeps the ledgers, over whatever happens next.
    fn keep(&mut self, ledgers: &Ledgers);

    /// Slots passed without a run, and that is written down.
    fn missed(&mut self, schedule: &str, count: u64, first: Timestamp, last: Timestamp);

    /// The next slot of a schedule.
    fn next(&mut self, schedule: &str, next: Option<Timestamp>);

    /// Makes a run, and says whether it came to its end: in evidence, or in a word in the log. A run that was cut short
    /// because the process ends has not.
    async fn run(&mut self, schedule: Option<&ScheduleConfig>, slot: Option<Slot>) -> bool;

    /// Sends what waits if that is due; says when it is due next.
    fn send(&mut self) -> Option<Timestamp>;

    /// Waits until a moment, or until something comes from outside.
    async fn wait(&mut self, until: Timestamp);
}

/// The rounds.
pub(crate) struct Rounds {
    pub(crate) schedules: Vec<(ScheduleConfig, Timetable)>,
    pub(crate) ledgers: Ledgers,
}

/// A slot whose time has come.
struct Turn {
    schedule: usize,
    due: Due,
}

impl Rounds {
    /// Goes round until the house says that it is enough.
    pub(crate) async fn go<H: House>(mut self, house: &mut H) -> H::Next {
        for (schedule, table) in &self.schedules {
            self.tell_next(house, &schedule.name, table);
        }
        loop {
            if let Some(next) = house.ends() {
                return next;
            }
            if let Some(order) = house.order() {
                let named = order.schedule.as_ref();
                let schedule = named.and_then(|name| self.schedules.iter().find(|(one, _)| one.name == *name));
                house.run(schedule.map(|(schedule, _)| schedule), None).await;
                continue;
            }
            let now = house.now();
            if let Some(turn) = self.turn(house.agent(), now) {
                self.slot(house, turn).await;
                continue;
            }
            let send = house.send();
            let until = self.until(house.agent(), now, send);
            house.wait(until).await;
        }
    }

    /// The slot whose time came first, of any schedule.
    fn turn(&self, agent: &AgentId, now: Timestamp) -> Option<Turn> {
        let turns = self.schedules.iter().enumerate().filter_map(|(index, (schedule, table))| {
            let due = self.ledgers.of(&schedule.name)?.due(table, now)?;
            let newest = due.slot.or(due.given_up)?;
            let begins = table.begins(agent, &schedule.name, newest);
            (begins <= now).then_some((begins, Turn { schedule: index, due }))
        });
        turns.min_by_key(|(begins, _)| *begins).map(|(_, turn)| turn)
    }

    /// Until when there is nothing to do.
    fn until(&self, agent: &AgentId, now: Timestamp, send: Option<Timestamp>) -> Timestamp {
        let begins = self.schedules.iter().filter_map(|(schedule, table)| {
            let ledger = self.ledgers.of(&schedule.name)?;
            // One whose jitter is not over yet, or the next.
            let slot = ledger.due(table, now).and_then(|due| due.slot).or_else(|| ledger.next(table, now))?;
            Some(table.begins(agent, &schedule.name, slot))
        });
        let idle = now.checked_add(IDLE).unwrap_or(now);
        begins.chain(send).chain([idle]).min().unwrap_or(idle)
    }

    /// Runs a slot; whatever happens, it and those before it are accounted for.
    async fn slot<H: House>(&mut self, house: &mut H, turn: Turn) {
        let (schedule, table) = self.schedules[turn.schedule].clone();
        let name = &schedule.name;
        self.tell_missed(house, name, &turn.due);
        if let Some(slot) = turn.due.given_up {
            let reason = "two runs for it were begun and did not come to their end";
            house.note(Draft::new(EntryKind::Missed, Some(reason.to_owned())).in_slot(slot_in(name, slot)));
            self.settle(house, name, slot);
            house.missed(name, 1, slot, slot);
        }
        let Some(slot) = turn.due.slot else { return self.tell_next(house, name, &table) };
        let late = house.now().duration_since(table.begins(house.agent(), name, slot));
        if late > LATE {
            let reason = format!("its run begins {} s late", late.as_secs());
            house.note(Draft::new(EntryKind::Late, Some(reason)).in_slot(slot_in(name, slot)));
        }
        self.ledgers.change(name, |ledger| ledger.begin(slot));
        house.keep(&self.ledgers);
        if !house.run(Some(&schedule), Some(slot_in(name, slot))).await {
            // Whoever begins next decides whether there is time for it still.
            return;
        }
        self.settle(house, name, slot);
        // What came due meanwhile is not run on top.
        let now = house.now();
        let meanwhile: Vec<Timestamp> =
            table.between(slot, now).take_while(|later| table.begins(house.agent(), name, *later) <= now).collect();
        for later in meanwhile {
            let reason = format!("the run of the slot {slot} was still going");
            house.note(Draft::new(EntryKind::Skipped, Some(reason)).in_slot(slot_in(name, later)));
            self.settle(house, name, later);
        }
        self.tell_next(house, name, &table);
    }

    fn settle<H: House>(&mut self, house: &mut H, name: &str, slot: Timestamp) {
        let now = house.now();
        self.ledgers.change(name, |ledger| ledger.settle(slot, now));
        house.keep(&self.ledgers);
    }

    fn tell_next<H: House>(&self, house: &mut H, name: &str, table: &Timetable) {
        let now = house.now();
        house.next(name, self.ledgers.of(name).and_then(|ledger| ledger.next(table, now)));
    }

    /// Slots that passed without a run go into the log.
    fn tell_missed<H: House>(&mut self, house: &mut H, name: &str, due: &Due) {
        let since = house.since();
        let why = |slot: Timestamp| {
            if slot < since { "the daemon was not running" } else { "the daemon was busy, or the machine slept" }
        };
        let mut count = due.missed.len() as u64;
        let mut first = due.missed.first().copied();
        if let Some((more, from, to)) = due.before {
            let reason = format!("{more} slots from this one until {to}: {}", why(from));
            house.note(Draft::new(EntryKind::Missed, Some(reason)).in_slot(slot_in(name, from)));
            (count, first) = (count + more, Some(from));
        }
        for slot in &due.missed {
            house.note(Draft::new(EntryKind::Missed, Some(why(*slot).to_owned())).in_slot(slot_in(name, *slot)));
        }
        let last = due.missed.last().copied().or(due.before.map(|(_, _, last)| last));
        let (Some(first), Some(last)) = (first, last) else { return };
        self.settle(house, name, last);
        tracing::warn!(schedule = name, count, %first, %last, "slots passed without a run; the log says so");
        house.missed(name, count, first, last);
    }
}

fn slot_in(schedule: &str, due: Timestamp) -> Slot {
    Slot { due, schedule: schedule.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A house in which time is what it is told to be.
    struct Paper {
        agent: AgentId,
        now: Timestamp,
        since: Timestamp,
        until: Timestamp,
        /// How long each run takes.
        takes: Box<dyn FnMut(usize) -> SignedDuration>,
        /// Whether a run is cut short, and for how long nobody is there then.
        dies: Box<dyn FnMut(usize) -> Option<SignedDuration>>,
        runs: usize,
        kept: Option<String>,
        dead: bool,
        log: Vec<(EntryKind, Slot)>,
    }

    impl House for Paper {
        type Next = ();

        fn agent(&self) -> &AgentId {
            &self.agent
        }
        fn now(&self) -> Timestamp {
            self.now
        }
        fn since(&self) -> Timestamp {
            self.since
        }
        fn ends(&mut self) -> Option<()> {
            (self.dead || self.now >= self.until).then_some(())
        }
        fn order(&mut self) -> Option<Order> {
            None
        }
        fn note(&mut self, draft: Draft) {
            self.log.push((draft.kind(), draft.slot().cloned().unwrap()));
        }
        fn keep(&mut self, ledgers: &Ledgers) {
            self.kept = Some(ledgers.to_json());
        }
        fn missed(&mut self, _: &str, _: u64, _: Timestamp, _: Timestamp) {}
        fn next(&mut self, _: &str, _: Option<Timestamp>) {}
        async fn run(&mut self, _: Option<&ScheduleConfig>, slot: Option<Slot>) -> bool {
            self.runs += 1;
            let slot = slot.unwrap();
            self.log.push((EntryKind::Started, slot.clone()));
            if let Some(away) = (self.dies)(self.runs) {
                self.now += away;
                self.dead = true;
                return false;
            }
            self.now += (self.takes)(self.runs);
            self.log.push((EntryKind::Run, slot));
            true
        }
        fn send(&mut self) -> Option<Timestamp> {
            None
        }
        async fn wait(&mut self, until: Timestamp) {
            self.now = self.now.max(until);
        }
    }

    fn schedules(crons: &[(&str, &str)]) -> Vec<(ScheduleConfig, Timetable)> {
        let schedule = |(name, cron): &(&str, &str)| {
            let schedule = ScheduleConfig {
                name: (*name).to_owned(),
                cron: (*cron).to_owned(),
                timezone: "Europe/Berlin".to_owned(),
                ..ScheduleConfig::hourly()
            };
            let table = schedule.timetable().unwrap();
            (schedule, table)
        };
        crons.iter().map(schedule).collect()
    }

    fn paper(days: i64) -> Paper {
        let now: Timestamp = "2026-01-01T00:30:00Z".parse().unwrap();
        Paper {
            agent: "test".parse().unwrap(),
            now,
            since: now,
            until: now + SignedDuration::from_hours(24 * days),
            takes: Box::new(|_| SignedDuration::from_secs(90)),
            dies: Box::new(|_| None),
            runs: 0,
            kept: None,
            dead: false,
            log: Vec::new(),
        }
    }

    /// Makes rounds until the end, beginning again after each death.
    fn live(house: &mut Paper, crons: &[(&str, &str)]) {
        let begin = house.now;
        while house.now < house.until {
            (house.dead, house.since) = (false, house.now);
            let mut ledgers = house.kept.as_deref().and_then(Ledgers::from_json).unwrap_or_default();
            let schedules = schedules(crons);
            for (schedule, table) in &schedules {
                ledgers.take_up(&schedule.name, table, None, house.now);
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(Rounds { schedules, ledgers }.go(house));
        }
        let newest =
            |name: &str| house.log.iter().filter(|(_, slot)| slot.schedule == name).map(|(_, slot)| slot.due).max();
        for (schedule, table) in schedules(crons) {
            let mut told: BTreeMap<Timestamp, Vec<EntryKind>> = BTreeMap::new();
            for (kind, slot) in house.log.iter().filter(|(_, slot)| slot.schedule == schedule.name) {
                told.entry(slot.due).or_default().push(*kind);
            }
            let slots: Vec<Timestamp> = table.between(begin, newest(&schedule.name).unwrap()).collect();
            assert_eq!(
                told.keys().copied().collect::<Vec<_>>(),
                slots,
                "every slot of {}, and no other",
                schedule.name
            );
            for (slot, kinds) in told {
                let ends = [EntryKind::Run, EntryKind::Missed, EntryKind::Skipped];
                let ended = kinds.iter().filter(|kind| ends.contains(kind)).count();
                assert_eq!(ended, 1, "{slot} of {}: {kinds:?}", schedule.name);
            }
        }
    }

    fn count(house: &Paper, kind: EntryKind) -> usize {
        house.log.iter().filter(|(one, _)| *one == kind).count()
    }

    #[test]
    fn four_hundred_days_of_hourly_runs_are_all_accounted_for() {
        let mut house = paper(400);
        live(&mut house, &[("hourly", "0 0 * * * *")]);
        assert_eq!((count(&house, EntryKind::Run), house.runs), (9600, 9600), "no hour of a changed clock is lost");
        assert_eq!(count(&house, EntryKind::Late), 0);
    }

    #[test]
    fn long_runs_leave_slots_out_and_other_schedules_run_late() {
        let mut house = paper(60);
        house.takes = Box::new(|run| SignedDuration::from_mins(if run % 20 == 0 { 150 } else { 1 }));
        live(&mut house, &[("daily", "0 30 2 * * *"), ("hourly", "0 0 * * * *"), ("quarters", "0 */15 * * * *")]);
        for kind in [EntryKind::Skipped, EntryKind::Late, EntryKind::Missed] {
            assert!(count(&house, kind) > 10, "{kind:?}");
        }
    }

    #[test]
    fn whoever_dies_in_the_middle_catches_up_once() {
        let mut house = paper(400);
        house.dies = Box::new(|run| match run {
            run if run % 97 == 0 => Some(SignedDuration::from_hours(i64::try_from(run % 30).unwrap())),
            run if run % 89 == 0 => Some(SignedDuration::from_secs(20)),
            _ => None,
        });
        live(&mut house, &[("hourly", "0 0 * * * *"), ("daily", "0 0 3 * * *")]);
        assert!(count(&house, EntryKind::Missed) > 100 && count(&house, EntryKind::Late) > 20);
        // A run that always dies is tried twice, and then given up.
        let mut house = paper(3);
        house.dies = Box::new(|run| (run > 5).then_some(SignedDuration::from_secs(5)));
        live(&mut house, &[("hourly", "0 0 * * * *")]);
        assert!(house.runs < 5 + 2 * 24 * 3 + 2, "{}", house.runs);
    }
}
