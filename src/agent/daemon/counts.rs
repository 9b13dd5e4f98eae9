//! From what a run counted to metrics.

use std::collections::BTreeMap;

use evidenced_serve::{Metrics, Outcome as Call};

use crate::cycle::Outcome;
use crate::telemetry;

/// The newest run, as metrics show it.
pub(crate) fn newest(metrics: &Metrics, outcome: &Outcome) {
    let tallies = &outcome.tallies;
    telemetry::counted(&outcome.header.manifest.totals);
    metrics.set_findings(&tallies.findings);
    metrics.set_gaps(&tallies.gaps);
    metrics.set_resources(outcome.header.manifest.totals.resources);
    let mut controls = BTreeMap::new();
    for control in &outcome.controls {
        *controls.entry((control.catalog.clone(), control.standing)).or_default() += 1;
    }
    metrics.set_controls(&controls);
    for ((provider, service), calls) in &tallies.calls {
        let became = [
            (Call::Ok, calls.ok),
            (Call::Denied, calls.denied),
            (Call::Throttled, calls.throttled),
            (Call::Error, calls.error),
        ];
        for (outcome, count) in became.into_iter().filter(|(_, count)| *count > 0) {
            metrics.calls(provider, service, outcome, count);
        }
    }
    metrics.set_clock_skew(outcome.header.manifest.clock.skew_ms);
}
