//! The table of all findings as data in the page: columns, coded by words, packed.

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::view::{Known, known};
use crate::ReportError;
use crate::document::Report;
use crate::period::Period;
use crate::table::{NOTHING, ORDER, Row, Words};
use crate::words::day;

/// The packed table is no larger than this, so that the file stays below 5 MiB. What does not fit is left out from the
/// end: not applicable first, then passes.
const ROOM: usize = 2_750_000;

/// The table as it stands in the page.
#[derive(Debug, Serialize)]
pub(super) struct Island {
    /// JSON, packed by gzip, in base64.
    data: String,
    /// How many findings have no row.
    left_out: u64,
}

/// A column in which neighbours are mostly equal: values, each with how often it stands in a row.
type Runs<T> = Vec<(T, u32)>;

/// What the script reads. Numbers of words begin at 1; 0 is none.
#[derive(Serialize)]
struct Columns<'a> {
    checks: Vec<[&'a str; 2]>,
    places: Vec<Vec<&'a str>>,
    kinds: Vec<&'a str>,
    objects: Vec<&'a str>,
    waivers: Vec<&'a str>,
    values: Vec<&'a str>,
    reasons: Vec<&'a str>,
    owners: Vec<&'a str>,
    verdict: Runs<&'static str>,
    severity: Runs<&'static str>,
    check: Runs<u32>,
    place: Runs<u32>,
    kind: Runs<u32>,
    waiver: Runs<u32>,
    value: Runs<u32>,
    reason: Runs<u32>,
    object: Vec<u32>,
    since: Runs<String>,
    owner: Runs<u32>,
    resource: Vec<&'a str>,
}

/// Packs the table; `None` if there is nothing in it.
pub(super) fn island(report: &Report, period: Option<&Period>) -> Result<Option<Island>, ReportError> {
    let table = &report.table;
    if table.is_empty() {
        return Ok(None);
    }
    let fails = period.map(known).unwrap_or_default();
    let groups = (0..ORDER.len()).flat_map(|group| table.sorted(group).into_iter().map(move |row| (ORDER[group], row)));
    let rows: Vec<(&'static str, &Row)> = groups.collect();
    let (mut kept, mut with_values) = (rows.len(), true);
    loop {
        let packed = pack(&columns(report, &rows[..kept], &fails, with_values))?;
        if packed.len() <= ROOM || kept == 0 {
            let cut = (rows.len() - kept) as u64;
            let left_out = cut + table.groups.iter().map(|group| group.left_out).sum::<u64>();
            return Ok(Some(Island { data: STANDARD.encode(packed), left_out }));
        }
        if with_values {
            // The stored lines hold the values; that there is a finding stands nowhere else in the page.
            with_values = false;
        } else {
            // A little less than in proportion, so that one or two rounds are enough.
            kept = kept * (ROOM / 100 * 95) / packed.len();
        }
    }
}

fn columns<'a>(
    report: &'a Report,
    rows: &[(&'static str, &'a Row)],
    fails: &BTreeMap<Known<'a>, &'a crate::period::FailPeriod>,
    with_values: bool,
) -> Columns<'a> {
    let table = &report.table;
    let titles: BTreeMap<&str, &str> =
        report.checks.iter().map(|check| (check.id.as_str(), check.title.as_str())).collect();
    let list = |words: &'a Words, number: fn(&Row) -> u32| used(words, rows.iter().map(|(_, row)| number(row)));
    let mut owners: Vec<&str> = fails.values().filter_map(|fail| fail.owner.as_deref()).collect();
    owners.sort_unstable();
    owners.dedup();
    let fail = |row: &'a Row| {
        let mut place = table.places.word(row.place).split('\t').skip(1);
        let (account, region) = (place.next().unwrap_or_default(), place.next().unwrap_or_default());
        let check = table.checks.word(row.check);
        fails.get(&Known { check, resource: &row.resource, account, region })
    };
    let since = |row: &'a Row| {
        let say = |fail: &&crate::period::FailPeriod| {
            format!("{}{}", if fail.from_before { "before " } else { "" }, day(fail.since))
        };
        fail(row).map(say).unwrap_or_default()
    };
    let owner = |row: &'a Row| {
        let owner = fail(row).and_then(|fail| fail.owner.as_deref());
        owner.and_then(|owner| owners.binary_search(&owner).ok()).map_or(0, |at| u32::try_from(at + 1).unwrap_or(0))
    };
    let of = |number: fn(&Row) -> u32| runs(rows.iter().map(|(_, row)| number(row)));
    // Nothing but a fail is looked for among the fails.
    let open = |(verdict, row): &(&'static str, &'a Row)| (*verdict == "fail" || *verdict == "waived").then_some(*row);
    Columns {
        checks: table.checks.list().iter().map(|id| [&**id, titles.get(&**id).copied().unwrap_or(id)]).collect(),
        places: table.places.list().iter().map(|place| place.split('\t').collect()).collect(),
        kinds: list(&table.kinds, |row| row.kind),
        objects: list(&table.objects, |row| row.object),
        waivers: list(&table.waivers, |row| row.waiver),
        values: if with_values { list(&table.values, |row| row.values) } else { Vec::new() },
        reasons: list(&table.reasons, |row| row.reasons),
        verdict: runs(rows.iter().map(|(verdict, _)| *verdict)),
        severity: runs(rows.iter().map(|(_, row)| row.severity.as_str())),
        check: of(|row| row.check),
        place: of(|row| row.place),
        kind: of(|row| row.kind),
        waiver: of(|row| row.waiver),
        value: if with_values { of(|row| row.values) } else { vec![(NOTHING, u32::try_from(rows.len()).unwrap_or(0))] },
        reason: of(|row| row.reasons),
        object: rows.iter().map(|(_, row)| row.object).collect(),
        since: runs(rows.iter().map(|each| open(each).map(since).unwrap_or_default())),
        owner: runs(rows.iter().map(|each| open(each).map_or(0, owner))),
        resource: rows.iter().map(|(_, row)| &*row.resource).collect(),
        owners: owners.clone(),
    }
}

/// The words that rows use, each in the place of its number.
fn used(words: &Words, numbers: impl Iterator<Item = u32>) -> Vec<&str> {
    let mut list = vec![""; words.list().len()];
    for number in numbers {
        if let Some(place) = (number as usize).checked_sub(1).and_then(|at| list.get_mut(at)) {
            *place = words.word(number);
        }
    }
    list
}

fn runs<T: PartialEq>(values: impl Iterator<Item = T>) -> Runs<T> {
    let mut runs: Runs<T> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((last, many)) if *last == value => *many += 1,
            _ => runs.push((value, 1)),
        }
    }
    runs
}

fn pack(columns: &Columns<'_>) -> Result<Vec<u8>, ReportError> {
    let json = serde_json::to_vec(columns)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(&json)?;
    Ok(gzip.finish()?)
}
