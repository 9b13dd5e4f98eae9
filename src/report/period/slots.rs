//! The slots of a schedule over a period: which had a run, which had none, and what the log says of them.

use std::collections::BTreeMap;

use evidenced_model::AgentId;
use jiff::Timestamp;

use super::document::{SchedulePeriod, SlotHole, SlotState};

/// What the log says of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotFact {
    /// A run was sealed for it.
    Sealed,
    /// Its run began late.
    Late,
    /// It passed without a run.
    Without(SlotState, Option<String>),
}

/// Accounts for the slots of one schedule.
#[derive(Debug, Clone)]
pub struct Slots {
    agent: AgentId,
    schedule: String,
    cron: Option<String>,
    due: BTreeMap<Timestamp, Slot>,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    sealed: bool,
    late: bool,
    without: Option<(SlotState, Option<String>)>,
}

impl Slots {
    /// Of this schedule.
    pub fn new(agent: AgentId, schedule: impl Into<String>) -> Self {
        Self { agent, schedule: schedule.into(), cron: None, due: BTreeMap::new() }
    }

    /// As it was in force last.
    pub fn cron(&mut self, cron: impl Into<String>) {
        self.cron = Some(cron.into());
    }

    /// A slot that fell due in the period.
    pub fn expect(&mut self, due: Timestamp) {
        self.due.entry(due).or_default();
    }

    /// What the log says of a slot that fell due in the period.
    pub fn fact(&mut self, due: Timestamp, fact: SlotFact) {
        let slot = self.due.entry(due).or_default();
        match fact {
            SlotFact::Sealed => slot.sealed = true,
            SlotFact::Late => slot.late = true,
            // The first word on it stands, but for a run that was begun again.
            SlotFact::Without(state, reason) => {
                slot.without.get_or_insert((state, reason));
            }
        }
    }

    /// Counts, and puts slots in a row together. `end` is the end of the period, or now.
    pub fn finish(self, end: Timestamp) -> SchedulePeriod {
        let mut out = SchedulePeriod {
            agent: self.agent,
            schedule: self.schedule,
            cron: self.cron,
            slots: self.due.len() as u64,
            in_time: 0,
            late: 0,
            missed: 0,
            skipped: 0,
            abandoned: 0,
            unaccounted: 0,
            holes: Vec::new(),
        };
        let mut hole: Option<SlotHole> = None;
        for (due, slot) in self.due {
            if slot.sealed {
                *(if slot.late { &mut out.late } else { &mut out.in_time }) += 1;
                if let Some(mut hole) = hole.take() {
                    hole.until = due;
                    out.holes.push(hole);
                }
                continue;
            }
            let (what, reason) = slot.without.unwrap_or((SlotState::Unaccounted, None));
            *(match what {
                SlotState::Missed => &mut out.missed,
                SlotState::Skipped => &mut out.skipped,
                SlotState::Abandoned => &mut out.abandoned,
                SlotState::Unaccounted => &mut out.unaccounted,
            }) += 1;
            match &mut hole {
                Some(hole) if hole.what == what => hole.slots += 1,
                _ => {
                    if let Some(mut before) = hole.take() {
                        before.until = due;
                        out.holes.push(before);
                    }
                    hole = Some(SlotHole { from: due, until: end, slots: 1, what, reason });
                }
            }
        }
        out.holes.extend(hole);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    #[test]
    fn each_slot_counts_once_and_a_late_run_stands_for_its_own_only() {
        let mut slots = Slots::new(AgentId::parse("prod").unwrap(), "hourly");
        (0..10).for_each(|hour| slots.expect(at(hour)));
        for hour in [0, 1, 4, 9] {
            slots.fact(at(hour), SlotFact::Sealed);
        }
        slots.fact(at(4), SlotFact::Late);
        slots.fact(at(2), SlotFact::Without(SlotState::Missed, Some("nobody was there".to_owned())));
        slots.fact(at(3), SlotFact::Without(SlotState::Missed, None));
        slots.fact(at(5), SlotFact::Without(SlotState::Abandoned, None));
        slots.fact(at(6), SlotFact::Without(SlotState::Skipped, None));
        let period = slots.finish(at(24));
        let counts = [
            period.slots,
            period.in_time,
            period.late,
            period.missed,
            period.skipped,
            period.abandoned,
            period.unaccounted,
        ];
        assert_eq!(counts, [10, 3, 1, 2, 1, 1, 2]);
        let holes: Vec<_> = period.holes.iter().map(|hole| (hole.from, hole.until, hole.slots, hole.what)).collect();
        assert_eq!(
            holes,
            [
                (at(2), at(4), 2, SlotState::Missed),
                (at(5), at(6), 1, SlotState::Abandoned),
                (at(6), at(7), 1, SlotState::Skipped),
                (at(7), at(9), 2, SlotState::Unaccounted),
            ]
        );
        assert_eq!(period.holes[0].reason.as_deref(), Some("nobody was there"));
    }

    #[test]
    fn a_hole_at_the_end_is_open_to_the_end() {
        let mut slots = Slots::new(AgentId::parse("prod").unwrap(), "hourly");
        slots.expect(at(1));
        assert_eq!(slots.finish(at(5)).holes[0].until, at(5));
    }
}
