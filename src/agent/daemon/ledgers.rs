//! The account of every slot, kept in the state folder; where it is lost, the log in the store tells.

use std::collections::BTreeMap;

use evidenced_model::{AgentId, Archive};
use evidenced_schedule::{Ledger, Timetable};
use evidenced_seal::{Log, PublicKeys, SealError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::State;

const FILE: &str = "schedules.json";
/// So many of the newest log entries are looked at for slots.
const LOOK_BACK: u64 = 300;

/// The ledgers of all schedules.
#[derive(Default)]
pub(crate) struct Ledgers {
    kept: BTreeMap<String, Kept>,
}

/// What is kept of a schedule.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    /// Since when its slots are expected.
    began: Timestamp,
    #[serde(flatten)]
    ledger: Ledger,
}

impl Ledgers {
    /// Those that are kept; `None` if there are none, as in a new state folder.
    pub(crate) fn open(state: &State) -> Option<Self> {
        let text = std::fs::read_to_string(state.root().join(FILE)).ok()?;
        let ledgers = Self::from_json(&text);
        if ledgers.is_none() {
            tracing::warn!(file = FILE, "what was kept of the schedules cannot be read; the log tells instead");
        }
        ledgers
    }

    /// Those of these schedules: as they were kept here, or else as the log in the store knows their slots.
    pub(crate) fn of_schedules<'t>(
        state: &State,
        tables: impl Iterator<Item = (&'t str, &'t Timetable)>,
        in_the_log: impl FnOnce() -> Result<BTreeMap<String, Timestamp>, SealError>,
        now: Timestamp,
    ) -> Self {
        let kept = Self::open(state);
        let seen = if kept.is_some() { Ok(BTreeMap::new()) } else { in_the_log() };
        let seen = seen.unwrap_or_else(|error| {
            tracing::warn!(%error, "the log does not tell which slots it knows; they are counted from now on");
            BTreeMap::new()
        });
        let mut ledgers = kept.unwrap_or_default();
        for (name, table) in tables {
            ledgers.take_up(name, table, seen.get(name).copied(), now);
        }
        ledgers.keep(state);
        ledgers
    }

    /// As they are kept.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(&self.kept).unwrap_or_default()
    }

    /// As they were kept.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(|kept| Self { kept })
    }

    /// Takes up a schedule: as it was kept, or as the log knows it, or from now on.
    pub(crate) fn take_up(&mut self, name: &str, table: &Timetable, seen: Option<Timestamp>, now: Timestamp) {
        let ledger = match (self.kept.remove(name), seen) {
            (Some(kept), seen) => {
                let same = kept.ledger.rule == table.rule();
                let ledger = kept.ledger.resumed(table, seen, now);
                Kept { began: if same { kept.began.min(now) } else { now }, ledger }
            }
            (None, Some(seen)) => {
                Kept { began: seen, ledger: Ledger::new(table, seen).resumed(table, Some(seen), now) }
            }
            (None, None) => Kept { began: now, ledger: Ledger::new(table, now) },
        };
        self.kept.insert(name.to_owned(), ledger);
    }

    /// Since when a schedule's slots are expected.
    pub(crate) fn began(&self, name: &str) -> Option<Timestamp> {
        self.kept.get(name).map(|kept| kept.began)
    }

    /// A schedule's ledger.
    pub(crate) fn of(&self, name: &str) -> Option<&Ledger> {
        self.kept.get(name).map(|kept| &kept.ledger)
    }

    /// Changes a schedule's ledger.
    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut Ledger)) {
        if let Some(kept) = self.kept.get_mut(name) {
            change(&mut kept.ledger);
        }
    }

    /// Keeps everything. A full disk keeps nothing new: then a slot may be told twice, and none is forgotten.
    pub(crate) fn keep(&self, state: &State) {
        if let Err(error) = state.keep(FILE, self.to_json().as_bytes()) {
            tracing::error!(%error, file = FILE, "it cannot be kept which slots are accounted for; free some space");
        }
    }
}

/// The newest slot of each schedule that the log knows, among its last entries.
pub(crate) fn in_the_log(
    archive: &dyn Archive,
    agent: &AgentId,
    keys: &PublicKeys,
) -> Result<BTreeMap<String, Timestamp>, SealError> {
    let mut newest: BTreeMap<String, Timestamp> = BTreeMap::new();
    let log = Log::new(archive, agent.clone(), keys.clone());
    let Some(last) = log.last_index()? else { return Ok(newest) };
    for index in (last.saturating_sub(LOOK_BACK)..=last).rev() {
        let Some((statement, _)) = log.entry(index)? else { continue };
        if let Some(slot) = statement.predicate.slot {
            let known = newest.entry(slot.schedule).or_insert(slot.due);
            *known = slot.due.max(*known);
        }
    }
    Ok(newest)
}
