//! Starts one collector in one place and turns whatever goes wrong with it into gaps.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Cause, Scope};
use tokio::sync::mpsc;

use crate::{Collector, Event, Out, Wants};

/// One start of one collector.
#[derive(Clone)]
pub struct Job {
    /// Which.
    pub collector: Arc<dyn Collector>,
    /// Where.
    pub scope: Scope,
    /// What is worth an extra call.
    pub wants: Arc<Wants>,
    /// The longest it may take altogether.
    pub timeout: Duration,
}

/// Runs a job. `Err` names why it did not come to its end: it panicked or ran out of time; the caller
/// then gives up its unanswered cells ([`crate::CoverageBuilder::give_up`]).
pub async fn drive(job: Job, sender: mpsc::Sender<Event>) -> Result<(), Cause> {
    let Job { collector, scope, wants, timeout } = job;
    let id = collector.manifest().id;
    let work = tokio::spawn(async move {
        let mut out = Out::new(sender, wants, scope.clone());
        collector.collect(&scope, &mut out).await;
    });
    let stop = work.abort_handle();
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_panic() => {
            tracing::error!(collector = id, "a collector panicked; what it had not read is a gap; please report this");
            Err(Cause::Panicked)
        }
        Ok(Err(_cancelled)) => Err(Cause::Failed),
        Err(_elapsed) => {
            stop.abort();
            tracing::warn!(collector = id, "a collector ran out of time; what it had not read is a gap");
            Err(Cause::TimedOut)
        }
    }
}
