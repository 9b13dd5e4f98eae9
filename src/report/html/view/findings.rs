//! Checks and their findings, as the HTML template shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::period::place;
use crate::document::{CheckReport, EvidenceRef, Kept, Report, Shown, ShownFinding};
use crate::table::because;
use crate::words::{self, count, number};

/// So many findings are shown whole at most; the table has a row for each.
const WHOLE: usize = 1_000;
/// So many bytes they may take, about.
const ROOM: usize = 1_000_000;
/// So many of each verdict and check.
const MOST: usize = 10;

/// The most telling verdict that a check has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Group {
    Fail,
    Unknown,
    Waived,
    Pass,
    Undeclared,
    Nothing,
}

#[derive(Serialize)]
pub(in crate::html) struct CheckView<'a> {
    check: &'a CheckReport,
    state: &'static str,
    tally: String,
    fails: String,
    of: String,
    groups: Vec<GroupView<'a>>,
}

/// The findings of one verdict.
#[derive(Serialize)]
struct GroupView<'a> {
    verdict: &'static str,
    heading: String,
    left_out: Option<String>,
    open: bool,
    findings: Vec<FindingView<'a>>,
}

#[derive(Serialize)]
pub(in crate::html) struct FindingView<'a> {
    resource: &'a str,
    kind: &'a str,
    place: String,
    waiver: Option<&'a str>,
    values: Vec<ValueView<'a>>,
    because: Vec<String>,
    rests_on: Vec<[String; 3]>,
    evidence: Option<&'a EvidenceRef>,
}

#[derive(Serialize)]
pub(in crate::html) struct ValueView<'a> {
    name: &'a str,
    value: String,
    /// Something of ours to say about the value, beside it.
    note: Option<String>,
}

impl Group {
    pub(in crate::html) fn of(check: &CheckReport) -> Self {
        if check.fails.count > 0 {
            Self::Fail
        } else if check.unknowns.count > 0 {
            Self::Unknown
        } else if check.waived.count > 0 {
            Self::Waived
        } else if check.passes.count > 0 {
            Self::Pass
        } else if !check.undeclared.is_empty() {
            Self::Undeclared
        } else {
            Self::Nothing
        }
    }

    pub(in crate::html) fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Waived => "waived",
            Self::Pass => "pass",
            Self::Undeclared => "undeclared",
            Self::Nothing => "nothing",
        }
    }
}

impl<'a> CheckView<'a> {
    pub(in crate::html) fn new(check: &'a CheckReport, each: usize) -> Self {
        let groups = [
            ("fail", &check.fails, "fail", "fail"),
            ("unknown", &check.unknowns, "unknown", "unknown"),
            ("waived", &check.waived, "waived fail", "waived fails"),
            ("pass", &check.passes, "pass", "pass"),
        ];
        let groups = groups.into_iter().filter(|(_, kept, ..)| kept.count > 0);
        Self {
            check,
            state: Group::of(check).as_str(),
            tally: words::check_tally(check),
            fails: number(check.fails.count),
            of: number(check.counts.total() - check.counts.not_applicable),
            groups: groups
                .map(|(verdict, kept, one, many)| group(verdict, kept, &count(kept.count, one, many), each))
                .collect(),
        }
    }
}

fn group<'a>(verdict: &'static str, kept: &'a Kept, heading: &str, each: usize) -> GroupView<'a> {
    let shown = &kept.shown[..kept.shown.len().min(each)];
    let left_out = kept.count - shown.len() as u64;
    let heading = if verdict == "pass" && left_out > 0 && !shown.is_empty() {
        format!("{heading}; {}", count(shown.len() as u64, "example", "examples"))
    } else {
        heading.to_owned()
    };
    GroupView {
        verdict,
        heading,
        left_out: (left_out > 0).then(|| number(left_out)),
        // A short list of fails is shown at once.
        open: verdict == "fail" && shown.len() <= 3,
        findings: shown.iter().map(finding).collect(),
    }
}

pub(in crate::html) fn finding(finding: &ShownFinding) -> FindingView<'_> {
    FindingView {
        resource: &finding.resource,
        kind: finding.kind.as_str(),
        place: place(&finding.scope),
        waiver: finding.waiver.as_ref().map(|waiver| waiver.id.as_str()),
        values: values(&finding.observed),
        because: finding.because.iter().map(because).collect(),
        rests_on: finding.rests_on.iter().map(|r| [r.id.clone(), r.kind.to_string(), place(&r.scope)]).collect(),
        evidence: finding.evidence.as_ref(),
    }
}

/// The values that decided, as a list of names and texts.
pub(in crate::html) fn values(observed: &BTreeMap<String, Shown>) -> Vec<ValueView<'_>> {
    observed.iter().map(|(name, value)| shown(name, value)).collect()
}

fn shown<'a>(name: &'a str, value: &Shown) -> ValueView<'a> {
    match value {
        Shown::Whole(value) if value.is_null() => {
            ValueView { name, value: String::new(), note: Some("absent".to_owned()) }
        }
        Shown::Whole(value) => ValueView { name, value: value.to_string(), note: None },
        Shown::Cut { cut, bytes: 0 } => ValueView { name, value: String::new(), note: Some(cut.clone()) },
        Shown::Cut { cut, bytes } => {
            let note = format!("cut: {} bytes in all, see the stored line", number(*bytes));
            ValueView { name, value: format!("{cut}…"), note: Some(note) }
        }
    }
}

/// How many findings of each verdict a check shows whole, so that the page stays small however many checks there are, and
/// whatever their findings hold.
pub(in crate::html) fn each(report: &Report) -> usize {
    let kept = |check: &'_ CheckReport| {
        [&check.fails, &check.unknowns, &check.waived, &check.passes].map(|kept| kept.shown.len())
    };
    let fits = |each: usize| {
        let all: usize = report.checks.iter().flat_map(kept).map(|many| many.min(each)).sum();
        let groups =
            report.checks.iter().flat_map(|check| [&check.fails, &check.unknowns, &check.waived, &check.passes]);
        let bytes: usize = groups.flat_map(|kept| kept.shown.iter().take(each)).map(weight).sum();
        all <= WHOLE && bytes <= ROOM
    };
    (1..=MOST).rev().find(|each| fits(*each)).unwrap_or(1)
}

/// About so many bytes a finding takes in the page.
fn weight(finding: &ShownFinding) -> usize {
    let value = |value: &Shown| match value {
        Shown::Whole(value) => value.to_string().len(),
        Shown::Cut { cut, .. } => cut.len(),
    };
    let values: usize = finding.observed.iter().map(|(name, shown)| 60 + name.len() + value(shown)).sum();
    let because: usize = finding.because.iter().map(|because| 60 + because.field.len()).sum();
    700 + 2 * finding.resource.len() + values + because + 200 * finding.rests_on.len()
}
