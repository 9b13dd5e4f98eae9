//! A period, as templates show it: its time line, its fails and changes, its holes, its waivers.

use evidenced_model::{Scope, Standing};
use serde::Serialize;

use super::findings::{ValueView, values};
use crate::document::EvidenceRef;
use crate::html::draw::{self, Axis, Bar, Lane, Tick, Trend};
use crate::period::{
    AgentPeriod, AttachmentPeriod, ChangeCause, CheckPeriod, ControlSpan, CoverageHole, FailEnd, FailPeriod, Looked,
    Period, Saw, SchedulePeriod, Upgrade, VerdictChange, WaiverPeriod,
};
use crate::words::{self, count, day, long, minute, moment, number};

/// So many of each are shown; all are counted.
const FAILS: usize = 100;
const CHANGES: usize = 100;
const HOLES: usize = 60;
const SPANS: usize = 24;

#[derive(Serialize)]
pub(in crate::html) struct PeriodView<'a> {
    from: String,
    to: String,
    long: String,
    ticks: Vec<Tick>,
    trends: Vec<Trend>,
    lanes: Vec<Lane>,
    agents: Vec<AgentView<'a>>,
    schedules: Vec<ScheduleView<'a>>,
    holes: Vec<[String; 5]>,
    holes_left: usize,
    checks: Vec<CheckTimes<'a>>,
    open: Vec<FailView<'a>>,
    open_count: u64,
    ended: Vec<FailView<'a>>,
    fails: u64,
    fails_left: u64,
    changes: Vec<ChangeView<'a>>,
    changes_count: u64,
    changes_left: u64,
    unread: Vec<HoleView<'a>>,
    unread_left: usize,
    waivers: Vec<WaiverView<'a>>,
    attachments: Vec<AttachmentView<'a>>,
    upgrades: Vec<UpgradeView<'a>>,
    cautions: &'a [String],
    see: String,
}

/// How a control stood over the period.
#[derive(Serialize)]
pub(in crate::html) struct SpanView {
    looked: &'static str,
    looked_key: &'static str,
    saw: &'static str,
    saw_key: &'static str,
    first: Option<String>,
    last: Option<String>,
    looks: String,
    bar: Bar,
    rows: Vec<SpanRow>,
    rows_left: usize,
    gaps: Vec<[String; 3]>,
    gaps_left: usize,
    changes: u64,
    fails: u64,
    open: u64,
}

#[derive(Serialize)]
struct SpanRow {
    standing: Standing,
    word: &'static str,
    from: String,
    until: String,
    run: Option<String>,
    tally: String,
}

#[derive(Serialize)]
struct AgentView<'a> {
    agent: &'a AgentPeriod,
    shard: Option<String>,
    versions: Vec<String>,
    last: Option<String>,
}

#[derive(Serialize)]
struct ScheduleView<'a> {
    schedule: &'a SchedulePeriod,
    gapped: bool,
}

/// A check over the period.
#[derive(Serialize)]
struct CheckTimes<'a> {
    check: &'a CheckPeriod,
    mend: Option<String>,
    longest: Option<String>,
    revisions: Vec<String>,
}

/// A fail that stood.
#[derive(Serialize)]
pub(in crate::html) struct FailView<'a> {
    fail: &'a FailPeriod,
    place: String,
    since: String,
    seen_last: String,
    until: Option<String>,
    long: String,
    end: Option<&'static str>,
    waived: Vec<String>,
    values: Vec<ValueView<'a>>,
}

#[derive(Serialize)]
struct ChangeView<'a> {
    change: &'a VerdictChange,
    at: String,
    place: String,
    before: &'static str,
    after: &'static str,
    /// For the style sheet.
    state: &'static str,
    cause: &'static str,
    values_before: Vec<ValueView<'a>>,
    values_after: Vec<ValueView<'a>>,
    because: Vec<String>,
    evidence: [Option<&'a EvidenceRef>; 2],
}

#[derive(Serialize)]
struct HoleView<'a> {
    hole: &'a CoverageHole,
    state: &'static str,
    cause: Option<&'static str>,
    from: String,
    until: Option<String>,
}

#[derive(Serialize)]
struct WaiverView<'a> {
    waiver: &'a WaiverPeriod,
    from: String,
    until: Option<String>,
}

#[derive(Serialize)]
struct AttachmentView<'a> {
    attachment: &'a AttachmentPeriod,
    at: String,
    size: String,
    controls: Vec<[&'a str; 2]>,
}

#[derive(Serialize)]
struct UpgradeView<'a> {
    upgrade: &'a Upgrade,
    at: String,
    what: Vec<String>,
}

impl<'a> PeriodView<'a> {
    pub(in crate::html) fn new(period: &'a Period) -> Self {
        let axis = Axis::new(period);
        let mut lanes: Vec<Lane> = period.schedules.iter().map(|schedule| draw::lane(axis, period, schedule)).collect();
        lanes.extend(draw::upgrades(axis, period));
        let (open, ended): (Vec<_>, Vec<_>) = period.fails.shown.iter().partition(|fail| fail.until.is_none());
        let all_holes: Vec<_> = period
            .schedules
            .iter()
            .flat_map(|schedule| schedule.holes.iter().map(move |hole| (schedule, hole)))
            .collect();
        let shown_fails = open.len().min(FAILS) + ended.len().min(FAILS);
        Self {
            from: moment(period.from),
            to: moment(period.to),
            long: long(u64::try_from(period.to.duration_since(period.from).as_secs()).unwrap_or(0)),
            ticks: axis.ticks(),
            trends: period.agents.iter().filter_map(|agent| draw::trend(axis, period, agent)).take(8).collect(),
            lanes,
            agents: period.agents.iter().map(agent).collect(),
            schedules: period
                .schedules
                .iter()
                .map(|schedule| ScheduleView { schedule, gapped: !schedule.holes.is_empty() })
                .collect(),
            holes: all_holes
                .iter()
                .take(HOLES)
                .map(|(schedule, hole)| {
                    [
                        format!("{} · {}", schedule.agent, schedule.schedule),
                        minute(hole.from),
                        minute(hole.until),
                        format!("{} {}", number(hole.slots), draw::slot(hole.what)),
                        hole.reason.clone().unwrap_or_default(),
                    ]
                })
                .collect(),
            holes_left: all_holes.len().saturating_sub(HOLES),
            checks: period.checks.iter().map(times).collect(),
            open_count: period.checks.iter().map(|check| check.open).sum(),
            open: open.into_iter().take(FAILS).map(fail).collect(),
            ended: ended.into_iter().take(FAILS).map(fail).collect(),
            fails: period.fails.count,
            fails_left: period.fails.count.saturating_sub(shown_fails as u64),
            // The newest first: that is what somebody looks for.
            changes: period.changes.shown.iter().rev().take(CHANGES).map(change).collect(),
            changes_count: period.changes.count,
            changes_left: period.changes.count.saturating_sub(period.changes.shown.len().min(CHANGES) as u64),
            unread: period.holes.iter().take(HOLES).map(hole).collect(),
            unread_left: period.holes.len().saturating_sub(HOLES),
            waivers: period.waivers.iter().map(waiver).collect(),
            attachments: period.attachments.iter().map(attachment).collect(),
            upgrades: period.upgrades.iter().map(upgrade).collect(),
            cautions: &period.cautions,
            see: format!("evidenced report --from {} --to {} --format json", period.from, period.to),
        }
    }
}

impl SpanView {
    pub(in crate::html) fn new(axis: Axis, span: &ControlSpan) -> Self {
        let (looked, looked_key) = looked(span.looked);
        let (saw, saw_key) = saw(span.saw);
        let row = |each: &crate::period::StandingSpan| SpanRow {
            standing: each.standing,
            word: words::standing(each.standing),
            from: minute(each.from),
            until: minute(each.until),
            run: each.run.map(|run| run.to_string()),
            tally: words::tally(&each.counts),
        };
        Self {
            looked,
            looked_key,
            saw,
            saw_key,
            first: span.first.map(moment),
            last: span.last.map(moment),
            looks: count(span.looks, "look", "looks"),
            bar: draw::bar(axis, span),
            // The newest are the ones that are asked for.
            rows: span.spans.iter().rev().take(SPANS).map(row).collect(),
            rows_left: span.spans.len().saturating_sub(SPANS),
            gaps: span
                .gaps
                .iter()
                .rev()
                .take(SPANS)
                .map(|gap| [minute(gap.from), minute(gap.until), gap.what.clone()])
                .collect(),
            gaps_left: span.gaps.len().saturating_sub(SPANS),
            changes: span.changes,
            fails: span.fails,
            open: span.open,
        }
    }
}

fn agent(agent: &AgentPeriod) -> AgentView<'_> {
    let version = |span: &crate::period::VersionSpan| {
        format!("{} from {} ({})", span.version, day(span.first), count(span.runs, "run", "runs"))
    };
    AgentView {
        agent,
        shard: agent
            .shard
            .as_ref()
            .filter(|shard| shard.of > 1)
            .map(|shard| format!("{} of {}", shard.index, shard.of)),
        versions: agent.versions.iter().map(version).collect(),
        last: agent.runs.last().map(|run| moment(run.at)),
    }
}

/// Where, as one line.
pub(in crate::html) fn place(scope: &Scope) -> String {
    format!("{}:{} {}", scope.provider, scope.account, scope.region)
}

fn times(check: &CheckPeriod) -> CheckTimes<'_> {
    let revision = |(revision, from): &(u32, jiff::Timestamp)| format!("{revision} from {}", day(*from));
    CheckTimes {
        check,
        mend: check.mend_median.map(long),
        longest: check.longest.map(long),
        revisions: check.revisions.iter().map(revision).collect(),
    }
}

fn fail(fail: &FailPeriod) -> FailView<'_> {
    FailView {
        fail,
        place: place(&fail.scope),
        since: minute(fail.since),
        seen_last: minute(fail.seen_last),
        until: fail.until.map(minute),
        long: long(fail.seconds),
        end: fail.end.map(|end| match end {
            FailEnd::Passed => "it passes",
            FailEnd::NotApplicable => "the question does not arise any more",
            FailEnd::Gone => "the resource is gone",
            FailEnd::Unread => "it could not be read any more: whether it stands is not known",
            FailEnd::Rejudged => "the check or its parameters changed",
        }),
        waived: fail.waived.iter().map(|(id, from)| format!("{id} from {}", day(*from))).collect(),
        values: values(&fail.observed),
    }
}

fn change(change: &VerdictChange) -> ChangeView<'_> {
    let word = |verdict: Option<evidenced_model::Verdict>| verdict.map_or("nothing", words::verdict);
    ChangeView {
        change,
        at: minute(change.at),
        place: place(&change.scope),
        before: word(change.before),
        after: word(change.after),
        state: change.after.map_or("nothing", evidenced_model::Verdict::as_str),
        cause: match change.cause {
            ChangeCause::Cloud => "the cloud changed",
            ChangeCause::Reading => "more or less could be read",
            ChangeCause::Check => "the check changed",
            ChangeCause::Params => "the parameters changed",
            ChangeCause::Time => "time passed",
        },
        values_before: values(&change.observed_before),
        values_after: values(&change.observed_after),
        because: change.because.iter().map(crate::table::because).collect(),
        evidence: [change.evidence_before.as_ref(), change.evidence_after.as_ref()],
    }
}

fn hole(hole: &CoverageHole) -> HoleView<'_> {
    HoleView {
        hole,
        state: words::cell(hole.state),
        cause: hole.cause.map(words::cause),
        from: minute(hole.from),
        until: hole.until.map(minute),
    }
}

fn waiver(waiver: &WaiverPeriod) -> WaiverView<'_> {
    WaiverView { waiver, from: minute(waiver.from), until: waiver.until.map(minute) }
}

fn attachment(attachment: &AttachmentPeriod) -> AttachmentView<'_> {
    AttachmentView {
        attachment,
        at: minute(attachment.at),
        size: words::size(attachment.bytes),
        controls: attachment.controls.iter().map(|(catalog, control)| [catalog.as_str(), control.as_str()]).collect(),
    }
}

fn upgrade(upgrade: &Upgrade) -> UpgradeView<'_> {
    let mut what = Vec::new();
    if let Some((before, after)) = &upgrade.versions {
        what.push(format!("program {before} → {after}"));
    }
    for (check, before, after) in &upgrade.checks {
        what.push(format!("{check} revision {before} → {after}"));
    }
    let listed = |what: &str, ids: &[evidenced_model::CheckId]| {
        let ids: Vec<&str> = ids.iter().map(evidenced_model::CheckId::as_str).collect();
        (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")))
    };
    what.extend(listed("new", &upgrade.added));
    what.extend(listed("gone", &upgrade.removed));
    if !upgrade.params.is_empty() {
        what.push(format!("parameters: {}", upgrade.params.join(", ")));
    }
    UpgradeView { upgrade, at: minute(upgrade.at), what }
}

fn looked(looked: Looked) -> (&'static str, &'static str) {
    match looked {
        Looked::Continuous => ("continuously looked at", "continuous"),
        Looked::Gapped => ("looked at with gaps", "gapped"),
        Looked::NotLookedAt => ("not looked at", "none"),
    }
}

fn saw(saw: Saw) -> (&'static str, &'static str) {
    match saw {
        Saw::Contradicted => ("contradicted at some look", "contradicted"),
        Saw::Incomplete => ("at some look not enough was read", "incomplete"),
        Saw::SupportedWithExceptions => ("supported at every look, with exceptions", "supported_with_exceptions"),
        Saw::Supported => ("supported at every look", "supported"),
        Saw::NoSubject => ("nothing that it could be asked of", "no_subject"),
        Saw::Manual => ("nothing automatic", "manual"),
        Saw::Excluded => ("excluded", "excluded"),
        Saw::Nothing => ("nobody looked", "none"),
    }
}
