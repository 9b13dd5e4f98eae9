//! The one JSON object of `collect --format json`.

use evidenced_model::{AgentId, ControlStanding, LogHead, RunId, RunStatus, Totals, Window};
use serde::Serialize;

use crate::Header;

/// What `collect --format json` prints. Its members are a promise to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Collected<'a> {
    /// The run.
    pub run: RunId,
    /// The agent.
    pub agent: &'a AgentId,
    /// How the run ended.
    pub status: RunStatus,
    /// From the first to the last moment.
    pub window: Window,
    /// Where the store is.
    pub store: &'a str,
    /// The log's newest entry; `null` while the run waits in the spool.
    pub head: Option<LogHead>,
    /// What was counted.
    pub totals: Totals,
    /// Every control of every enabled catalogue.
    pub controls: &'a [ControlStanding],
}

impl<'a> Collected<'a> {
    /// Of this run.
    pub fn new(header: &'a Header, controls: &'a [ControlStanding]) -> Self {
        Self {
            run: header.manifest.run,
            agent: &header.manifest.agent,
            status: header.status,
            window: header.manifest.window,
            store: &header.store,
            head: header.head,
            totals: header.manifest.totals,
            controls,
        }
    }
}
