//! What was read and what was not, as templates show it: accounts, coverage, gaps.

use std::collections::BTreeMap;

use evidenced_model::{Account, Provider, Region};
use serde::Serialize;

use crate::document::{AccountReport, Report, UnreadGroup};
use crate::text::not_read;
use crate::words::{self, count, moment, number};

/// So many cells of the coverage are shown one by one.
const CELLS: usize = 6_000;

/// An account on the first page.
#[derive(Serialize)]
pub(in crate::html) struct AccountView<'a> {
    provider: &'a str,
    account: &'a str,
    name: &'a str,
    /// `read`, or why not.
    state: String,
    read: bool,
    fail: u64,
    unknown: u64,
    pass: u64,
    resources: u64,
    gaps: u64,
    /// When its evidence was collected.
    collected: Option<String>,
}

#[derive(Serialize)]
pub(in crate::html) struct UnreadView<'a> {
    group: &'a UnreadGroup,
    cause: &'static str,
    times: String,
    places: String,
}

#[derive(Serialize)]
pub(in crate::html) struct CoverageView<'a> {
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

/// Every account that was listed or read.
pub(in crate::html) fn accounts(report: &Report) -> Vec<AccountView<'_>> {
    let mut views: BTreeMap<(&Provider, &Account), AccountView<'_>> = BTreeMap::new();
    for listed in &report.manifest.accounts {
        let what = not_read(listed.state);
        let state = what.unwrap_or("read");
        let state = listed.reason.as_ref().map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"));
        let view = AccountView {
            provider: listed.provider.as_str(),
            account: listed.account.as_str(),
            name: listed.name.as_deref().unwrap_or_default(),
            state,
            read: what.is_none(),
            fail: 0,
            unknown: 0,
            pass: 0,
            resources: 0,
            gaps: 0,
            collected: None,
        };
        views.insert((&listed.provider, &listed.account), view);
    }
    for covered in &report.coverage {
        let view = views.entry((&covered.provider, &covered.account)).or_insert_with(|| AccountView {
            provider: covered.provider.as_str(),
            account: covered.account.as_str(),
            name: "",
            state: "read".to_owned(),
            read: true,
            fail: 0,
            unknown: 0,
            pass: 0,
            resources: 0,
            gaps: 0,
            collected: None,
        });
        let findings = &covered.findings;
        (view.fail, view.unknown, view.pass) = (findings.fail, findings.unknown, findings.pass);
        (view.resources, view.gaps) = (covered.resources, covered.gaps);
        view.collected = Some(moment(report.window.end));
    }
    views.into_values().collect()
}

/// Sources whose data lags: which, what was asked of them, and from when it is.
pub(in crate::html) fn lagging(report: &Report) -> Vec<[String; 3]> {
    let row = |source| [words::lagging_source(source), source.operations.join(", "), words::lagging(source)];
    report.lagging.iter().map(row).collect()
}

pub(in crate::html) fn unread(group: &UnreadGroup) -> UnreadView<'_> {
    UnreadView {
        group,
        cause: words::cause(group.cause),
        times: count(group.count, "time", "times"),
        places: count(group.places, "place", "places"),
    }
}

/// The coverage of every account, cell by cell while there is room. Accounts with gaps have it first.
pub(in crate::html) fn coverage(report: &Report) -> Vec<CoverageView<'_>> {
    let cells = |account: &AccountReport| -> usize { account.kinds.iter().flatten().map(|row| row.cells.len()).sum() };
    let mut order: Vec<usize> = (0..report.coverage.len()).collect();
    order.sort_by_key(|index| report.coverage[*index].gaps == 0);
    let mut room = CELLS;
    let mut whole = vec![false; report.coverage.len()];
    for index in order {
        let needed = cells(&report.coverage[index]);
        if needed <= room {
            room -= needed;
            whole[index] = true;
        }
    }
    report.coverage.iter().zip(whole).map(|(account, whole)| view(account, whole)).collect()
}

fn view(account: &AccountReport, whole: bool) -> CoverageView<'_> {
    let kinds = account.kinds.as_deref().filter(|_| whole).unwrap_or_default();
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
