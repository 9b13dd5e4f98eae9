//! The few lines that a run ends with.

use std::collections::BTreeMap;

use evidenced_model::{Cause, RunStatus, Severity, Standing};

use super::page::{Page, Paint, Style};
use crate::document::Report;
use crate::visible::shell_word;
use crate::words::{self, STANDINGS, count, failing, moment, number};

/// So many failing checks, and missing permissions, are named.
const NAMED: usize = 5;

/// The few lines that `collect` ends with.
pub fn summary(report: &Report, style: &Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, report);
    standings(&mut page, report);
    worst(&mut page, report);
    unread(&mut page, report);
    next(&mut page, report);
    page.finish()
}

/// What run this is, where it is, and what it counted.
pub(super) fn head(page: &mut Page, report: &Report) {
    let (status, paint) = match report.status {
        RunStatus::Complete => ("complete", Paint::Green),
        RunStatus::Partial => ("partial", Paint::Yellow),
    };
    let line = page.say().painted(Paint::Bold, &format!("Run {}", report.run)).plain(" of agent ");
    let line = line.plain(report.agent.as_str()).plain(": ").painted(paint, status);
    page.line(0, &line);
    let totals = &report.totals;
    let accounts = report.coverage.len() as u64;
    let facts = [
        ("When", format!("{} to {}", moment(report.window.start), moment(report.window.end))),
        (
            "Read",
            format!(
                "{} · {} · {} · {}",
                count(accounts, "account", "accounts"),
                count(totals.scopes, "place", "places"),
                count(totals.resources, "resource", "resources"),
                count(totals.calls, "call", "calls")
            ),
        ),
        ("Store", report.store.clone()),
        (
            "Head",
            match &report.head {
                Some(head) => format!("{head} (kept elsewhere, it shows whether the log was cut)"),
                None => "none yet: the run waits in the spool".to_owned(),
            },
        ),
    ];
    for (name, fact) in facts {
        let line = page.say().painted(Paint::Dim, name).column(10).plain(&fact);
        page.put(2, 12, &line);
    }
    let counts = &totals.findings;
    let line = page.say().painted(Paint::Dim, "Findings").column(10);
    let line = line.painted(if counts.pass > 0 { Paint::Green } else { Paint::Dim }, &number(counts.pass));
    let line =
        line.plain(" pass · ").painted(if counts.fail > 0 { Paint::Red } else { Paint::Dim }, &number(counts.fail));
    let line = line
        .plain(" fail · ")
        .painted(if counts.unknown > 0 { Paint::Yellow } else { Paint::Dim }, &number(counts.unknown));
    let line = line.plain(" unknown · ").plain(&number(counts.not_applicable)).plain(" not applicable");
    page.put(2, 12, &line);
}

/// How many controls of each catalogue stand how.
pub(super) fn standings(page: &mut Page, report: &Report) {
    if report.catalogs.is_empty() {
        return;
    }
    page.heading("Controls");
    for catalog in &report.catalogs {
        let line = page.say().plain(&catalog.title).plain(", ");
        page.line(2, &line.plain(&count(catalog.controls.len() as u64, "control", "controls")));
        let mut line = page.say();
        let mut between = "";
        for standing in STANDINGS {
            if let Some(many) = catalog.standings.get(&standing) {
                line = line.plain(between);
                line = line.painted(paint(standing), &format!("{} {}", number(*many), words::standing(standing)));
                between = " · ";
            }
        }
        page.line(4, &line);
        if let Some(why) = &catalog.provisional {
            let line = page.say().painted(Paint::Yellow, "provisional: ").plain(why);
            page.line(4, &line);
        }
    }
}

/// The colour of a standing.
pub(super) fn paint(standing: Standing) -> Paint {
    match standing {
        Standing::Contradicted => Paint::Red,
        Standing::Incomplete => Paint::Yellow,
        Standing::Supported | Standing::SupportedWithExceptions => Paint::Green,
        Standing::NoSubject | Standing::Manual | Standing::Excluded => Paint::Dim,
    }
}

/// The colour of a severity.
pub(super) fn severity_paint(severity: Severity) -> Paint {
    match severity {
        Severity::Critical | Severity::High => Paint::Red,
        Severity::Medium => Paint::Yellow,
        Severity::Low | Severity::Info => Paint::Dim,
    }
}

fn worst(page: &mut Page, report: &Report) {
    let failing = failing(&report.checks);
    if failing.is_empty() {
        return;
    }
    page.heading("Worst fails");
    for check in failing.iter().take(NAMED) {
        let line = page.say().painted(severity_paint(check.severity), check.severity.as_str()).column(10);
        let line = line.plain(&check.title);
        page.put(2, 12, &line);
        let applicable = check.counts.total() - check.counts.not_applicable;
        let line = page.say().plain(&format!("{} of {} fail", number(check.fails.count), number(applicable)));
        let mut line = line.painted(Paint::Dim, &format!(" · {}", check.id));
        if let Some(example) = check.fails.shown.first() {
            let at = format!(" · e.g. {} in {}", example.resource, super::report::place(&example.scope));
            line = line.painted(Paint::Dim, &at);
        }
        page.line(12, &line);
    }
    if failing.len() > NAMED {
        let more = count((failing.len() - NAMED) as u64, "more check fails", "more checks fail");
        let line = page.say().painted(Paint::Dim, &format!("and {more}"));
        page.line(2, &line);
    }
}

fn unread(page: &mut Page, report: &Report) {
    if report.unread.is_empty() {
        return;
    }
    page.heading("Not read");
    let gaps = report.unread.iter().map(|group| group.count).sum();
    let unknown = report.totals.findings.unknown;
    let line = page.say().painted(Paint::Yellow, &count(gaps, "gap", "gaps"));
    let line = if unknown > 0 {
        line.plain(&format!("; {} unknown", count(unknown, "finding is", "findings are")))
    } else {
        line
    };
    page.line(2, &line);
    if !report.permissions.is_empty() {
        let line = page.say().plain("These permissions are missing; grant them to the identity that reads:");
        page.line(2, &line);
    }
    for missing in report.permissions.iter().take(NAMED * 2) {
        let gaps = count(missing.gaps, "gap", "gaps");
        let accounts = count(missing.accounts, "account", "accounts");
        let line = page.say().plain(&missing.permission).painted(Paint::Dim, &format!("  {gaps} in {accounts}"));
        page.put(4, 6, &line);
    }
    if report.permissions.len() > NAMED * 2 {
        let more = format!("and {} more", number((report.permissions.len() - NAMED * 2) as u64));
        let line = page.say().painted(Paint::Dim, &more);
        page.line(4, &line);
    }
    let mut causes: BTreeMap<Cause, u64> = BTreeMap::new();
    let named = |group: &&crate::UnreadGroup| !(group.cause == Cause::Denied && group.permission.is_some());
    for group in report.unread.iter().filter(named) {
        *causes.entry(group.cause).or_default() += group.count;
    }
    for (cause, gaps) in causes {
        let line = page.say().plain(&format!("{}: {}", words::cause(cause), count(gaps, "gap", "gaps")));
        page.line(2, &line);
    }
}

fn next(page: &mut Page, report: &Report) {
    page.heading("Next");
    page.command(2, &format!("evidenced report --run {} --format html > report.html", report.run));
    if report.totals.findings.fail > 0 {
        page.command(2, &format!("evidenced findings --run {} --verdict fail", report.run));
    }
    page.command(2, &format!("evidenced verify {}", shell_word(&report.store)));
}
