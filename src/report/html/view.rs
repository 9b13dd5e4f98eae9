//! What the HTML template shows, already worded: the template only places it.

use std::collections::BTreeMap;

use evidenced_model::{ObjectiveId, Region, RunStatus, Standing};
use serde::Serialize;

use super::findings::{CheckView, Group};
use crate::document::{AccountReport, CatalogReport, ControlReport, Report, UnreadGroup};
use crate::text::{excluded, not_read};
use crate::trust::{Trust, cannot_show, mismatch, shows, trust};
use crate::visible::shell_word;
use crate::words::{self, STANDINGS, applicable, count, failing, moment, number};

/// So many failing checks stand on the first page.
const WORST: usize = 8;

#[derive(Serialize)]
pub(super) struct View<'a> {
    report: &'a Report,
    partial: bool,
    start: String,
    end: String,
    accounts: Vec<[String; 3]>,
    assurance: [(&'static str, &'a str); 4],
    head: Option<String>,
    shows: Vec<String>,
    cannot_show: [&'static str; 4],
    trust: Vec<Trust>,
    legend: Vec<Legend>,
    catalogs: Vec<CatalogView<'a>>,
    worst: Vec<CheckView<'a>>,
    worst_left: usize,
    objectives: Vec<ObjectiveView<'a>>,
    unread: Vec<UnreadView<'a>>,
    gaps: u64,
    coverage: Vec<CoverageView<'a>>,
    excluded: Vec<[String; 2]>,
    verify: String,
    mismatch: Option<String>,
}

#[derive(Serialize)]
struct Legend {
    standing: Standing,
    word: &'static str,
    means: &'static str,
}

#[derive(Serialize)]
struct CatalogView<'a> {
    catalog: &'a CatalogReport,
    size: String,
    segments: Vec<Segment>,
    bar: String,
    controls: Vec<ControlView<'a>>,
    people: Vec<&'a ControlReport>,
}

/// A part of the bar that shows how a catalogue's controls stand.
#[derive(Serialize)]
struct Segment {
    standing: Standing,
    word: &'static str,
    count: u64,
    /// In percent of the bar.
    from: f64,
    /// In percent of the bar.
    width: f64,
}

#[derive(Serialize)]
struct ControlView<'a> {
    control: &'a ControlReport,
    word: &'static str,
    means: &'static str,
    pass: String,
    of: String,
    tally: String,
    objectives: Vec<LinkView<'a>>,
    clouds: Vec<[&'a str; 2]>,
}

#[derive(Serialize)]
struct LinkView<'a> {
    id: &'a ObjectiveId,
    sentence: &'a str,
    strength: &'static str,
    strength_means: &'static str,
    tally: String,
    undeclared: &'a [String],
    checks: Vec<CheckLink<'a>>,
}

#[derive(Serialize)]
struct CheckLink<'a> {
    id: &'a str,
    title: &'a str,
    fails: String,
    unknowns: String,
    state: &'static str,
}

#[derive(Serialize)]
struct ObjectiveView<'a> {
    id: &'a ObjectiveId,
    sentence: &'a str,
    controls: Vec<[&'a str; 2]>,
    checks: Vec<CheckView<'a>>,
}

#[derive(Serialize)]
struct UnreadView<'a> {
    group: &'a UnreadGroup,
    cause: &'static str,
    times: String,
    places: String,
}

#[derive(Serialize)]
struct CoverageView<'a> {
    account: &'a AccountReport,
    facts: String,
    states: String,
    columns: Vec<&'a Region>,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    kind: &'a str,
    cells: Vec<Option<CellView<'a>>>,
}

#[derive(Serialize)]
struct CellView<'a> {
    state: &'static str,
    text: String,
    word: &'static str,
    more: Vec<String>,
    reason: Option<&'a str>,
}

impl<'a> View<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let checks: BTreeMap<_, _> = report.checks.iter().map(|check| (&check.id, check)).collect();
        let sentences: BTreeMap<_, _> = report.objectives.iter().map(|objective| (&objective.id, objective)).collect();
        let mut served: BTreeMap<&ObjectiveId, Vec<[&str; 2]>> = BTreeMap::new();
        for control in report.catalogs.iter().flat_map(|catalog| &catalog.controls) {
            for objective in &control.sealed.objectives {
                let at = [control.sealed.catalog.as_str(), control.sealed.control.as_str()];
                served.entry(&objective.objective).or_default().push(at);
            }
        }
        let failing = failing(&report.checks);
        let link = |objective: &'a evidenced_model::ObjectiveCount| {
            let known = sentences.get(&objective.objective);
            LinkView {
                id: &objective.objective,
                sentence: known.map_or(objective.objective.as_str(), |known| &known.sentence),
                strength: words::strength(objective.strength),
                strength_means: words::strength_means(objective.strength),
                tally: words::tally(&objective.counts),
                undeclared: &objective.undeclared,
                checks: known
                    .into_iter()
                    .flat_map(|known| &known.checks)
                    .filter_map(|id| checks.get(id))
                    .map(|check| CheckLink {
                        id: check.id.as_str(),
                        title: &check.title,
                        fails: number(check.fails.count),
                        unknowns: number(check.unknowns.count),
                        state: Group::of(check).as_str(),
                    })
                    .collect(),
            }
        };
        let objectives = report.objectives.iter().map(|objective| ObjectiveView {
            id: &objective.id,
            sentence: &objective.sentence,
            controls: served.get(&objective.id).cloned().unwrap_or_default(),
            checks: objective
                .checks
                .iter()
                .filter_map(|id| checks.get(id))
                .map(|check| CheckView::new(check))
                .collect(),
        });
        Self {
            report,
            partial: report.status == RunStatus::Partial,
            start: moment(report.window.start),
            end: moment(report.window.end),
            accounts: accounts(report),
            assurance: report.assurance.lines(),
            head: report.head.as_ref().map(ToString::to_string),
            shows: shows(report),
            cannot_show: cannot_show(),
            trust: trust(report),
            legend: STANDINGS
                .iter()
                .map(|s| Legend { standing: *s, word: words::standing(*s), means: words::standing_means(*s) })
                .collect(),
            catalogs: report.catalogs.iter().map(|catalog| catalog_view(catalog, link)).collect(),
            worst: failing.iter().take(WORST).map(|check| CheckView::new(check)).collect(),
            worst_left: failing.len().saturating_sub(WORST),
            objectives: objectives.filter(|objective| !objective.checks.is_empty()).collect(),
            unread: report.unread.iter().map(unread).collect(),
            gaps: report.unread.iter().map(|group| group.count).sum(),
            coverage: report.coverage.iter().map(coverage).collect(),
            excluded: report.manifest.excluded.iter().map(|e| [excluded(e), e.reason.clone()]).collect(),
            verify: verify(report),
            mismatch: mismatch(report),
        }
    }
}

fn catalog_view<'a>(
    catalog: &'a CatalogReport,
    link: impl Fn(&'a evidenced_model::ObjectiveCount) -> LinkView<'a>,
) -> CatalogView<'a> {
    let total = catalog.controls.len().max(1) as f64;
    let mut from = 0.0;
    let mut segments = Vec::new();
    for standing in STANDINGS {
        if let Some(count) = catalog.standings.get(&standing) {
            let width = (*count as f64) * 100.0 / total;
            segments.push(Segment { standing, word: words::standing(standing), count: *count, from, width });
            from += width;
        }
    }
    let bar: Vec<_> = segments.iter().map(|segment| format!("{} {}", segment.count, segment.word)).collect();
    let controls = catalog.controls.iter().map(|control| ControlView {
        control,
        word: words::standing(control.sealed.standing),
        means: words::standing_means(control.sealed.standing),
        pass: number(control.sealed.counts.pass),
        of: number(applicable(&control.sealed.counts)),
        tally: words::tally(&control.sealed.counts),
        objectives: control.sealed.objectives.iter().map(&link).collect(),
        clouds: control.sealed.providers.iter().map(|(cloud, s)| [cloud.as_str(), words::standing(*s)]).collect(),
    });
    let manual = |control: &&ControlReport| control.sealed.standing == Standing::Manual;
    CatalogView {
        catalog,
        size: count(catalog.controls.len() as u64, "control", "controls"),
        segments,
        bar: bar.join(", "),
        controls: controls.collect(),
        people: catalog.controls.iter().filter(manual).collect(),
    }
}

fn accounts(report: &Report) -> Vec<[String; 3]> {
    let account = |account: &evidenced_model::ListedAccount| {
        let what = not_read(account.state).unwrap_or("read");
        let what = account.reason.as_ref().map_or_else(|| what.to_owned(), |reason| format!("{what}: {reason}"));
        [format!("{}:{}", account.provider, account.account), account.name.clone().unwrap_or_default(), what]
    };
    report.manifest.accounts.iter().map(account).collect()
}

fn unread(group: &UnreadGroup) -> UnreadView<'_> {
    UnreadView {
        group,
        cause: words::cause(group.cause),
        times: count(group.count, "time", "times"),
        places: count(group.places, "place", "places"),
    }
}

fn coverage(account: &AccountReport) -> CoverageView<'_> {
    let kinds = account.kinds.as_deref().unwrap_or_default();
    let mut columns: Vec<&Region> = Vec::new();
    for region in kinds.iter().flat_map(|row| row.cells.keys()) {
        if !columns.contains(&region) {
            columns.push(region);
        }
    }
    // Where things without a region stand comes first.
    columns.sort_by_key(|region| (region.as_str() != "global", *region));
    let rows = kinds.iter().map(|row| Row {
        kind: row.kind.as_str(),
        cells: columns.iter().map(|region| row.cells.get(*region).map(cell)).collect(),
    });
    let rows = rows.collect();
    let states = account.states.iter().map(|(state, many)| format!("{} {}", number(*many), words::cell(*state)));
    CoverageView {
        account,
        facts: format!(
            "{} · {} · {}",
            count(account.resources, "resource", "resources"),
            count(account.regions.len() as u64, "region", "regions"),
            count(account.gaps, "gap", "gaps")
        ),
        states: states.collect::<Vec<_>>().join(" · "),
        columns,
        rows,
    }
}

fn cell(cell: &crate::CellReport) -> CellView<'_> {
    use evidenced_model::CellState::{Complete, Partial};
    let mut more = Vec::new();
    if cell.gaps > 0 {
        more.push(count(cell.gaps, "gap", "gaps"));
    }
    if cell.vanished > 0 {
        more.push(format!("{} vanished", number(cell.vanished)));
    }
    if let Some(total) = cell.total.filter(|total| *total != cell.resources) {
        more.push(format!("the provider counts {}", number(total)));
    }
    let whole = cell.state == Complete && cell.gaps == 0;
    CellView {
        state: if cell.state == Complete && !whole { "gaps" } else { cell.state.as_str() },
        text: if matches!(cell.state, Complete | Partial) { number(cell.resources) } else { String::new() },
        word: if cell.state == Complete { "" } else { words::cell(cell.state) },
        more,
        reason: cell.reason.as_deref(),
    }
}

fn verify(report: &Report) -> String {
    let head = report.head.as_ref().map_or_else(String::new, |head| format!(" --expect-head {head}"));
    format!("evidenced verify {} --key PUBLIC.pem{head}", shell_word(&report.store))
}
