//! What has become of the slots of one schedule.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Timetable;

/// A ledger that lies further ahead than this was written by a clock that was wrong.
const AHEAD: SignedDuration = SignedDuration::from_hours(26);
/// A slot is begun so often before it is given up: a run that brings the process down must not do so for ever.
const TRIES: u32 = 2;
/// So many missed slots are named one by one.
const NAMED: usize = 200;

/// Up to which slot everything is accounted for. It is kept over restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The newest slot that is accounted for, or the moment at which the schedule began.
    pub accounted: Timestamp,
    /// The schedule's rule at that time.
    pub rule: String,
    /// The slot that was begun last and is not accounted for, and how often it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<(Timestamp, u32)>,
}

/// What was found out about slots elsewhere, e.g. in the log.
pub type Record = Option<Timestamp>;

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The slot whose run is to begin; `None` if its turn has been and it was given up.
    pub slot: Option<Timestamp>,
    /// Slots that passed without a run, oldest first; at most 200 of them, the newest.
    pub missed: Vec<Timestamp>,
    /// How many more passed before these, and the first and last of them.
    pub before: Option<(u64, Timestamp, Timestamp)>,
    /// A slot that was begun too often and never came to its end.
    pub given_up: Option<Timestamp>,
}

impl Ledger {
    /// A schedule that begins at a moment: slots before it are nobody's.
    pub fn new(timetable: &Timetable, now: Timestamp) -> Self {
        Self { accounted: now, rule: timetable.rule().to_owned(), begun: None }
    }

    /// The same after a restart or a change of the config: `seen` is the newest slot that the log knows.
    #[must_use]
    pub fn resumed(mut self, timetable: &Timetable, seen: Record, now: Timestamp) -> Self {
        if self.rule != timetable.rule() {
            // Nobody promised the new rule's slots before now.
            return Self::new(timetable, now);
        }
        if let Some(seen) = seen {
            self.accounted = self.accounted.max(seen);
        }
        if self.accounted.duration_since(now) > AHEAD {
            // A clock that was far ahead wrote this.
            return Self::new(timetable, now);
        }
        self
    }

    /// What is due now; `None` if nothing is. The newest slot is run, and those before it have been missed.
    pub fn due(&self, timetable: &Timetable, now: Timestamp) -> Option<Due> {
        let from = if self.accounted.duration_since(now) > AHEAD { now } else { self.accounted };
        let mut slots = timetable.between(from, now);
        let first = slots.next()?;
        let mut recent = std::collections::VecDeque::from([first]);
        let (mut more, mut last) = (0, first);
        for slot in slots {
            recent.push_back(slot);
            if recent.len() > NAMED + 1
                && let Some(old) = recent.pop_front()
            {
                more += 1;
                last = old;
            }
        }
        let newest = recent.pop_back()?;
        let given_up = self.begun.filter(|&(slot, times)| slot == newest && times >= TRIES).map(|(slot, _)| slot);
        Some(Due {
            slot: given_up.is_none().then_some(newest),
            missed: recent.into(),
            before: (more > 0).then_some((more, first, last)),
            given_up,
        })
    }

    /// The next slot, whether it is due or not.
    pub fn next(&self, timetable: &Timetable, now: Timestamp) -> Option<Timestamp> {
        let from = if self.accounted.duration_since(now) > AHEAD { now } else { self.accounted };
        timetable.after(from)
    }

    /// The run of a slot begins. To be kept before it does.
    pub fn begin(&mut self, slot: Timestamp) {
        let times = self.begun.filter(|(begun, _)| *begun == slot).map_or(0, |(_, times)| times);
        self.begun = Some((slot, times + 1));
    }

    /// This slot, and those before it, are accounted for.
    pub fn settle(&mut self, slot: Timestamp, now: Timestamp) {
        if self.accounted.duration_since(now) > AHEAD {
            self.accounted = slot;
        }
        self.accounted = self.accounted.max(slot);
        if self.begun.is_some_and(|(begun, _)| begun <= slot) {
            self.begun = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hourly() -> Timetable {
        Timetable::new("0 0 * * * *", "UTC", SignedDuration::ZERO).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_due_before_the_first_slot() {
        let ledger = Ledger::new(&hourly(), at("2026-01-01T00:30:00Z"));
        assert_eq!(ledger.due(&hourly(), at("2026-01-01T00:59:59Z")), None);
        assert_eq!(ledger.next(&hourly(), at("2026-01-01T00:59:59Z")), Some(at("2026-01-01T01:00:00Z")));
        let due = ledger.due(&hourly(), at("2026-01-01T01:00:00Z")).unwrap();
        assert_eq!((due.slot, due.missed.len()), (Some(at("2026-01-01T01:00:00Z")), 0));
    }

    #[test]
    fn after_an_outage_the_newest_slot_is_run_and_the_others_are_missed() {
        let mut ledger = Ledger::new(&hourly(), at("2026-01-01T00:30:00Z"));
        let due = ledger.due(&hourly(), at("2026-01-01T05:10:00Z")).unwrap();
        assert_eq!(due.slot, Some(at("2026-01-01T05:00:00Z")));
        assert_eq!(due.missed.len(), 4);
        ledger.settle(at("2026-01-01T05:00:00Z"), at("2026-01-01T05:10:00Z"));
        assert_eq!(ledger.due(&hourly(), at("2026-01-01T05:59:00Z")), None);
        // A year.
        let due = ledger.due(&hourly(), at("2027-01-01T05:00:00Z")).unwrap();
        let (more, first, last) = due.before.unwrap();
        assert_eq!((due.missed.len(), more, first), (200, 8760 - 201, at("2026-01-01T06:00:00Z")));
        assert_eq!(hourly().after(last), Some(due.missed[0]));
    }

    #[test]
    fn a_run_that_brings_the_process_down_is_begun_twice_and_no_more() {
        let mut ledger = Ledger::new(&hourly(), at("2026-01-01T00:30:00Z"));
        let (slot, now) = (at("2026-01-01T01:00:00Z"), at("2026-01-01T01:00:01Z"));
        for _ in 0..2 {
            assert_eq!(ledger.due(&hourly(), now).unwrap().slot, Some(slot));
            ledger.begin(slot);
        }
        let due = ledger.due(&hourly(), now).unwrap();
        assert_eq!((due.slot, due.given_up), (None, Some(slot)));
        ledger.settle(slot, now);
        assert_eq!(ledger.due(&hourly(), now), None);
        assert_eq!(ledger.due(&hourly(), at("2026-01-01T02:00:00Z")).unwrap().given_up, None);
    }

    #[test]
    fn a_clock_that_goes_back_an_hour_repeats_nothing_and_one_that_was_a_year_ahead_starts_anew() {
        let mut ledger = Ledger::new(&hourly(), at("2026-01-01T00:30:00Z"));
        ledger.settle(at("2026-01-01T05:00:00Z"), at("2026-01-01T05:00:00Z"));
        assert_eq!(ledger.due(&hourly(), at("2026-01-01T04:00:01Z")), None);
        assert_eq!(ledger.next(&hourly(), at("2026-01-01T04:00:01Z")), Some(at("2026-01-01T06:00:00Z")));
        ledger.settle(at("2027-01-01T05:00:00Z"), at("2027-01-01T05:00:00Z"));
        let now = at("2026-01-01T05:30:00Z");
        assert_eq!(ledger.next(&hourly(), now), Some(at("2026-01-01T06:00:00Z")));
        assert_eq!(ledger.clone().resumed(&hourly(), None, now).accounted, now);
        let slot = at("2026-01-01T06:00:00Z");
        ledger.settle(slot, slot);
        assert_eq!(ledger.accounted, slot);
    }

    #[test]
    fn what_the_log_knows_is_not_done_again_and_a_new_rule_begins_now() {
        let ledger = Ledger::new(&hourly(), at("2026-01-01T00:30:00Z"));
        let now = at("2026-01-01T05:10:00Z");
        let seen = Some(at("2026-01-01T04:00:00Z"));
        let due = ledger.clone().resumed(&hourly(), seen, now).due(&hourly(), now).unwrap();
        assert_eq!((due.slot, due.missed.len()), (Some(at("2026-01-01T05:00:00Z")), 0));
        let other = Timetable::new("0 */5 * * * *", "UTC", SignedDuration::ZERO).unwrap();
        assert_eq!(ledger.resumed(&other, None, now).due(&other, now), None);
    }

    proptest::proptest! {
        /// Whenever somebody looks, however long he was away: every slot is accounted for once, in order.
        #[test]
        fn every_slot_is_accounted_for_once(waits in proptest::collection::vec(1_i64..40_000, 1..60)) {
            let table = hourly();
            let begin = at("2026-03-28T00:30:00Z");
            let mut ledger = Ledger::new(&table, begin);
            let (mut now, mut accounted) = (begin, Vec::new());
            for wait in waits {
                now = now.checked_add(SignedDuration::from_secs(wait)).unwrap();
                let Some(due) = ledger.due(&table, now) else { continue };
                accounted.extend(due.missed);
                let slot = due.slot.unwrap();
                ledger.begin(slot);
                accounted.push(slot);
                ledger.settle(slot, now);
            }
            proptest::prop_assert_eq!(accounted, table.between(begin, now).collect::<Vec<_>>());
        }
    }
}
