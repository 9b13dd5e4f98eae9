//! The state of evidence, as the dashboard's template shows it.

use std::collections::BTreeMap;

use evidenced_model::{ControlStanding, RunStatus, Standing, Tally};
use jiff::Timestamp;
use serde::Serialize;

use crate::{Controls, EvidenceAge, Readiness, RunSummary, ScheduleStatus, Status};

/// Standings in the order in which people want to see them.
const ORDER: [Standing; 7] = [
    Standing::Contradicted,
    Standing::Incomplete,
    Standing::SupportedWithExceptions,
    Standing::Supported,
    Standing::NoSubject,
    Standing::Manual,
    Standing::Excluded,
];

#[derive(Serialize)]
pub(super) struct View<'a> {
    ready: bool,
    reasons: Vec<ReasonView<'a>>,
    agent: &'a str,
    version: &'a str,
    since: String,
    store: &'a str,
    head: Option<String>,
    config_error: Option<&'a str>,
    spool: SpoolView<'a>,
    schedules: Vec<ScheduleView<'a>>,
    run: Option<RunView<'a>>,
    evidence: Vec<EvidenceView<'a>>,
    /// Why the controls are not there.
    away: Option<&'a str>,
    rests_on: Option<RestsOn>,
    catalogs: Vec<CatalogView<'a>>,
}

#[derive(Serialize)]
struct ReasonView<'a> {
    what: &'a str,
    schedule: Option<&'a str>,
    since: String,
}

#[derive(Serialize)]
struct SpoolView<'a> {
    runs: u64,
    entries: u64,
    bytes: String,
    limit: String,
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct ScheduleView<'a> {
    name: &'a str,
    state: &'static str,
    words: String,
    last: Option<String>,
    last_status: Option<&'static str>,
    next: Option<String>,
    missed: u64,
}

#[derive(Serialize)]
struct RunView<'a> {
    run: String,
    schedule: Option<&'a str>,
    status: &'static str,
    end: String,
    resources: u64,
    gaps: u64,
    pass: u64,
    fail: u64,
    unknown: u64,
    not_applicable: u64,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    provider: &'a str,
    account: &'a str,
    collected: String,
    age: String,
    run: String,
}

#[derive(Serialize)]
struct RestsOn {
    run: String,
    collected: String,
    age: String,
}

#[derive(Serialize)]
struct CatalogView<'a> {
    catalog: &'a str,
    count: usize,
    groups: Vec<GroupView<'a>>,
}

#[derive(Serialize)]
struct GroupView<'a> {
    standing: &'static str,
    words: &'static str,
    open: bool,
    controls: Vec<ControlView<'a>>,
}

#[derive(Serialize)]
struct ControlView<'a> {
    control: &'a str,
    label: &'a str,
    tally: String,
}

impl<'a> View<'a> {
    pub(super) fn new(
        readiness: &'a Readiness,
        status: &'a Status,
        controls: Result<&'a Controls, &'a String>,
    ) -> Self {
        let reason = |reason: &'a crate::Reason| ReasonView {
            what: &reason.what,
            schedule: reason.schedule.as_deref(),
            since: time(reason.since),
        };
        let spool = &status.spool;
        Self {
            ready: readiness.ready,
            reasons: readiness.reasons.iter().map(reason).collect(),
            agent: &status.agent,
            version: &status.version,
            since: time(status.since),
            store: &status.store,
            head: status.head.map(|head| head.to_string()),
            config_error: status.config.error.as_deref(),
            spool: SpoolView {
                runs: spool.runs,
                entries: spool.entries,
                bytes: size(spool.bytes),
                limit: size(spool.limit_bytes),
                error: spool.error.as_deref(),
            },
            schedules: status.schedules.iter().map(schedule).collect(),
            run: status.run.as_ref().map(run),
            evidence: status.evidence.iter().map(evidence).collect(),
            away: controls.err().map(String::as_str),
            rests_on: controls.ok().and_then(rests_on),
            catalogs: controls.map(|controls| catalogs(&controls.controls)).unwrap_or_default(),
        }
    }
}

fn schedule(schedule: &ScheduleStatus) -> ScheduleView<'_> {
    let (state, words) = if schedule.overdue_seconds > 0 {
        ("bad", format!("overdue for {}", age(schedule.overdue_seconds)))
    } else if let Some(since) = schedule.running {
        ("busy", format!("running, due {}", time(since)))
    } else {
        ("good", "in time".to_owned())
    };
    ScheduleView {
        name: &schedule.name,
        state,
        words,
        last: schedule.last.as_ref().map(|last| time(last.ended)),
        last_status: schedule.last.as_ref().map(|last| ended(last.status)),
        next: schedule.next.map(time),
        missed: schedule.missed,
    }
}

fn run(run: &RunSummary) -> RunView<'_> {
    let findings = &run.totals.findings;
    RunView {
        run: run.run.to_string(),
        schedule: run.schedule.as_deref(),
        status: ended(run.status),
        end: time(run.end),
        resources: run.totals.resources,
        gaps: run.totals.gaps,
        pass: findings.pass,
        fail: findings.fail,
        unknown: findings.unknown,
        not_applicable: findings.not_applicable,
    }
}

fn evidence(evidence: &EvidenceAge) -> EvidenceView<'_> {
    EvidenceView {
        provider: evidence.provider.as_str(),
        account: &evidence.account,
        collected: time(evidence.collected),
        age: age(evidence.age_seconds),
        run: evidence.run.to_string(),
    }
}

fn rests_on(controls: &Controls) -> Option<RestsOn> {
    Some(RestsOn {
        run: controls.run?.to_string(),
        collected: time(controls.collected?),
        age: age(controls.age_seconds?),
    })
}

fn catalogs(controls: &[ControlStanding]) -> Vec<CatalogView<'_>> {
    let mut by_catalog: BTreeMap<&str, Vec<&ControlStanding>> = BTreeMap::new();
    for control in controls {
        by_catalog.entry(control.catalog.as_str()).or_default().push(control);
    }
    let mut views = Vec::new();
    for (catalog, controls) in by_catalog {
        let groups = ORDER.iter().filter_map(|standing| group(*standing, &controls)).collect();
        views.push(CatalogView { catalog, count: controls.len(), groups });
    }
    views
}

fn group<'a>(standing: Standing, controls: &[&'a ControlStanding]) -> Option<GroupView<'a>> {
    let view = |control: &&'a ControlStanding| ControlView {
        control: control.control.as_str(),
        label: &control.label,
        tally: tally(&control.counts),
    };
    let controls: Vec<_> = controls.iter().filter(|control| control.standing == standing).map(view).collect();
    let words = match standing {
        Standing::Contradicted => "contradicted",
        Standing::Incomplete => "not enough was read",
        Standing::SupportedWithExceptions => "supported, with exceptions",
        Standing::Supported => "supported",
        Standing::NoSubject => "nothing there to judge",
        Standing::Manual => "left to people",
        Standing::Excluded => "excluded",
    };
    let open = standing == Standing::Contradicted;
    (!controls.is_empty()).then_some(GroupView { standing: standing.as_str(), words, open, controls })
}

fn tally(counts: &Tally) -> String {
    let parts = [
        (counts.fail, "fail"),
        (counts.fail_below, "fail below the bar"),
        (counts.waived, "waived"),
        (counts.unknown, "unknown"),
        (counts.pass, "pass"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    parts.join(", ")
}

fn ended(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Complete => "complete",
        RunStatus::Partial => "partial",
    }
}

/// To the second, in UTC.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 10_240 && unit + 1 < units.len() {
        whole /= 1024;
        unit += 1;
    }
    format!("{whole} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 119, 120, 7199, 7200, 172_800].map(age), ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
        assert_eq!([0, 10_239, 10_240, 10 << 30].map(size), ["0 B", "10239 B", "10 KiB", "10 GiB"]);
        assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01 00:00:00 UTC");
    }
}
