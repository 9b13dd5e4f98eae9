//! How things stood after the run before, for each schedule, kept in the state folder.

use std::collections::BTreeMap;

use evidenced_tell::{Baseline, Change, Seen};

use crate::state::State;

const FILE: &str = "told.json";

/// The baselines of all schedules.
#[derive(Default)]
pub(crate) struct Baselines(BTreeMap<String, Baseline>);

impl Baselines {
    /// Those that are kept. Where there is none, the first run says nothing.
    pub(crate) fn open(state: &State) -> Self {
        let bytes = std::fs::read(state.root().join(FILE)).ok();
        Self(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// What is new in a run of a schedule; it is the baseline of the next.
    pub(crate) fn changes(&mut self, state: &State, schedule: &str, seen: Seen) -> Vec<Change> {
        let (changes, now) = seen.since(self.0.get(schedule));
        if self.0.insert(schedule.to_owned(), now.clone()).is_none_or(|before| before != now) {
            let bytes = serde_json::to_vec(&self.0).unwrap_or_default();
            if let Err(error) = state.keep(FILE, &bytes) {
                tracing::warn!(%error, file = FILE, "it cannot be kept what was told; after a restart it may be told again");
            }
        }
        changes
    }
}
