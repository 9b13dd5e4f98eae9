//! What the templates show, already worded: they only place it.

mod check;
mod control;
mod cover;
pub(super) mod findings;
mod period;

use std::collections::BTreeMap;

use evidenced_model::{CatalogId, ControlId, ObjectiveId, RunStatus, Standing};
use serde::Serialize;

use check::{FailingView, failing};
pub(super) use check::{Known, known};
use control::{CatalogView, catalogs};
use cover::{AccountView, CoverageView, UnreadView, accounts, coverage, lagging, unread};
use findings::CheckView;
use period::PeriodView;
pub(super) use period::place;

use crate::document::Report;
use crate::period::Period;
use crate::text::excluded;
use crate::trust::{Trust, cannot_show, mismatch, shows, trust};
use crate::visible::shell_word;
use crate::words::{self, STANDINGS, moment};

/// Everything that a page may show of a run, of a period, or of both.
#[derive(Serialize)]
pub(super) struct View<'a> {
    title: String,
    heading: String,
    run: Option<RunView<'a>>,
    period: Option<PeriodView<'a>>,
    legend: Vec<Legend>,
    pub(super) catalogs: Vec<CatalogView<'a>>,
    failing: Vec<FailingView<'a>>,
    objectives: Vec<ObjectiveView<'a>>,
    cannot_show: [&'static str; 4],
    verify: String,
}

/// What only a run has.
#[derive(Serialize)]
struct RunView<'a> {
    report: &'a Report,
    partial: bool,
    start: String,
    end: String,
    accounts: Vec<AccountView<'a>>,
    assurance: [(&'static str, &'a str); 4],
    head: Option<String>,
    shows: Vec<String>,
    trust: Vec<Trust>,
    unread: Vec<UnreadView<'a>>,
    gaps: u64,
    waived: u64,
    coverage: Vec<CoverageView<'a>>,
    lagging: Vec<[String; 3]>,
    excluded: Vec<[String; 2]>,
    mismatch: Option<String>,
}

#[derive(Serialize)]
struct Legend {
    standing: Standing,
    word: &'static str,
    means: &'static str,
}

#[derive(Serialize)]
struct ObjectiveView<'a> {
    id: &'a ObjectiveId,
    sentence: &'a str,
    controls: Vec<[&'a str; 2]>,
    checks: Vec<CheckView<'a>>,
}

impl<'a> View<'a> {
    pub(super) fn new(report: Option<&'a Report>, period: Option<&'a Period>) -> Self {
        let (title, heading) = match (report, period) {
            (Some(report), _) => (
                format!("Evidence · {} · {}", report.agent, report.run),
                format!("{}, {}", report.agent, words::day(report.window.end)),
            ),
            (None, Some(period)) => {
                let days = format!("{} to {}", words::day(period.from), words::day(period.to));
                (format!("Evidence · {days}"), days)
            }
            (None, None) => ("Evidence".to_owned(), "No run yet".to_owned()),
        };
        Self {
            title,
            heading,
            run: report.map(RunView::new),
            period: period.map(PeriodView::new),
            legend: STANDINGS
                .iter()
                .map(|s| Legend { standing: *s, word: words::standing(*s), means: words::standing_means(*s) })
                .collect(),
            catalogs: catalogs(report, period),
            failing: failing(report, period),
            objectives: report.map(objectives).unwrap_or_default(),
            cannot_show: cannot_show(),
            verify: verify(report, period),
        }
    }
}

impl<'a> RunView<'a> {
    fn new(report: &'a Report) -> Self {
        Self {
            report,
            partial: report.status == RunStatus::Partial,
            start: moment(report.window.start),
            end: moment(report.window.end),
            accounts: accounts(report),
            assurance: report.assurance.lines(),
            head: report.head.as_ref().map(ToString::to_string),
            shows: shows(report),
            trust: trust(report),
            unread: report.unread.iter().map(unread).collect(),
            gaps: report.unread.iter().map(|group| group.count).sum(),
            waived: report.checks.iter().map(|check| check.waived.count).sum(),
            coverage: coverage(report),
            lagging: lagging(report),
            excluded: report.manifest.excluded.iter().map(|e| [excluded(e), e.reason.clone()]).collect(),
            mismatch: mismatch(report),
        }
    }
}

/// Whether a control is there, in the run or in the period.
pub(super) fn has(report: Option<&Report>, period: Option<&Period>, catalog: &CatalogId, control: &ControlId) -> bool {
    let of_run = report.into_iter().flat_map(|report| &report.catalogs).flat_map(|one| &one.controls);
    let over_time = period.into_iter().flat_map(|period| &period.catalogs).filter(|one| one.id == *catalog);
    let mut in_run = of_run.map(|one| (&one.sealed.catalog, &one.sealed.control));
    match report {
        Some(_) => in_run.any(|known| known == (catalog, control)),
        None => over_time.flat_map(|one| &one.controls).any(|one| one.control == *control),
    }
}

/// Objectives that have checks, with the controls that they stand behind.
fn objectives(report: &Report) -> Vec<ObjectiveView<'_>> {
    let checks: BTreeMap<_, _> = report.checks.iter().map(|check| (&check.id, check)).collect();
    let mut served: BTreeMap<&ObjectiveId, Vec<[&str; 2]>> = BTreeMap::new();
    for control in report.catalogs.iter().flat_map(|catalog| &catalog.controls) {
        for objective in &control.sealed.objectives {
            let at = [control.sealed.catalog.as_str(), control.sealed.control.as_str()];
            served.entry(&objective.objective).or_default().push(at);
        }
    }
    let each = findings::each(report);
    let view = |objective: &'_ crate::ObjectiveReport| -> Vec<_> {
        objective.checks.iter().filter_map(|id| checks.get(id)).copied().collect()
    };
    let objectives = report.objectives.iter().map(|objective| (objective, view(objective)));
    objectives
        .filter(|(_, checks)| !checks.is_empty())
        .map(|(objective, checks)| ObjectiveView {
            id: &objective.id,
            sentence: &objective.sentence,
            controls: served.get(&objective.id).cloned().unwrap_or_default(),
            checks: checks.into_iter().map(|check| CheckView::new(check, each)).collect(),
        })
        .collect()
}

fn verify(report: Option<&Report>, period: Option<&Period>) -> String {
    let store = report.map(|report| &report.store).or(period.map(|period| &period.store));
    let head = report.and_then(|report| report.head.as_ref());
    let head = head.map_or_else(String::new, |head| format!(" --expect-head {head}"));
    format!("evidenced verify {} --key PUBLIC.pem{head}", store.map_or_else(String::new, |store| shell_word(store)))
}
