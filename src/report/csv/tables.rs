//! The tables of a run's controls, and of a period's controls, changes and fails.

use std::io::Write;

use evidenced_model::{Provider, Tally};
use jiff::Timestamp;
use serde::Serialize;

use super::Rows;
use crate::period::{CatalogPeriod, ControlPeriod, ControlSpan, FailPeriod, Period, VerdictChange};
use crate::{Report, ReportError};

/// What a table is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Findings of a run, one a row: [`super::FindingsCsv`]. A period has none of its own.
    Findings,
    /// Controls, one a row; over a period, one for each cloud and one for all of them together.
    Controls,
    /// Changes of verdicts in a period.
    Changes,
    /// Fails that stood in a period.
    Fails,
}

const CONTROLS: [&str; 20] = [
    "catalog",
    "control",
    "label",
    "standing",
    "pass",
    "fail",
    "fail_below",
    "waived",
    "unknown",
    "not_applicable",
    "objectives",
    "left_to_people",
    "excluded_because",
    "run",
    "agent",
    "collected_from",
    "collected_to",
    "statement_sha256",
    "store",
    "providers",
];

/// Writes the controls of a run as comma-separated values (RFC 4180), in UTF-8.
pub fn controls_csv<W: Write>(report: &Report, out: W) -> Result<W, ReportError> {
    let mut rows = Rows::new(out, &CONTROLS)?;
    for control in report.catalogs.iter().flat_map(|catalog| &catalog.controls) {
        let sealed = &control.sealed;
        let objectives: Vec<String> = sealed.objectives.iter().map(|one| one.objective.to_string()).collect();
        let providers: Vec<String> =
            sealed.providers.iter().map(|(provider, standing)| format!("{provider}: {}", standing.as_str())).collect();
        let [pass, fail, fail_below, waived, unknown, not_applicable] = tally(Some(&sealed.counts));
        rows.row(
            [
                sealed.catalog.to_string(),
                sealed.control.to_string(),
                sealed.label.clone(),
                sealed.standing.as_str().to_owned(),
                pass,
                fail,
                fail_below,
                waived,
                unknown,
                not_applicable,
                objectives.join(" "),
                sealed.left_to_people.clone(),
                control.excluded_because.clone().unwrap_or_default(),
                report.run.to_string(),
                report.agent.to_string(),
                report.window.start.to_string(),
                report.window.end.to_string(),
                report.statement.digest.to_string(),
                report.store.clone(),
                providers.join(", "),
            ]
            .iter()
            .map(String::as_str),
        )?;
    }
    rows.finish()
}

/// Writes a table of a period as comma-separated values (RFC 4180), in UTF-8. [`Table::Findings`] is that of the fails:
/// a period has no findings of its own. Changes and fails are those that the period shows: what it leaves out is in its
/// [`crate::Provenance`].
pub fn csv_period(period: &Period, table: Table, out: &mut dyn Write) -> Result<(), ReportError> {
    match table {
        Table::Controls => controls(period, out),
        Table::Changes => changes(period, out),
        Table::Fails | Table::Findings => fails(period, out),
    }
}

const PERIOD_CONTROLS: [&str; 27] = [
    "catalog",
    "control",
    "label",
    "cloud",
    "looked",
    "saw",
    "first_look",
    "last_look",
    "looks",
    "gaps",
    "gap_seconds",
    "pass",
    "fail",
    "fail_below",
    "waived",
    "unknown",
    "not_applicable",
    "changes",
    "fails",
    "fails_open",
    "standing_at_end",
    "standing_since",
    "owner",
    "attachments",
    "excluded_because",
    "period_from",
    "period_to",
];

fn controls(period: &Period, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut rows = Rows::new(out, &PERIOD_CONTROLS)?;
    for catalog in &period.catalogs {
        for control in &catalog.controls {
            rows.row(control_row(period, catalog, control, None, &control.together).iter().map(String::as_str))?;
            for (provider, span) in &control.clouds {
                rows.row(control_row(period, catalog, control, Some(provider), span).iter().map(String::as_str))?;
            }
        }
    }
    rows.finish().map(|_| ())
}

fn control_row(
    period: &Period,
    catalog: &CatalogPeriod,
    control: &ControlPeriod,
    cloud: Option<&Provider>,
    span: &ControlSpan,
) -> [String; PERIOD_CONTROLS.len()] {
    let [pass, fail, fail_below, waived, unknown, not_applicable] = tally(span.counts.as_ref());
    let seconds: i64 = span.gaps.iter().map(|gap| gap.from.duration_until(gap.until).as_secs()).sum();
    let stands = span.spans.last();
    [
        catalog.id.to_string(),
        control.control.to_string(),
        control.label.clone(),
        cloud.map_or_else(|| "all".to_owned(), ToString::to_string),
        word(&span.looked),
        word(&span.saw),
        moment(span.first),
        moment(span.last),
        span.looks.to_string(),
        span.gaps.len().to_string(),
        seconds.to_string(),
        pass,
        fail,
        fail_below,
        waived,
        unknown,
        not_applicable,
        span.changes.to_string(),
        span.fails.to_string(),
        span.open.to_string(),
        stands.map(|span| span.standing.as_str().to_owned()).unwrap_or_default(),
        moment(stands.map(|span| span.from)),
        control.owner.clone().unwrap_or_default(),
        control.attachments.len().to_string(),
        control.excluded_because.clone().unwrap_or_default(),
        period.from.to_string(),
        period.to.to_string(),
    ]
}

const CHANGES: [&str; 21] = [
    "at",
    "cause",
    "before",
    "after",
    "severity",
    "check",
    "provider",
    "account",
    "region",
    "kind",
    "resource",
    "observed_before",
    "observed_after",
    "because",
    "before_run",
    "run",
    "agent",
    "object_before",
    "object_after",
    "period_from",
    "period_to",
];

fn changes(period: &Period, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut rows = Rows::new(out, &CHANGES)?;
    for change in &period.changes.shown {
        rows.row(change_row(period, change)?.iter().map(String::as_str))?;
    }
    rows.finish().map(|_| ())
}

fn change_row(period: &Period, change: &VerdictChange) -> Result<[String; CHANGES.len()], ReportError> {
    let verdict = |verdict: Option<evidenced_model::Verdict>| verdict.map_or("nothing", |one| one.as_str()).to_owned();
    let object = |place: &Option<crate::EvidenceRef>| place.as_ref().map(|one| one.object.clone()).unwrap_or_default();
    Ok([
        change.at.to_string(),
        word(&change.cause),
        verdict(change.before),
        verdict(change.after),
        change.severity.as_str().to_owned(),
        change.check.to_string(),
        change.scope.provider.to_string(),
        change.scope.account.to_string(),
        change.scope.region.to_string(),
        change.kind.to_string(),
        change.resource.clone(),
        json(&change.observed_before, change.observed_before.is_empty())?,
        json(&change.observed_after, change.observed_after.is_empty())?,
        json(&change.because, change.because.is_empty())?,
        change.before_run.to_string(),
        change.run.to_string(),
        change.agent.to_string(),
        object(&change.evidence_before),
        object(&change.evidence_after),
        period.from.to_string(),
        period.to.to_string(),
    ])
}

const FAILS: [&str; 22] = [
    "check",
    "severity",
    "provider",
    "account",
    "region",
    "kind",
    "resource",
    "owner",
    "since",
    "from_before",
    "seen_last",
    "until",
    "end",
    "seconds",
    "waivers",
    "observed",
    "object",
    "run",
    "agent",
    "open",
    "period_from",
    "period_to",
];

fn fails(period: &Period, out: &mut dyn Write) -> Result<(), ReportError> {
    let mut rows = Rows::new(out, &FAILS)?;
    for fail in &period.fails.shown {
        rows.row(fail_row(period, fail)?.iter().map(String::as_str))?;
    }
    rows.finish().map(|_| ())
}

fn fail_row(period: &Period, fail: &FailPeriod) -> Result<[String; FAILS.len()], ReportError> {
    let waivers: Vec<String> = fail.waived.iter().map(|(id, from)| format!("{id} from {from}")).collect();
    Ok([
        fail.check.to_string(),
        fail.severity.as_str().to_owned(),
        fail.scope.provider.to_string(),
        fail.scope.account.to_string(),
        fail.scope.region.to_string(),
        fail.kind.to_string(),
        fail.resource.clone(),
        fail.owner.clone().unwrap_or_default(),
        fail.since.to_string(),
        fail.from_before.to_string(),
        fail.seen_last.to_string(),
        moment(fail.until),
        fail.end.as_ref().map(word).unwrap_or_default(),
        fail.seconds.to_string(),
        waivers.join("; "),
        json(&fail.observed, fail.observed.is_empty())?,
        fail.evidence.as_ref().map(|place| place.object.clone()).unwrap_or_default(),
        fail.run.to_string(),
        fail.agent.to_string(),
        fail.until.is_none().to_string(),
        period.from.to_string(),
        period.to.to_string(),
    ])
}

/// Passes, fails, fails below the severity, waived, unknown, not applicable; empty where nobody looked.
fn tally(counts: Option<&Tally>) -> [String; 6] {
    counts.map_or_else(Default::default, |counts| {
        [counts.pass, counts.fail, counts.fail_below, counts.waived, counts.unknown, counts.not_applicable]
            .map(|count| count.to_string())
    })
}

fn moment(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// The word of an enumeration, as JSON has it.
fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn json<T: Serialize>(value: &T, empty: bool) -> Result<String, ReportError> {
    if empty { Ok(String::new()) } else { super::json(value) }
}
