//! Runs that began in a state folder that is lost: nobody else can say that they will not end any more.

use evidenced_model::RunId;
use evidenced_seal::log::Draft;
use evidenced_seal::{Log, PublicKeys};
use jiff::Timestamp;

use crate::{Remote, Spool, SpoolError};

/// How far back in the log such runs are looked for.
const DEPTH: u64 = 32;
/// A run that began so long ago, in milliseconds, and was neither sealed nor given up, has no agent any more. Three
/// days of a store that is away must not make an orphan.
const AGE: u64 = 7 * 24 * 3_600_000;

impl Spool {
    /// Gives up runs that began long ago and have no end, if this spool has not seen the log before: a state folder
    /// that is new may stand in the place of one that was lost.
    pub fn end_orphans(&self, remote: &Remote, keys: &PublicKeys, now: Timestamp) -> Result<(), SpoolError> {
        if self.0.cache.head(&self.0.agent).is_some() {
            return Ok(());
        }
        let mut log = Log::new(remote, self.0.agent.clone(), keys.clone());
        let open = log.unfinished(DEPTH)?;
        let head = log.head()?;
        let now = u64::try_from(now.as_millisecond()).unwrap_or_default();
        let known: Vec<RunId> = self.bundles()?.iter().map(|bundle| bundle.facts.run).collect();
        for run in open.into_iter().filter(|run| run.unix_millis().saturating_add(AGE) < now && !known.contains(run)) {
            tracing::warn!(%run, "a run began long ago and has no end; its agent's state is gone; it is logged as abandoned");
            self.enqueue(Draft::abandoned(run, "has no end after a week, and its agent's state is gone"))?;
        }
        if let Some(head) = head {
            self.0.cache.see(&self.0.agent, head);
        }
        Ok(())
    }
}
