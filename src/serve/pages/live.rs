//! The state of the daemon, in the words of the pages.

use evidenced_model::RunStatus;
use evidenced_report::{Live, LiveAge, LiveReason, LiveSchedule};

use crate::{EvidenceAge, Readiness, Reason, ScheduleStatus, Status};

pub(super) fn live(readiness: &Readiness, status: &Status) -> Live {
    let mut live = Live::new(&status.agent, &status.version, status.since);
    live.ready = readiness.ready;
    live.reasons = readiness.reasons.iter().map(reason).collect();
    live.config_error.clone_from(&status.config.error);
    live.store.clone_from(&status.store);
    live.head = status.head.map(|head| head.to_string());
    let spool = &status.spool;
    live.waits(spool.runs, spool.entries, spool.bytes, spool.limit_bytes);
    live.spool_error.clone_from(&spool.error);
    live.schedules = status.schedules.iter().map(schedule).collect();
    live.evidence = status.evidence.iter().map(evidence).collect();
    live
}

fn reason(reason: &Reason) -> LiveReason {
    LiveReason::new(&reason.what, reason.schedule.as_deref(), reason.since)
}

fn schedule(schedule: &ScheduleStatus) -> LiveSchedule {
    let last = schedule.last.as_ref().map(|last| {
        let how = match last.status {
            RunStatus::Complete => "complete",
            RunStatus::Partial => "partial",
        };
        (last.ended, how)
    });
    let (running, overdue) = (schedule.running, schedule.overdue_seconds);
    LiveSchedule::new(&schedule.name, running, overdue, last, schedule.next, schedule.missed)
}

fn evidence(age: &EvidenceAge) -> LiveAge {
    LiveAge::new(age.provider.as_str(), &age.account, age.collected, age.age_seconds, &age.run.to_string())
}
