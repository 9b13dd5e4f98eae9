//! The report for a terminal: what needs attention first, then the way down.

use evidenced_model::{Scope, Standing};

use super::page::{Page, Paint, Style};
use super::summary::{head, paint, severity_paint, standings};
use crate::document::{CatalogReport, CheckReport, ControlReport, Kept, Report, Shown, ShownFinding};
use crate::trust::{cannot_show, mismatch, shows, trust};
use crate::words::{self, count, failing, number};

/// So many findings of a check are listed; the other forms hold more.
const LISTED: usize = 10;
/// So many places of a gap are listed.
const PLACES: usize = 3;
/// So many operations of a source are named.
const OPERATIONS: usize = 6;

/// The report for a terminal.
pub fn text(report: &Report, style: &Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, report);
    cautions(&mut page, report);
    assurance(&mut page, report);
    limits(&mut page, report);
    standings(&mut page, report);
    for catalog in &report.catalogs {
        controls(&mut page, catalog);
    }
    checks(&mut page, report);
    unread(&mut page, report);
    coverage(&mut page, report);
    exclusions(&mut page, report);
    people(&mut page, report);
    trusted(&mut page, report);
    page.finish()
}

/// A place in few words.
pub(super) fn place(scope: &Scope) -> String {
    format!("{}:{} {}", scope.provider, scope.account, scope.region)
}

fn cautions(page: &mut Page, report: &Report) {
    if report.cautions.is_empty() {
        return;
    }
    page.heading("To be seen to");
    for caution in &report.cautions {
        let line = page.say().painted(Paint::Yellow, "- ").plain(caution);
        page.put(2, 4, &line);
    }
}

fn assurance(page: &mut Page, report: &Report) {
    page.heading("Assurance");
    for (about, how) in report.assurance.lines() {
        let line = page.say().painted(Paint::Dim, about).column(12).plain(how);
        page.put(2, 14, &line);
    }
}

fn limits(page: &mut Page, report: &Report) {
    page.heading("What this shows");
    for text in shows(report) {
        let line = page.say().plain("- ").plain(&text);
        page.put(2, 4, &line);
    }
    page.heading("What it cannot show");
    for text in cannot_show() {
        let line = page.say().plain("- ").plain(text);
        page.put(2, 4, &line);
    }
}

fn controls(page: &mut Page, catalog: &CatalogReport) {
    page.heading(&catalog.title);
    for control in catalog.controls.iter().filter(|control| control.sealed.standing != Standing::Manual) {
        one_control(page, control);
    }
    let manual = catalog.standings.get(&Standing::Manual).copied().unwrap_or_default();
    if manual > 0 {
        let text = format!("{} listed below, under what people bring", count(manual, "control is", "controls are"));
        let line = page.say().painted(Paint::Dim, &text);
        page.line(2, &line);
    }
}

fn one_control(page: &mut Page, control: &ControlReport) {
    let sealed = &control.sealed;
    let line = page.say().painted(Paint::Bold, sealed.control.as_str()).column(10).plain(&sealed.label).plain("  ");
    let line = line.painted(paint(sealed.standing), words::standing(sealed.standing));
    page.put(2, 12, &line);
    if let Some(why) = &control.excluded_because {
        let line = page.say().plain("excluded: ").plain(why);
        page.line(12, &line);
    }
    if sealed.standing == Standing::Excluded {
        return;
    }
    let line = page.say().plain(&words::tally(&sealed.counts));
    page.line(12, &line);
    for objective in &sealed.objectives {
        let counts = words::tally(&objective.counts);
        let strength = words::strength(objective.strength);
        let line = page.say().painted(Paint::Dim, &format!("{} ({strength}): {counts}", objective.objective));
        page.put(12, 14, &line);
        for check in &objective.undeclared {
            let line = page.say().painted(Paint::Yellow, "needs a declaration: ").plain(check);
            page.line(14, &line);
        }
    }
    if !sealed.left_to_people.is_empty() {
        let line = page.say().painted(Paint::Dim, "left to people: ").painted(Paint::Dim, &sealed.left_to_people);
        page.put(12, 14, &line);
    }
}

fn checks(page: &mut Page, report: &Report) {
    let failing = failing(&report.checks);
    if !failing.is_empty() {
        page.heading("Fails");
    }
    for check in &failing {
        about(page, check);
        findings(page, &check.fails, check);
        let line = page.say().painted(Paint::Dim, "Fix: ").plain(&check.fix);
        page.put(12, 14, &line);
    }
    let waived: Vec<_> = report.checks.iter().filter(|check| check.waived.count > 0).collect();
    if !waived.is_empty() {
        page.heading("Waived fails");
    }
    for check in waived {
        about(page, check);
        findings(page, &check.waived, check);
    }
    for waiver in &report.waivers {
        let text =
            format!("{}: approved by {}, until {}: {}", waiver.id, waiver.approved_by, waiver.until, waiver.reason);
        let line = page.say().plain("waiver ").plain(&text);
        page.put(2, 4, &line);
    }
    let unknown: Vec<_> = report.checks.iter().filter(|check| check.unknowns.count > 0).collect();
    if !unknown.is_empty() {
        page.heading("Unknown");
    }
    for check in unknown {
        about(page, check);
        findings(page, &check.unknowns, check);
    }
    let undeclared: Vec<_> = report.checks.iter().filter(|check| !check.undeclared.is_empty()).collect();
    if !undeclared.is_empty() {
        page.heading("Waiting for a declaration");
    }
    for check in undeclared {
        let line = page.say().plain(check.id.as_str()).plain(" needs ").plain(&check.undeclared.join(", "));
        page.put(2, 4, &line);
    }
}

fn about(page: &mut Page, check: &CheckReport) {
    let line = page.say().painted(severity_paint(check.severity), check.severity.as_str()).column(10);
    page.put(2, 12, &line.painted(Paint::Bold, &check.title));
    let line = page.say().painted(Paint::Dim, &format!("{} · {}", check.id, words::check_tally(check)));
    page.put(12, 14, &line);
}

fn findings(page: &mut Page, kept: &Kept, check: &CheckReport) {
    for finding in kept.shown.iter().take(LISTED) {
        one_finding(page, finding);
    }
    let more = kept.count - kept.shown.len().min(LISTED) as u64;
    if more > 0 {
        let line = page.say().painted(Paint::Dim, &format!("and {} more; see them all with", number(more)));
        page.line(12, &line);
        page.command(14, &check.see);
    }
}

fn one_finding(page: &mut Page, finding: &ShownFinding) {
    let line = page.say().plain("- ").plain(&finding.resource);
    let mut line = line.painted(Paint::Dim, &format!("  {}", place(&finding.scope)));
    if let Some(waiver) = &finding.waiver {
        line = line.plain("  waived by ").plain(&waiver.id);
    }
    page.put(12, 14, &line);
    for (name, value) in &finding.observed {
        let value = match value {
            Shown::Whole(value) if value.is_null() => "absent".to_owned(),
            Shown::Whole(value) => value.to_string(),
            Shown::Cut { cut, bytes: 0 } => cut.clone(),
            Shown::Cut { cut, bytes } => format!("{cut}… ({} bytes in all)", number(*bytes)),
        };
        let line = page.say().painted(Paint::Dim, name).painted(Paint::Dim, " = ").plain(&value);
        page.put(14, 16, &line);
    }
    for because in &finding.because {
        let line = page.say().plain(&format!("{}: {}", because.field, words::cause(because.cause)));
        let line = match (&because.permission, &because.call) {
            (Some(permission), _) => line.plain(" (needs ").plain(permission).plain(")"),
            (None, Some(call)) => line.plain(" (").plain(call).plain(")"),
            (None, None) => line,
        };
        page.put(14, 16, &line);
    }
    if let Some(evidence) = &finding.evidence {
        page.command(14, &evidence.object);
    }
}

fn unread(page: &mut Page, report: &Report) {
    page.heading("What could not be read");
    if report.unread.is_empty() {
        let line = page.say().plain("Nothing: everything that was planned was read.");
        page.line(2, &line);
    }
    for group in &report.unread {
        let what = group.call.as_deref().unwrap_or("no call was answered");
        let line = page.say().painted(Paint::Yellow, words::cause(group.cause)).plain(": ").plain(what);
        let line = match &group.code {
            Some(code) => line.plain(" (").plain(code).plain(")"),
            None => line,
        };
        let times = count(group.count, "time", "times");
        let places = count(group.places, "place", "places");
        page.put(2, 4, &line.painted(Paint::Dim, &format!(" · {times} in {places}")));
        if let Some(permission) = &group.permission {
            let line = page.say().plain("needs ").plain(permission);
            page.line(4, &line);
        }
        if !group.fields.is_empty() {
            let line = page.say().painted(Paint::Dim, "unread: ").plain(&group.fields.join(", "));
            page.put(4, 6, &line);
        }
        for place in group.shown.iter().take(PLACES) {
            let account = format!("{}:{}", place.provider, place.account);
            let text = match (&place.region, &place.kind) {
                (Some(region), Some(kind)) => format!("{account} {region} {kind}"),
                _ => format!("{account}, as a whole"),
            };
            let mut line = page.say().plain("- ").plain(&text);
            if !place.resources.is_empty() {
                line = line.painted(Paint::Dim, ", e.g. ").painted(Paint::Dim, &place.resources.join(", "));
            }
            page.put(4, 6, &line);
        }
        let more = group.places - group.shown.len().min(PLACES) as u64;
        if more > 0 {
            let line = page.say().painted(Paint::Dim, &format!("and {} more", count(more, "place", "places")));
            page.line(4, &line);
        }
    }
}

fn coverage(page: &mut Page, report: &Report) {
    page.heading("Coverage");
    for account in &report.coverage {
        let name = format!("{}:{}", account.provider, account.account);
        let line = page.say().plain(&name).plain(": ");
        let line = line.plain(&count(account.resources, "resource", "resources")).plain(", ");
        let line = line.plain(&count(account.regions.len() as u64, "region", "regions")).plain(", ");
        page.put(2, 4, &line.plain(&count(account.gaps, "gap", "gaps")));
        let states = account.states.iter().map(|(state, many)| format!("{} {}", number(*many), words::cell(*state)));
        let line = page.say().painted(Paint::Dim, "cells: ").plain(&states.collect::<Vec<_>>().join(" · "));
        page.put(4, 6, &line);
    }
    for source in &report.lagging {
        let line = page.say().plain(&words::lagging_source(source)).plain(": ").plain(&words::lagging(source));
        page.put(2, 4, &line);
        let named = match &source.operations[..] {
            few if few.len() <= OPERATIONS => few.join(", "),
            many => format!("{} and {} more", many[..OPERATIONS].join(", "), many.len() - OPERATIONS),
        };
        page.put(4, 6, &page.say().painted(Paint::Dim, &named));
    }
    for account in &report.manifest.accounts {
        if let Some(what) = super::not_read(account.state) {
            let line = page.say().plain(&format!("{}:{}: {what}", account.provider, account.account));
            let line = match &account.reason {
                Some(reason) => line.plain(": ").plain(reason),
                None => line,
            };
            page.put(2, 4, &line);
        }
    }
}

fn exclusions(page: &mut Page, report: &Report) {
    if report.manifest.excluded.is_empty() {
        return;
    }
    page.heading("Excluded by the operator");
    for exclusion in &report.manifest.excluded {
        let line = page.say().plain(&super::excluded(exclusion)).plain(": ").plain(&exclusion.reason);
        page.put(2, 4, &line);
    }
}

fn people(page: &mut Page, report: &Report) {
    let manual = |control: &&ControlReport| control.sealed.standing == Standing::Manual;
    for catalog in &report.catalogs {
        if !catalog.controls.iter().any(|control| manual(&control)) {
            continue;
        }
        page.heading(&format!("What people bring: {}", catalog.title));
        for control in catalog.controls.iter().filter(manual) {
            let line = page.say().painted(Paint::Bold, control.sealed.control.as_str()).column(10);
            page.put(2, 12, &line.plain(&control.sealed.label));
            let bring = control.manual.as_deref().unwrap_or(&control.sealed.left_to_people);
            let line = page.say().painted(Paint::Dim, bring);
            page.line(12, &line);
        }
    }
}

fn trusted(page: &mut Page, report: &Report) {
    page.heading("How far this can be trusted");
    for trust in trust(report) {
        let line = page.say().painted(Paint::Bold, trust.about).plain(": ");
        let line = line.painted(if trust.weak { Paint::Yellow } else { Paint::Green }, &trust.answer);
        page.put(2, 4, &line);
        let line = page.say().plain(&trust.means);
        page.line(4, &line);
    }
    page.heading("Verify");
    if let Some(text) = mismatch(report) {
        let line = page.say().painted(Paint::Red, &text);
        page.line(2, &line);
    }
    page.command(2, &format!("evidenced verify {}", crate::visible::shell_word(&report.store)));
    let text = format!("The signed statement is {} (SHA-256 {}).", report.statement.path, report.statement.digest);
    let line = page.say().plain(&text);
    page.line(2, &line);
}
