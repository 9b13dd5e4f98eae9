//! Starts one collector in one place and turns whatever goes wrong with it into gaps.

use std::sync::Arc;
use std::time::Duration;

use evidenced_model::{Cause, Scope};
use tokio::sync::mpsc;

use crate::{Collector, Event, Out, Wants};

/// One start of one collector.
#[derive(Clone)]
pub struct Job {
    /// Its number, that goes along with everything it says.
    pub number: usize,
    /// Which.
    pub collector: Arc<dyn Collector>,
    /// Where.
    pub scope: Scope,
    /// The other accounts that this start reads, each with the number that goes along with what is said of it.
    pub others: Vec<(usize, Scope)>,
    /// What is worth an extra call.
    pub wants: Arc<Wants>,
    /// The longest it may take altogether.
    pub timeout: Duration,
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a job. `Err` names why it did not come to its end: it panicked or ran out of time; the caller
/// then gives up its unanswered cells ([`crate::CoverageBuilder::give_up`]).
pub async fn drive(job: Job, sender: mpsc::Sender<(usize, Event)>) -> Result<(), Cause> {
    let Job { number, collector, scope, others, wants, timeout } = job;
    let id = collector.manifest().id;
    let work = tokio::spawn(async move {
        let mut out = Out::new(sender, number, wants, scope.clone()).with(others);
        collector.collect(&scope, &mut out).await;
    });
    // If the caller is given up, so is the collector.
    let stop = AbortOnDrop(work.abort_handle());
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.is_panic() => {
            tracing::error!(collector = id, "a collector panicked; what it had not read is a gap; please report this");
            Err(Cause::Panicked)
        }
        Ok(Err(_cancelled)) => Err(Cause::Failed),
        Err(_elapsed) => {
            drop(stop);
            tracing::warn!(collector = id, "a collector ran out of time; what it had not read is a gap");
            Err(Cause::TimedOut)
        }
    }
}
