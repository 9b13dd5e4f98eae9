//! An agent's log as far as a period goes: its runs, its slots, and what else it tells.

use std::collections::{BTreeMap, VecDeque};

use evidenced_isms::Isms;
use evidenced_model::{AgentId, Archive, RunId, Slot};
use evidenced_report::period::{LogFacts, PeriodBuilder, SlotFact, SlotState};
use evidenced_seal::RunRef;
use evidenced_seal::history::{Logged, entries_from, first_since, last_index};
use evidenced_seal::log::EntryKind;
use evidenced_seal::statement::Subject;
use jiff::{SignedDuration, Timestamp};

use super::Asked;
use crate::exit::Ended;
use crate::opened::failed;

/// So many entries before the period are looked at for what still counts in it: attachments, waivers.
const BACK: u64 = 20_000;
/// A run without an end that began so long ago will have none.
const LONG: SignedDuration = SignedDuration::from_hours(6);

/// What an agent wrote down.
pub(super) struct AgentLog {
    pub(super) agent: AgentId,
    /// The runs of the period, in the order in which they were sealed.
    pub(super) runs: VecDeque<RunRef>,
    /// What became of slots, beside runs.
    pub(super) slots: Vec<(Slot, SlotFact)>,
    /// Runs that were judged again by other rules, by run: what the entry is about.
    pub(super) rejudged: BTreeMap<RunId, Subject>,
    /// Entries about waivers and attachments until the end of the period: kind, when, about what.
    pub(super) sealed: Vec<(EntryKind, Timestamp, Subject)>,
    /// When its newest entry was appended.
    pub(super) newest: Option<Timestamp>,
    /// What was declared last.
    pub(super) isms: Option<Isms>,
    facts: LogFacts,
    /// How many entries before the period were not looked at.
    passed_over: u64,
}

impl AgentLog {
    /// Reads it.
    pub(super) fn read(archive: &dyn Archive, agent: &AgentId, asked: &Asked<'_>) -> Result<Self, Ended> {
        let first = first_since(archive, agent, asked.from).map_err(failed)?;
        let begin = first.saturating_sub(BACK);
        let mut log = Self {
            agent: agent.clone(),
            runs: VecDeque::new(),
            slots: Vec::new(),
            rejudged: BTreeMap::new(),
            sealed: Vec::new(),
            newest: None,
            isms: None,
            facts: LogFacts::default(),
            passed_over: begin,
        };
        let mut started: BTreeMap<RunId, Option<Slot>> = BTreeMap::new();
        for logged in entries_from(archive, agent, None, begin).map_err(failed)? {
            log.take(logged.map_err(failed)?, first, &mut started, asked);
        }
        if log.facts.head.is_none()
            && let Some(index) = last_index(archive, agent).map_err(failed)?
        {
            log.facts.head = evidenced_seal::history::entry_at(archive, agent, None, index)
                .map_err(failed)?
                .map(|logged| logged.head);
        }
        let over = |run: &RunId| began(*run).is_none_or(|at| asked.now.duration_since(at) > LONG);
        for (run, slot) in started.into_iter().filter(|(run, _)| over(run)) {
            log.facts.open += u64::from(within(run, asked));
            if let Some(slot) = slot {
                let reason = Some("it began, and the log names no end of it".to_owned());
                log.slots.push((slot, SlotFact::Without(SlotState::Abandoned, reason)));
            }
        }
        Ok(log)
    }

    fn take(&mut self, logged: Logged, first: u64, started: &mut BTreeMap<RunId, Option<Slot>>, asked: &Asked<'_>) {
        let run = logged.run();
        let Logged { entry, head, subject } = logged;
        self.newest = Some(entry.appended_at);
        self.facts.head = Some(head);
        let before_end = entry.appended_at < asked.to;
        if matches!(entry.kind, EntryKind::Waiver | EntryKind::Attachment)
            && before_end
            && let Some(subject) = subject.clone()
        {
            self.sealed.push((entry.kind, entry.appended_at, subject));
        }
        if head.index < first {
            return;
        }
        self.facts.entries += u64::from(before_end);
        let slot = |slot: Option<Slot>| slot.filter(|slot| slot.due >= asked.from && slot.due < asked.to);
        match (entry.kind, entry.run) {
            (EntryKind::Started, Some(run)) => drop(started.insert(run, slot(entry.slot))),
            (EntryKind::Run, Some(id)) => {
                started.remove(&id);
                if let Some(slot) = slot(entry.slot) {
                    self.slots.push((slot, SlotFact::Sealed));
                }
                self.runs.extend(run.filter(|_| within(id, asked)));
            }
            (EntryKind::Abandoned, Some(run)) => {
                let begun = started.remove(&run).flatten();
                self.facts.abandoned += u64::from(within(run, asked));
                if let Some(slot) = begun {
                    self.slots.push((slot, SlotFact::Without(SlotState::Abandoned, entry.reason)));
                }
            }
            (EntryKind::Missed | EntryKind::Skipped, _) => {
                let missed = entry.kind == EntryKind::Missed;
                let state = if missed { SlotState::Missed } else { SlotState::Skipped };
                if let Some(slot) = slot(entry.slot) {
                    self.slots.push((slot, SlotFact::Without(state, entry.reason)));
                }
            }
            (EntryKind::Late, _) => {
                if let Some(slot) = slot(entry.slot) {
                    self.slots.push((slot, SlotFact::Late));
                }
            }
            (EntryKind::SemanticsChanged, Some(run)) => {
                if let Some(subject) = subject {
                    self.rejudged.insert(run, subject);
                }
            }
            _ => {}
        }
    }

    /// Tells what it counts.
    pub(super) fn tell(&self, builder: &mut PeriodBuilder, asked: &Asked<'_>) {
        builder.log(self.agent.clone(), self.facts.clone());
        if self.passed_over > 0 {
            builder.caution(format!(
                "the first {} entries of the log of {} were not looked at for attachments and waivers",
                self.passed_over, self.agent
            ));
        }
        if self.runs.is_empty() {
            let newest = self.newest.map_or_else(|| "never".to_owned(), |at| at.to_string());
            builder.caution(format!(
                "{} has no run from {} to {}; its newest log entry is of {newest}",
                self.agent, asked.from, asked.to
            ));
        }
    }
}

/// When a run began, as its id says.
pub(super) fn began(run: RunId) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(run.unix_millis()).ok()?).ok()
}

fn within(run: RunId, asked: &Asked<'_>) -> bool {
    began(run).is_some_and(|at| at >= asked.from && at < asked.to)
}
