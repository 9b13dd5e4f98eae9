//! The pages of the daemon: the sections of the file, one page each, with links and forms instead of a script.

use evidenced_model::{CatalogId, ControlId, Digest, Finding, RunId};
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::common;
use super::engine::{STYLE, only, render};
use super::links::Links;
use super::live::Live;
use super::view::findings::{FindingView, finding};
use super::view::place;
use crate::keep::shown;
use crate::period::Period;
use crate::words;
use crate::{Evidence, Limits, Report, ReportError};

const SCRIPT: &str = include_str!("live.js");
/// The longest resource id that a link carries. An address must not be longer than 8 KiB.
const LINKED: usize = 1024;
/// Bytes of a stored line that a page shows.
const LINE: usize = 64 << 10;

/// A page, and what a browser may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The page.
    pub html: String,
    /// Its content security policy.
    pub policy: String,
}

/// Which page.
#[derive(Debug, Clone, Copy)]
pub enum ServedPage<'a> {
    /// The first.
    Overview,
    /// Every control.
    Controls,
    /// One control.
    Control(&'a CatalogId, &'a ControlId),
    /// Every check.
    Checks,
    /// Findings, filtered, a part at a time.
    Findings(&'a FindingsPage),
    /// One finding and its evidence.
    Finding(&'a FindingPage),
    /// How things stood over time.
    Timeline,
    /// What was read and what was not.
    Coverage,
    /// Assurance, waivers, what people bring, and how to verify.
    Trust,
    /// What was wrong with what was asked for: in a word, and in a sentence.
    Problem(&'a str, &'a str),
}

/// A part of the findings.
#[derive(Debug, Clone)]
pub struct FindingsPage {
    /// The run that they are from.
    pub run: RunId,
    /// What was asked for.
    pub filter: Filter,
    /// The findings.
    pub findings: Vec<Finding>,
    /// Where the next part begins.
    pub next: Option<String>,
    /// Whether this is not the first part.
    pub later: bool,
}

/// What findings were asked for, as it was written. Empty is everything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Filter {
    /// A verdict.
    pub verdict: String,
    /// A severity.
    pub severity: String,
    /// A cloud.
    pub provider: String,
    /// An account.
    pub account: String,
    /// A check, or a glob.
    pub check: String,
    /// A part of the resource's id, or a glob.
    pub resource: String,
    /// A control that they serve.
    pub control: String,
    /// The catalogue of that control.
    pub catalog: String,
    /// A run, if it is not the newest.
    pub run: String,
}

/// A finding, and where it stands.
#[derive(Debug, Clone)]
pub struct FindingPage {
    /// The run.
    pub run: RunId,
    /// The finding.
    pub finding: Finding,
    /// Its line, as it is stored.
    pub line: String,
    /// The object that holds the line. Its name is the SHA-256 of its bytes.
    pub object: String,
    /// The line of the resource, as it was read, where there is one.
    pub resource_line: Option<String>,
    /// The object that holds the resource's line.
    pub resource_object: Option<String>,
}

#[derive(Serialize)]
struct RowView<'a> {
    check: &'a str,
    title: &'a str,
    severity: &'static str,
    verdict: &'static str,
    word: &'static str,
    provider: &'a str,
    account: &'a str,
    region: &'a str,
    kind: &'a str,
    resource: &'a str,
    linked: bool,
    finding: Value,
}

#[derive(Serialize)]
struct ProofView<'a> {
    finding: FindingView<'a>,
    row: RowView<'a>,
    objective: &'a str,
    revision: u32,
    check_sha256: String,
    line: &'a str,
    line_cut: bool,
    line_sha256: String,
    object: &'a str,
    show: Option<&'a str>,
    resource_line: Option<&'a str>,
    resource_object: Option<&'a str>,
    since: Option<String>,
    owner: Option<&'a str>,
}

/// Renders a page. `None` if the control that it is about is not there.
pub fn serve(
    page: ServedPage<'_>,
    live: &Live,
    report: Option<&Report>,
    period: Option<&Period>,
) -> Result<Option<Served>, ReportError> {
    let base = if matches!(page, ServedPage::Control(..)) { "../../" } else { "" };
    let links = Links::Served(base);
    let (template, at, title, more) = match page {
        ServedPage::Overview => {
            ("served_overview.html", "overview", "Overview".to_owned(), context! { script => SCRIPT })
        }
        ServedPage::Controls => ("served_controls.html", "controls", "Controls".to_owned(), context! {}),
        ServedPage::Control(catalog, control) => {
            let known = super::view::has(report, period, catalog, control);
            if !known {
                return Ok(None);
            }
            let more = context! { catalog => catalog.as_str(), control => control.as_str() };
            ("served_control.html", "controls", control.to_string(), more)
        }
        ServedPage::Checks => ("served_checks.html", "findings", "Checks".to_owned(), context! {}),
        ServedPage::Findings(page) => {
            ("served_findings.html", "findings", "Findings".to_owned(), findings(page, report))
        }
        ServedPage::Finding(page) => {
            ("served_finding.html", "findings", page.finding.resource.clone(), proof(page, report, period))
        }
        ServedPage::Timeline => ("served_timeline.html", "timeline", "Over time".to_owned(), context! {}),
        ServedPage::Coverage => ("served_coverage.html", "coverage", "Coverage".to_owned(), context! {}),
        ServedPage::Problem(what, detail) => ("served_problem.html", "", what.to_owned(), context! { what, detail }),
        ServedPage::Trust => ("served_trust.html", "trust", "Trust".to_owned(), context! {}),
    };
    let script = if matches!(page, ServedPage::Overview) { only(SCRIPT) } else { "'none'".to_owned() };
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {script}; connect-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'self'",
        only(STYLE)
    );
    let own = context! {
        served => true,
        at,
        base,
        live => Value::from(Serde(live)),
        page_title => format!("{title} · {} · evidenced", live.agent),
    };
    let context = context! { ..more, ..own, ..common(report, period)? };
    let mut html = Vec::new();
    render(template, links, context, &mut html)?;
    let html = String::from_utf8(html).map_err(|error| ReportError::Write(std::io::Error::other(error)))?;
    Ok(Some(Served { html, policy }))
}

fn findings(page: &FindingsPage, report: Option<&Report>) -> Value {
    let rows: Vec<RowView<'_>> = page.findings.iter().map(|finding| row(finding, report)).collect();
    let checks = report.into_iter().flat_map(|report| &report.checks);
    let about = checks.clone().find(|check| check.id.as_str() == page.filter.check);
    let mut counts = evidenced_model::VerdictCounts::default();
    for check in checks.filter(|check| about.is_none_or(|about| about.id == check.id)) {
        counts.add(&check.counts);
    }
    context! {
        rows => Value::from(Serde(rows)),
        filter => Value::from(Serde(&page.filter)),
        filtered => page.filter.is_narrow(),
        next => page.next.as_deref(),
        later => page.later,
        shown_run => page.run.to_string(),
        about => Value::from(Serde(about)),
        counts => Value::from(Serde(counts)),
    }
}

fn row<'a>(finding: &'a Finding, report: Option<&'a Report>) -> RowView<'a> {
    let title = report.into_iter().flat_map(|report| &report.checks).find(|check| check.id == finding.check);
    let limits = Limits::default();
    let shown = shown(finding, None, &limits);
    let waived = finding.waiver.is_some() && finding.verdict == evidenced_model::Verdict::Fail;
    RowView {
        check: finding.check.as_str(),
        title: title.map_or(finding.check.as_str(), |check| &check.title),
        severity: finding.severity.as_str(),
        verdict: if waived { "waived" } else { finding.verdict.as_str() },
        word: if waived { "waived fail" } else { words::verdict(finding.verdict) },
        provider: finding.scope.provider.as_str(),
        account: finding.scope.account.as_str(),
        region: finding.scope.region.as_str(),
        kind: finding.kind.as_str(),
        resource: &finding.resource,
        linked: finding.resource.len() <= LINKED,
        finding: Value::from(Serde(self::finding(&shown))),
    }
}

fn proof(page: &FindingPage, report: Option<&Report>, period: Option<&Period>) -> Value {
    let finding = &page.finding;
    let evidence = Evidence { object: &page.object, resource_object: page.resource_object.as_deref() };
    let limits = Limits { finding_bytes: 32 << 10, value_bytes: 8 << 10, ..Limits::default() };
    let shown = shown(finding, Some(evidence), &limits);
    let known = super::view::Known {
        check: finding.check.as_str(),
        resource: &finding.resource,
        account: finding.scope.account.as_str(),
        region: finding.scope.region.as_str(),
    };
    let fail = period.map(super::view::known).and_then(|known_fails| known_fails.get(&known).copied());
    let view = ProofView {
        finding: self::finding(&shown),
        row: row(finding, report),
        objective: finding.objective.as_str(),
        revision: finding.revision,
        check_sha256: finding.check_sha256.to_string(),
        line: cut(&page.line),
        line_cut: page.line.len() > LINE,
        line_sha256: Digest::of(page.line.as_bytes()).to_string(),
        object: &page.object,
        show: shown.evidence.as_ref().and_then(|evidence| evidence.show.as_deref()),
        resource_line: page.resource_line.as_deref().map(cut),
        resource_object: page.resource_object.as_deref(),
        since: fail
            .map(|fail| format!("{}{}", if fail.from_before { "before " } else { "" }, words::minute(fail.since))),
        owner: fail.and_then(|fail| fail.owner.as_deref()),
    };
    context! { proof => Value::from(Serde(view)), shown_run => page.run.to_string(), place => place(&finding.scope) }
}

/// What a page shows of a stored line. Its end is not shown; it is part of what is hashed.
fn cut(line: &str) -> &str {
    let line = line.trim_end_matches('\n');
    &line[..line.floor_char_boundary(LINE)]
}

impl Filter {
    /// Whether it asks for less than everything.
    pub fn is_narrow(&self) -> bool {
        let all =
            [&self.verdict, &self.severity, &self.provider, &self.account, &self.check, &self.resource, &self.control];
        all.iter().any(|part| !part.is_empty())
    }
}
