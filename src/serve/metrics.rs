//! What is counted, under the names that dashboards and alerts know.

mod figures;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evidenced_model::{CatalogId, Clock, Provider, Severity, Standing, Verdict};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::process::Process;
use crate::{EvidenceAge, Readiness, ScheduleStatus, SpoolStatus};
use figures::{Evidence, Figures, Kept};

/// How long runs take: seconds.
const DURATIONS: [f64; 12] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0, 7200.0];

/// How a run ended that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunEnd {
    /// Everything that was planned was read.
    Complete,
    /// There are gaps.
    Partial,
    /// It was begun and not sealed.
    Abandoned,
    /// It was not begun: no room, or another agent at work.
    Skipped,
    /// Nothing could be read, or it could not be begun.
    Failed,
}

impl RunEnd {
    const ALL: [Self; 5] = [Self::Complete, Self::Partial, Self::Abandoned, Self::Skipped, Self::Failed];

    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Abandoned => "abandoned",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// What became of a call to a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered.
    Ok,
    /// Refused.
    Denied,
    /// Still throttled after the last retry.
    Throttled,
    /// Failed otherwise.
    Error,
}

impl Outcome {
    /// The word used in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Error => "error",
        }
    }
}

/// Everything that is counted. Each method takes a moment and no more, and may be called from any thread.
///
/// No list of labels grows without end: what comes after the first thousand is counted as `other`.
#[derive(Debug)]
pub struct Metrics {
    kept: Arc<Kept>,
    registry: Registry,
}

impl Metrics {
    /// Nothing counted yet. Ages are taken by this clock, at each scrape.
    pub fn new(version: &str, clock: Arc<dyn Clock>) -> Self {
        let mut figures = Figures { config_valid: true, ..Figures::default() };
        figures.build.put([version], 1);
        for result in [true, false] {
            figures.pushes.add([said(result)], 0);
            figures.reloads.add([said(result)], 0);
        }
        let kept = Arc::new(Kept { figures: Mutex::new(figures), clock });
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(&kept)));
        registry.register_collector(Box::new(Process));
        Self { kept, registry }
    }

    /// Whether evidence is where it should be.
    pub fn set_readiness(&self, readiness: &Readiness) {
        let mut figures = self.figures();
        figures.ready = readiness.ready;
        figures.not_ready.clear();
        for reason in &readiness.reasons {
            let known = ["starting", "overdue", "store", "spool", "config"];
            let code = known.into_iter().find(|code| *code == reason.code).unwrap_or("other");
            figures.not_ready.put([code], 1);
        }
    }

    /// A run ended, after so long; `None` if it was not begun. Runs that somebody asked for have no schedule.
    pub fn run_ended(&self, schedule: Option<&str>, end: RunEnd, duration: Option<Duration>) {
        let schedule = schedule.unwrap_or_default();
        let mut figures = self.figures();
        figures.runs.add([schedule, end.as_str()], 1);
        if let Some(duration) = duration {
            let new = || Histogram::new(DURATIONS);
            figures.durations.row([schedule], new).observe(duration.as_secs_f64());
        }
    }

    /// So many slots passed without a run.
    pub fn slots_missed(&self, schedule: &str, count: u64) {
        self.figures().missed.add([schedule], count);
    }

    /// All schedules as they are now; those that are gone are no longer shown.
    pub fn set_schedules(&self, schedules: &[ScheduleStatus]) {
        let mut figures = self.figures();
        figures.last.clear();
        figures.next.clear();
        figures.overdue.clear();
        figures.active.clear();
        for schedule in schedules {
            let name = [schedule.name.as_str()];
            // What has not happened yet is 0, so that a rate sees it happen.
            figures.missed.add(name, 0);
            for end in RunEnd::ALL {
                figures.runs.add([&schedule.name, end.as_str()], 0);
            }
            if let Some(last) = &schedule.last {
                figures.last.put(name, last.ended.as_second());
            }
            if let Some(next) = schedule.next {
                figures.next.put(name, next.as_second());
            }
            figures.overdue.put(name, schedule.overdue_seconds);
            figures.active.put(name, u64::from(schedule.running.is_some()));
        }
    }

    /// The newest stored evidence of every account. Only its time is taken: its age is that at the scrape.
    pub fn set_evidence(&self, evidence: &[EvidenceAge]) {
        let mut figures = self.figures();
        figures.evidence.clear();
        for item in evidence {
            figures.evidence.put([item.provider.as_str(), &item.account], Evidence(item.collected));
        }
    }

    /// Findings of the newest run.
    pub fn set_findings(&self, findings: &BTreeMap<(Verdict, Severity), u64>) {
        let mut figures = self.figures();
        figures.findings.clear();
        for ((verdict, severity), count) in findings {
            figures.findings.put([verdict.as_str(), severity.as_str()], *count);
        }
    }

    /// Gaps of the newest run.
    pub fn set_gaps(&self, gaps: &BTreeMap<Provider, u64>) {
        let mut figures = self.figures();
        figures.gaps.clear();
        for (provider, count) in gaps {
            figures.gaps.put([provider.as_str()], *count);
        }
    }

    /// Resources of the newest run.
    pub fn set_resources(&self, count: u64) {
        self.figures().resources = Some(count);
    }

    /// Controls by standing, in the newest run.
    pub fn set_controls(&self, controls: &BTreeMap<(CatalogId, Standing), u64>) {
        let mut figures = self.figures();
        figures.controls.clear();
        for ((catalog, standing), count) in controls {
            figures.controls.put([catalog.as_str(), standing.as_str()], *count);
        }
    }

    /// So many more calls to a cloud. The service is one of those that collectors declare, e.g. `iam`.
    pub fn calls(&self, provider: &Provider, service: &str, outcome: Outcome, count: u64) {
        self.figures().calls.add([provider.as_str(), service, outcome.as_str()], count);
    }

    /// What waits for the store.
    pub fn set_spool(&self, spool: &SpoolStatus) {
        self.figures().spool = Some(spool.clone());
    }

    /// Something was sent to the store, or was not taken.
    pub fn pushed(&self, ok: bool) {
        self.figures().pushes.add([said(ok)], 1);
    }

    /// The index of the log's newest entry.
    pub fn set_log_index(&self, index: u64) {
        self.figures().log_index = Some(index);
    }

    /// A changed config was read: it is in force, or it is wrong and the one before stays so.
    pub fn config_reloaded(&self, ok: bool) {
        let mut figures = self.figures();
        figures.reloads.add([said(ok)], 1);
        figures.config_valid = ok;
    }

    /// Somebody was told of something, or could not be.
    pub fn notified(&self, target: &str, ok: bool) {
        self.figures().notifications.add([target, said(ok)], 1);
    }

    /// The clock against the providers', in the newest run; `None` if nobody told the time.
    pub fn set_clock_skew(&self, milliseconds: Option<i64>) {
        self.figures().clock_skew = milliseconds.map(|milliseconds| milliseconds as f64 / 1000.0);
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        if prometheus_text::encode(&mut text, &self.registry).is_err() {
            // A text takes everything; this is not reached.
            text.clear();
        }
        text
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.kept.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}

#[cfg(test)]
mod tests;
