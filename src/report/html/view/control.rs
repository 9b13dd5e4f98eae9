//! Catalogues and controls, as templates show them: of a run, over a period, or both.

use std::collections::BTreeMap;

use evidenced_model::{CatalogId, CheckId, ControlId, ObjectiveId, Provider, Standing, Strength};
use serde::Serialize;

use super::findings::Group;
use super::period::SpanView;
use crate::Automatable;
use crate::document::{CatalogReport, ControlReport, Report};
use crate::html::draw::Axis;
use crate::period::{AttachmentPeriod, ClausePeriod, ControlPeriod, Period, Saw};
use crate::words::{self, STANDINGS, applicable, count, number};

/// What stands where nobody looked.
const NOT_LOOKED: (&str, &str, &str) = ("none", "not looked at", "no run of the period looked at it");

#[derive(Serialize)]
pub(in crate::html) struct CatalogView<'a> {
    id: &'a str,
    title: &'a str,
    provisional: Option<&'a str>,
    size: String,
    /// All clouds together first; then each, if there are several.
    bars: Vec<StandingBar>,
    pub(in crate::html) controls: Vec<ControlView<'a>>,
    /// How many have nothing automatic.
    people: usize,
    /// The clauses of the standard, where a period tells of them.
    clauses: &'a [ClausePeriod],
}

/// How the controls of a catalogue stand.
#[derive(Serialize)]
struct StandingBar {
    cloud: Option<String>,
    segments: Vec<Segment>,
    label: String,
}

/// A part of the bar that shows how a catalogue's controls stand.
#[derive(Serialize)]
struct Segment {
    standing: &'static str,
    word: &'static str,
    count: u64,
    /// In percent of the bar.
    x: f64,
    /// In percent of the bar.
    width: f64,
}

#[derive(Serialize)]
pub(in crate::html) struct ControlView<'a> {
    pub(in crate::html) catalog: &'a str,
    pub(in crate::html) id: &'a str,
    catalog_title: &'a str,
    label: &'a str,
    standing: &'static str,
    word: &'static str,
    means: &'static str,
    pass: String,
    of: String,
    tally: Option<String>,
    clouds: Vec<CloudView<'a>>,
    span: Option<SpanView>,
    objectives: Vec<LinkView<'a>>,
    left_to_people: &'a str,
    manual: Option<&'a str>,
    automatable: Option<Automatable>,
    excluded_because: Option<&'a str>,
    owner: Option<&'a str>,
    attachments: Vec<&'a AttachmentPeriod>,
}

#[derive(Serialize)]
struct CloudView<'a> {
    cloud: &'a str,
    standing: &'static str,
    word: &'static str,
    span: Option<SpanView>,
}

#[derive(Serialize)]
struct LinkView<'a> {
    id: &'a ObjectiveId,
    sentence: &'a str,
    strength: &'static str,
    strength_means: &'static str,
    tally: Option<String>,
    undeclared: &'a [String],
    checks: Vec<CheckLink<'a>>,
}

#[derive(Clone, Serialize)]
struct CheckLink<'a> {
    id: &'a str,
    title: &'a str,
    fails: u64,
    unknowns: u64,
    state: &'static str,
}

/// What a control is put together from.
struct Parts<'a> {
    report: Option<&'a Report>,
    period: Option<(&'a Period, Axis)>,
    checks: BTreeMap<&'a CheckId, CheckLink<'a>>,
    sentences: BTreeMap<&'a ObjectiveId, (&'a str, &'a [CheckId])>,
    spans: BTreeMap<(&'a CatalogId, &'a ControlId), &'a ControlPeriod>,
}

/// Every catalogue, in the order of the run or of the period.
pub(in crate::html) fn catalogs<'a>(report: Option<&'a Report>, period: Option<&'a Period>) -> Vec<CatalogView<'a>> {
    let parts = Parts::new(report, period);
    let mut views: Vec<CatalogView<'a>> = match (report, period) {
        (Some(report), _) => report.catalogs.iter().map(|catalog| parts.of_run(catalog)).collect(),
        (None, Some(period)) => {
            let view = |catalog: &'a crate::period::CatalogPeriod| {
                let control = |control: &'a ControlPeriod| parts.over_time(catalog, control);
                let controls = catalog.controls.iter().map(control).collect();
                catalog_view(catalog.id.as_str(), &catalog.title, catalog.provisional.as_deref(), controls)
            };
            period.catalogs.iter().map(view).collect()
        }
        (None, None) => Vec::new(),
    };
    for known in period.into_iter().flat_map(|period| &period.catalogs) {
        if let Some(view) = views.iter_mut().find(|view| view.id == known.id.as_str()) {
            view.clauses = &known.clauses;
        }
    }
    views
}

impl<'a> Parts<'a> {
    fn new(report: Option<&'a Report>, period: Option<&'a Period>) -> Self {
        let mut checks = BTreeMap::new();
        for check in period.into_iter().flat_map(|period| &period.checks) {
            let state = if check.open > 0 {
                "fail"
            } else if check.counts.unknown > 0 {
                "unknown"
            } else if check.counts.pass > 0 {
                "pass"
            } else {
                "nothing"
            };
            let (fails, unknowns) = (check.open, check.counts.unknown);
            checks.insert(&check.id, CheckLink { id: check.id.as_str(), title: &check.title, fails, unknowns, state });
        }
        for check in report.into_iter().flat_map(|report| &report.checks) {
            let (fails, unknowns) = (check.fails.count, check.unknowns.count);
            let state = Group::of(check).as_str();
            checks.insert(&check.id, CheckLink { id: check.id.as_str(), title: &check.title, fails, unknowns, state });
        }
        let objectives = report.into_iter().flat_map(|report| &report.objectives);
        let controls = period.into_iter().flat_map(|period| &period.catalogs);
        let controls = controls.flat_map(|catalog| catalog.controls.iter().map(move |control| (&catalog.id, control)));
        Self {
            report,
            period: period.map(|period| (period, Axis::new(period))),
            checks,
            sentences: objectives.map(|one| (&one.id, (one.sentence.as_str(), one.checks.as_slice()))).collect(),
            spans: controls.map(|(catalog, control)| ((catalog, &control.control), control)).collect(),
        }
    }

    fn of_run(&self, catalog: &'a CatalogReport) -> CatalogView<'a> {
        let controls = catalog.controls.iter().map(|control| self.control(catalog, control)).collect();
        catalog_view(catalog.id.as_str(), &catalog.title, catalog.provisional.as_deref(), controls)
    }

    /// A control of the run, with its history where that is known.
    fn control(&self, catalog: &'a CatalogReport, control: &'a ControlReport) -> ControlView<'a> {
        let sealed = &control.sealed;
        let history = self.spans.get(&(&sealed.catalog, &sealed.control)).copied();
        let span = |of: &dyn Fn(&'a ControlPeriod) -> Option<&'a crate::period::ControlSpan>| {
            let (_, axis) = self.period?;
            Some(SpanView::new(axis, of(history?)?))
        };
        let (standing, word, means) = said(Some(sealed.standing));
        let objective = |objective: &'a evidenced_model::ObjectiveCount| {
            let id = &objective.objective;
            let (sentence, checks) = self.sentences.get(id).copied().unwrap_or((id.as_str(), &[]));
            LinkView {
                tally: Some(words::tally(&objective.counts)),
                undeclared: &objective.undeclared,
                ..self.link(id, sentence, objective.strength, checks)
            }
        };
        let cloud = |(provider, standing): (&'a Provider, &Standing)| {
            let (standing, word, _) = said(Some(*standing));
            let span = span(&|history| history.clouds.get(provider));
            CloudView { cloud: provider.as_str(), standing, word, span }
        };
        ControlView {
            catalog: sealed.catalog.as_str(),
            id: sealed.control.as_str(),
            catalog_title: &catalog.title,
            label: &sealed.label,
            standing,
            word,
            means,
            pass: number(sealed.counts.pass),
            of: number(applicable(&sealed.counts)),
            tally: (!sealed.objectives.is_empty()).then(|| words::tally(&sealed.counts)),
            clouds: sealed.providers.iter().map(cloud).collect(),
            span: span(&|history| Some(&history.together)),
            objectives: sealed.objectives.iter().map(objective).collect(),
            left_to_people: &sealed.left_to_people,
            manual: control.manual.as_deref(),
            automatable: control.automatable,
            excluded_because: control.excluded_because.as_deref(),
            owner: history.and_then(|history| history.owner.as_deref()),
            attachments: self.attachments(history),
        }
    }

    /// A control over the period, without a run.
    fn over_time(&self, catalog: &'a crate::period::CatalogPeriod, control: &'a ControlPeriod) -> ControlView<'a> {
        let axis = self.period.map(|(_, axis)| axis);
        let last = |span: &crate::period::ControlSpan| {
            // Nobody looks at what has nothing automatic, or does not apply; that is no gap.
            let without_looks = match span.saw {
                Saw::Manual => Some(Standing::Manual),
                Saw::Excluded => Some(Standing::Excluded),
                _ => None,
            };
            said(span.spans.last().map(|span| span.standing).or(without_looks))
        };
        let (standing, word, means) = last(&control.together);
        let counts = control.together.counts;
        let cloud = |(provider, span): (&'a Provider, &'a crate::period::ControlSpan)| {
            let (standing, word, _) = last(span);
            CloudView { cloud: provider.as_str(), standing, word, span: axis.map(|axis| SpanView::new(axis, span)) }
        };
        let objectives = control.objectives.iter();
        ControlView {
            catalog: catalog.id.as_str(),
            id: control.control.as_str(),
            catalog_title: &catalog.title,
            label: &control.label,
            standing,
            word,
            means,
            pass: number(counts.map_or(0, |counts| counts.pass)),
            of: number(counts.map_or(0, |counts| applicable(&counts))),
            tally: counts.map(|counts| words::tally(&counts)),
            clouds: control.clouds.iter().map(cloud).collect(),
            span: axis.map(|axis| SpanView::new(axis, &control.together)),
            objectives: objectives
                .map(|one| self.link(&one.objective, &one.sentence, one.strength, &one.checks))
                .collect(),
            left_to_people: &control.left_to_people,
            manual: None,
            automatable: None,
            excluded_because: control.excluded_because.as_deref(),
            owner: control.owner.as_deref(),
            attachments: self.attachments(Some(control)),
        }
    }

    fn link(&self, id: &'a ObjectiveId, sentence: &'a str, strength: Strength, checks: &'a [CheckId]) -> LinkView<'a> {
        // A report of the run knows which checks there are; what only the period knows has no place to lead to.
        let known = checks.iter().filter_map(|id| self.checks.get(id));
        let listed = |check: &&CheckLink<'a>| {
            self.report.is_none_or(|report| report.checks.iter().any(|known| known.id.as_str() == check.id))
        };
        LinkView {
            id,
            sentence,
            strength: words::strength(strength),
            strength_means: words::strength_means(strength),
            tally: None,
            undeclared: &[],
            checks: known.filter(listed).cloned().collect(),
        }
    }

    fn attachments(&self, control: Option<&ControlPeriod>) -> Vec<&'a AttachmentPeriod> {
        let all = self.period.into_iter().flat_map(|(period, _)| &period.attachments);
        let wanted = |one: &&AttachmentPeriod| control.is_some_and(|control| control.attachments.contains(&one.id));
        all.filter(wanted).collect()
    }
}

fn said(standing: Option<Standing>) -> (&'static str, &'static str, &'static str) {
    standing.map_or(NOT_LOOKED, |one| (one.as_str(), words::standing(one), words::standing_means(one)))
}

fn catalog_view<'a>(
    id: &'a str,
    title: &'a str,
    provisional: Option<&'a str>,
    controls: Vec<ControlView<'a>>,
) -> CatalogView<'a> {
    let mut clouds: Vec<&str> = controls.iter().flat_map(|control| &control.clouds).map(|cloud| cloud.cloud).collect();
    clouds.sort_unstable();
    clouds.dedup();
    let mut bars = vec![bar(None, controls.iter().map(|control| control.standing))];
    if clouds.len() > 1 {
        for name in clouds {
            let of = |control: &ControlView<'_>| control.clouds.iter().find(|c| c.cloud == name).map(|c| c.standing);
            bars.push(bar(Some(name.to_owned()), controls.iter().filter_map(of)));
        }
    }
    CatalogView {
        id,
        title,
        provisional,
        size: count(controls.len() as u64, "control", "controls"),
        bars,
        people: controls.iter().filter(|control| control.standing == Standing::Manual.as_str()).count(),
        controls,
        clauses: &[],
    }
}

fn bar(cloud: Option<String>, standings: impl Iterator<Item = &'static str>) -> StandingBar {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for standing in standings {
        *counts.entry(standing).or_default() += 1;
    }
    let total = counts.values().sum::<u64>().max(1) as f64;
    let mut x = 0.0;
    let mut segments = Vec::new();
    for (standing, word, _) in STANDINGS.iter().map(|one| said(Some(*one))).chain([NOT_LOOKED]) {
        if let Some(count) = counts.get(standing) {
            let width = *count as f64 * 100.0 / total;
            segments.push(Segment { standing, word, count: *count, x, width });
            x += width;
        }
    }
    let label: Vec<_> = segments.iter().map(|segment| format!("{} {}", segment.count, segment.word)).collect();
    StandingBar { cloud, segments, label: label.join(", ") }
}
